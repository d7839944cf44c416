//! A workstation made of dcmjs-dimse, for those whose viewers run on Node.js: it stores, asks for commitment, finds and retrieves.

use std::fs;
use std::path::Path;

use outrigger_dataset::{part10, read};
use outrigger_model::Tag;
use outrigger_sim::peers::{Nagle, ToolRun, free_port};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::archives::Archive;
use crate::door::{Behind, Door, configuration};
use crate::modality::{Object, objects, send};
use crate::queries::objects::Corpus;
use crate::reading::{NO_RETENTION, released};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dcmjs/client.mjs");
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const TITLE: &str = "DCMJS";
const TAKEN: u64 = 0;

/// Studies of the table of queries, each in a character set of its own, with the name and the description a person reads.
const WRITINGS: [(&str, &str, &str); 6] = [
    ("d", "M\u{FC}ller^J\u{F6}rg", "Sch\u{E4}del"),
    ("e", "M\u{FC}ller^\u{C4}nne", "\u{5934}\u{90E8}"),
    (
        "f",
        "Yamada^Tarou=\u{5C71}\u{7530}^\u{592A}\u{90CE}=\u{3084}\u{307E}\u{3060}^\u{305F}\u{308D}\u{3046}",
        "\u{982D}\u{90E8}",
    ),
    ("g", "Hong^Gildong=\u{6D2A}^\u{5409}\u{6D1E}=\u{D64D}^\u{AE38}\u{B3D9}", "CT"),
    ("h", "Wang^XiaoDong=\u{738B}^\u{5C0F}\u{4E1C}", "\u{80F8}\u{90E8}"),
    (
        "i",
        "\u{418}\u{432}\u{430}\u{43D}\u{43E}\u{432}^\u{418}\u{432}\u{430}\u{43D}",
        "\u{413}\u{43E}\u{43B}\u{43E}\u{432}\u{430}",
    ),
];

/// SHA-256 of the pixels, in hexadecimal; null where there are none.
fn pixels(object: &Object) -> Value {
    let set = read::read(&object.transfer_syntax, object.bytes.clone()).unwrap();
    set.bytes(PIXEL_DATA).map_or(Value::Null, |bytes| {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    })
}

/// The instances of a study with their pixels, as they must come.
fn expected<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Vec<[Value; 2]> {
    sorted(objects.into_iter().map(|object| [object.header.sop_instance.as_str().into(), pixels(object)]))
}

fn sorted(pairs: impl Iterator<Item = [Value; 2]>) -> Vec<[Value; 2]> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|[instance, _]| instance.to_string());
    pairs
}

fn files(of: &[Object], into: &Path) {
    fs::create_dir(into).unwrap();
    for (number, Object { header, transfer_syntax, bytes }) in of.iter().enumerate() {
        let file = part10::file(&header.sop_class, &header.sop_instance, transfer_syntax, bytes);
        fs::write(into.join(format!("{number:03}.dcm")), file).unwrap();
    }
}

/// What it said of a step, of a study where there are several.
fn said<'s>(lines: &'s [Value], step: &str, study: Option<&str>) -> &'s Value {
    let fits = |line: &&Value| line["step"] == step && study.is_none_or(|study| line["study"] == study);
    lines.iter().find(fits).unwrap_or_else(|| panic!("no {step} of {study:?} in {lines:#?}"))
}

fn is_found(lines: &[Value], study: &str, of_study: &[&Object], written: Option<(&str, &str)>) {
    let found = said(lines, "find", Some(study));
    let series = found["series"].as_array().unwrap();
    assert_eq!(found["ended"], json!(vec![TAKEN; 2 + series.len()]), "{found:#}");
    let [of] = found["matches"].as_array().unwrap().as_slice() else { panic!("{found:#}") };
    assert_eq!((&of["study"], &of["retrieve"]), (&json!(study), &json!("OUTRIGGER")), "{found:#}");
    assert_eq!(of["instances"], of_study.len(), "{found:#}");
    if let Some((name, description)) = written {
        assert_eq!((&of["name"], &of["description"]), (&json!(name), &json!(description)), "{found:#}");
    }
    let mut uids: Vec<_> = of_study.iter().map(|object| object.header.sop_instance.as_str()).collect();
    uids.sort_unstable();
    assert_eq!(found["instances"], json!(uids));
    let mut of_series: Vec<_> =
        of_study.iter().map(|object| object.header.series.as_ref().unwrap().as_str()).collect();
    of_series.sort_unstable();
    of_series.dedup();
    assert_eq!(found["series"], json!(of_series));
}

/// By C-GET as by C-MOVE each instance of the study comes once, whole, with its text understood.
fn comes(lines: &[Value], study: &str, of_study: &[&Object], written: Option<(&str, &str)>) {
    for step in ["get", "move"] {
        let line = said(lines, step, Some(study));
        assert_eq!((&line["ended"], &line["counted"]), (&json!(TAKEN), &json!([of_study.len(), 0, 0])));
        let came = line["objects"].as_array().unwrap();
        let pairs = came.iter().map(|object| [object["instance"].clone(), object["pixels"].clone()]);
        assert_eq!(sorted(pairs), expected(of_study.iter().copied()), "{step} of {study}");
        for object in came {
            assert_eq!(object["study"], study);
            if let Some((name, description)) = written {
                let text = (&object["name"], &object["description"]);
                assert_eq!(text, (&json!(name), &json!(description)), "{step} of {study}");
            }
        }
    }
}

/// Studies whose objects are in several character sets by ISO 2022: of these dcmjs reads the first alone. Answers to queries it gets
/// in one that it reads.
const BEYOND_DCMJS: [&str; 2] = ["f", "g"];

#[tokio::test]
async fn peer_dcmjs_stores_is_told_of_the_commitment_finds_and_retrieves_in_every_character_set() {
    let archive = Archive::start("A", "sqlite").await;
    let directory = TempDir::new().unwrap();
    let port = free_port().unwrap();
    let members = [Behind::new("a", &archive.station(), "verified")];
    let text = configuration(directory.path(), &members).replace("[journal]\n", NO_RETENTION)
        + &format!(
            "[[peer]]\nae_title = \"{TITLE}\"\naddress = \"127.0.0.1:{port}\"\n[[peer]]\nae_title = \"CT1\"\n"
        );
    let door = Door::open_with(directory, &text).await;
    let corpus = Corpus::new();
    send(&door.station(), &corpus.objects).await;
    // What is read comes from the member.
    released(&door, &corpus.objects).await;

    let sent = objects(77, 5);
    let into = door.directory.path().join("files");
    files(&sent, &into);
    let written: Vec<_> = WRITINGS.map(|(study, ..)| corpus.named[study].clone()).into();
    let mut own: Vec<_> = sent.iter().map(|object| object.header.study.clone().unwrap()).collect();
    own.sort();
    own.dedup();
    let station = door.station();
    let (called, at, listening) = (station.ae_title.to_string(), station.port.to_string(), port.to_string());
    let mut arguments = vec![SCRIPT, "127.0.0.1", &at, &called, TITLE, &listening, into.to_str().unwrap()];
    arguments
        .extend(written.iter().map(String::as_str).chain(own.iter().map(outrigger_model::StudyUid::as_str)));
    let ran = ToolRun::of("node", &arguments, Nagle::Off).await.unwrap();
    assert!(ran.success(), "{}\n{}", ran.said(), door.log());
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    assert_eq!(said(&lines, "store", None)["statuses"], json!(vec![[TAKEN]; sent.len()]));
    let mut uids: Vec<_> = sent.iter().map(|object| object.header.sop_instance.as_str()).collect();
    uids.sort_unstable();
    let commit = said(&lines, "commit", None);
    assert_eq!(commit["statuses"], json!([TAKEN]), "{commit:#}");
    let report = json!([{"event": 1, "transaction": "1.2.9.77", "committed": uids, "failed": []}]);
    assert_eq!(commit["reports"], report);

    for ((named, name, description), study) in WRITINGS.into_iter().zip(&written) {
        let of = |object: &&Object| object.header.study.as_ref().unwrap().as_str() == study;
        let of_study: Vec<_> = corpus.objects.iter().filter(of).collect();
        is_found(&lines, study, &of_study, Some((name, description)));
        let is_read = !BEYOND_DCMJS.contains(&named);
        comes(&lines, study, &of_study, is_read.then_some((name, description)));
    }
    for study in &own {
        let of_study: Vec<_> =
            sent.iter().filter(|object| object.header.study.as_ref() == Some(study)).collect();
        is_found(&lines, study.as_str(), &of_study, None);
        comes(&lines, study.as_str(), &of_study, None);
    }
}
