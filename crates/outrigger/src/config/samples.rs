//! The sample configurations of the package, held against the declared keys.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::Path;

use outrigger_runtime::Disk;
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_sim::certificates::Authority;

use super::keys::TABLES_ALL;
use super::{read_archive, read_node};

const NODE: &str = include_str!("../../../../packaging/outrigger.toml");
const ARCHIVE: &str = include_str!("../../../../packaging/archive.toml");

/// The sample with every setting in force that it shows behind `#`.
fn in_force(sample: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    sample.lines().map(line).collect()
}

/// A disk with the files that the sample names, and that nobody else has looked at.
fn disk() -> SimDisk {
    let disk = SimDisk::new(1, 1 << 20);
    let authority = Authority::new().unwrap();
    let identity = authority.issue("dicom").unwrap();
    let real = |path: &Path| {
        outrigger_runtime::disk::read_small(&outrigger_runtime::RealDisk, path, 1 << 20).unwrap()
    };
    disk.create_directory(Path::new("/etc/outrigger")).unwrap();
    for (name, content) in [
        ("dicom.crt", real(&identity.certificate)),
        ("dicom.key", real(&identity.key)),
        ("ca.crt", real(&authority.certificate())),
        ("s3.access-key", b"AKIAEXAMPLE\n".to_vec()),
        ("s3.secret-key", b"0123456789abcdef\n".to_vec()),
        ("tokens", b"read 0123456789abcdef".to_vec()),
        ("primary.token", b"0123456789abcdef\n".to_vec()),
        ("primary-statuses.toml", b"A7xx = \"retry-later\"".to_vec()),
    ] {
        let file = disk.create(&Path::new("/etc/outrigger").join(name)).unwrap();
        file.write_at(&[IoSlice::new(&content)], 0).unwrap();
    }
    disk.create_directory(Path::new("/usr/share/outrigger/viewer")).unwrap();
    disk.create(Path::new("/usr/share/outrigger/viewer/index.html")).unwrap();
    disk.create_directory(Path::new("/var/lib/outrigger")).unwrap();
    disk
}

/// Every key that a text sets, with the header of its table.
fn set(text: &str) -> BTreeSet<(String, String)> {
    let mut header = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            header = line.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert((header.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn the_samples_are_good_as_they_are_and_with_every_setting_in_force() {
    let disk = disk();
    for text in [NODE.to_owned(), in_force(NODE)] {
        read_node("outrigger.toml", &text, &disk).unwrap();
    }
    read_archive("archive.toml", ARCHIVE, &disk).unwrap();
}

/// What is read by nobody is an unknown key: a sample that is good and has every key shows that each is read.
#[test]
fn the_samples_show_every_key_that_is_declared_and_no_other() {
    let shown: BTreeSet<_> = set(&in_force(NODE)).union(&set(&in_force(ARCHIVE))).cloned().collect();
    let declared = TABLES_ALL
        .iter()
        .flat_map(|table| table.keys.iter().map(|key| (table.header.to_owned(), key.name.to_owned())))
        // A secret is shown by its file; one key of both may be given.
        .filter(|(_, name)| !name.ends_with("_env"));
    assert_eq!(shown, declared.collect());
}

#[test]
fn defaults_shown_are_the_defaults() {
    let lines = || NODE.lines().chain(ARCHIVE.lines());
    let shown: BTreeSet<&str> = lines().filter_map(|line| line.strip_prefix('#')).collect();
    for key in
        TABLES_ALL.iter().filter(|table| table.header != "[[member.route]]").flat_map(|table| table.keys)
    {
        let Some(default) = key.default else { continue };
        let good = [format!("{} = {default}", key.name), format!("{} = \"{default}\"", key.name)];
        let differs = lines().any(|line| line.starts_with(&format!("{} = ", key.name)));
        assert!(differs || good.iter().any(|line| shown.contains(line.as_str())), "{}", key.name);
    }
}

#[test]
fn a_key_that_nobody_knows_is_a_mistake_in_every_table() {
    let (text, disk) = (in_force(NODE), disk());
    for table in TABLES_ALL.iter().filter(|table| !table.header.starts_with("[archive")) {
        let mistaken = text.replacen(table.header, &format!("{}\nunheard_of = 1", table.header), 1);
        let mistakes = read_node("outrigger.toml", &mistaken, &disk).unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{}: {mistakes}", table.header);
        assert!(mistakes.0[0].key.ends_with("unheard_of"), "{mistakes}");
    }
}

#[test]
fn a_key_that_nobody_knows_is_a_mistake_in_the_tables_of_an_archive() {
    let text = in_force(ARCHIVE).replace("blobs = \"file:/var/lib/outrigger/blobs\"\n", "");
    let disk = disk();
    read_archive("archive.toml", &text, &disk).unwrap();
    for table in TABLES_ALL.iter().filter(|table| table.header.starts_with("[archive")) {
        let mistaken = text.replacen(table.header, &format!("{}\nunheard_of = 1", table.header), 1);
        let mistakes = read_archive("archive.toml", &mistaken, &disk).unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{}: {mistakes}", table.header);
        assert!(mistakes.0[0].key.ends_with("unheard_of"), "{mistakes}");
    }
}
