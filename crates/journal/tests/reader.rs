//! Another reader, in another language and written from the format's page, sees the same journal.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use outrigger_journal::{Carried, Entry, Presence, Seq};

use crate::kit::{append, closing, object, open};

fn listed_by_python(directory: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_journal.py");
    let output = Command::new("python3").arg(script).arg(directory).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn peer_python_reads_what_we_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    for seed in 0..12 {
        let batch = vec![object(seed, 7000), closing(seed), object(seed + 50, 1)];
        append(&mut journal, batch);
    }
    journal.append(vec![object(99, (1 << 20) + 7)]).remove(0).unwrap();
    journal.release(&(1..14).map(Seq).collect::<Vec<_>>()).unwrap();
    while journal.carry_forward().unwrap() == Carried::Some {}
    append(&mut journal, vec![object(3, 0), closing(4)]);
    let mut expected = String::new();
    for entry in journal.reader().records(Seq(0), 1000).unwrap() {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        let body = match record.body {
            None => "-".to_owned(),
            Some(facts) if facts.presence == Presence::Released => "released".to_owned(),
            Some(facts) => facts.length.to_string(),
        };
        let header = String::from_utf8(record.header.to_vec()).unwrap();
        writeln!(expected, "{} {} {body} {header}", record.seq, record.kind.code()).unwrap();
    }
    assert_eq!(listed_by_python(directory.path()), Ok(expected.clone()));
    journal.close().unwrap();
    assert_eq!(listed_by_python(directory.path()), Ok(expected));
    let segment = directory.path().join("segments/0000000001.segment");
    let mut content = std::fs::read(&segment).unwrap();
    let last = content.windows(8).rposition(|window| window == b"\x89OUTRFRM").unwrap();
    content[last + 70] ^= 4;
    std::fs::write(&segment, content).unwrap();
    assert!(listed_by_python(directory.path()).unwrap_err().contains("trailer of"));
}
