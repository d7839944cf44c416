//! Every sample object through the front door: byte for byte in the journal, in step at both members, and what a member
//! refuses in suspense with its words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::element::Value as ElementValue;
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_dataset::scan::Scanner;
use outrigger_journal::{Entry, Journal, Options, RecordKind, Seq};
use outrigger_member::Member;
use outrigger_model::transfer_syntax::DEFLATED;
use outrigger_model::{Status, Tag, TransferSyntaxUid};
use outrigger_runtime::{BlockSource, Clock, Random, RealDisk};
use outrigger_sim::part10;
use outrigger_sim::peers::{DcmQrScp, Orthanc, OrthancSetup, Station};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, line};
use crate::modality::{Object, compared, reached, store};

/// Longest wait for some hundred objects at both members, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(100);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Objects of one association: below the 128 presentation contexts it may have.
const PER_ASSOCIATION: usize = 60;

/// The samples, each SOP Instance UID once.
pub(crate) fn samples() -> Vec<Object> {
    let mut seen = BTreeSet::new();
    files().filter(|object| seen.insert(object.header.sop_instance.clone())).collect()
}

/// Every sample file, in the order of their names.
fn files() -> impl Iterator<Item = Object> {
    let directory = std::env::var_os("OUTRIGGER_SAMPLES").unwrap();
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).filter_map(|path| object(&path))
}

fn object(path: &Path) -> Option<Object> {
    let file = fs::read(path).unwrap();
    let parts = part10::parts(&file)?;
    let meta = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(parts.meta)).ok()?;
    let ElementValue::Bytes(uid) = &meta.get(Tag(0x0002, 0x0010))?.value else { return None };
    let transfer_syntax = TransferSyntaxUid::from_bytes(uid).ok()?;
    let bytes = Bytes::copy_from_slice(parts.data_set);
    let mut scanner = Scanner::new(&transfer_syntax);
    scanner.push(&bytes);
    let header = scanner.finish().ok()?.header;
    Some(Object { header, transfer_syntax, bytes })
}

/// Sends all, some an association; each must be taken.
async fn send_all(station: &Station, objects: &[Object]) {
    let front = reached(station, None);
    for some in objects.chunks(PER_ASSOCIATION) {
        let mut needs: Vec<_> = some.iter().map(Object::need).collect();
        needs.sort();
        needs.dedup();
        let mut session = front.open(&needs, &ae("CT1")).await.unwrap();
        for object in some {
            let status = store(&mut *session, object).await;
            assert_eq!(status, Status::SUCCESS, "{:?} in {}", object.header, object.transfer_syntax);
        }
        session.release().await.unwrap();
    }
}

/// What `why` says of each object at each member.
async fn standings(door: &Door, objects: &[Object]) -> Vec<(Object, Value)> {
    let mut all = Vec::new();
    for object in objects {
        let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
        for member in why["studies"][0]["instances"][0]["members"].as_array().unwrap() {
            all.push((object.clone(), member.clone()));
        }
    }
    all
}

/// It is said of the object that a member accepted it and could not be asked about it.
async fn has_its_word_alone(door: &Door, object: &Object, member: &str) {
    let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
    let findings = why["studies"][0]["instances"][0]["findings"].as_array().unwrap();
    let words = format!("member {member} accepted it and cannot be asked whether it has it");
    let told = |finding: &&Value| finding.as_str().unwrap().starts_with(&words);
    assert_eq!(findings.iter().filter(told).count(), 1, "{why:#}");
}

/// Waits until every object is at both members or in suspense, with a difference of 0; so many may still be tried again.
async fn settled(door: &Door, objects: &[Object], members: &[&str], again: usize) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let balance = door.json(&["balance"]).await;
        let rows: Vec<_> = members.iter().map(|member| line(&balance, member)).collect();
        let accepted = |row: &Value| row["accepted_entries"].as_u64().unwrap();
        let sound = |row: &&Value| accepted(row) <= objects.len() as u64 && row["difference"] == 0;
        assert!(rows.iter().all(sound), "{balance:#}");
        // The books follow the journal a moment later.
        let entered = rows.iter().all(|row| accepted(row) == objects.len() as u64);
        let pending: u64 = rows.iter().map(|row| row["pending"].as_u64().unwrap()).sum();
        if entered && pending <= again as u64 {
            return;
        }
        assert!(Instant::now() < give_up, "still owed: {:#?}", owed(door, objects).await);
        sleep(LOOK_EVERY).await;
    }
}

/// What is owed, and what was tried.
async fn owed(door: &Door, objects: &[Object]) -> Vec<String> {
    let standings = standings(door, objects).await;
    let pending = standings.iter().filter(|(_, at)| at["state"] == "pending");
    pending.map(|(object, at)| format!("{:?} in {}: {at}", object.header, object.transfer_syntax)).collect()
}

/// Compares the journal with what was sent, byte for byte; the node must be stopped.
fn journal_holds(data: &Path, objects: &[Object]) {
    let mut sent: BTreeMap<&[u8], usize> = BTreeMap::new();
    for object in objects {
        *sent.entry(&object.bytes).or_default() += 1;
    }
    for (header, bytes) in journal(data) {
        let count = sent.get_mut(bytes.as_slice()).unwrap_or_else(|| panic!("not as it was sent: {header}"));
        *count = count.checked_sub(1).unwrap();
    }
    assert!(sent.values().all(|count| *count == 0), "something that was sent is not in the journal");
}

/// The objects in the journal of a node that is stopped: what is noted about each, and its bytes.
pub(crate) fn journal(data: &Path) -> Vec<(Value, Vec<u8>)> {
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, data.join("journal"))],
        accept_loss: None,
        segment_bytes_max: 1 << 28,
        reserve_bytes: 0,
        max_size_bytes: 1 << 31,
    };
    let opened = Journal::open(Arc::new(RealDisk), Clock::System, Random::System, options, Seq(0)).unwrap();
    let reader = opened.journal.reader();
    let mut objects = Vec::new();
    for entry in reader.records(Seq(0), usize::MAX).unwrap() {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        if record.kind == RecordKind::Object {
            let header = serde_json::from_slice(&record.header).unwrap();
            objects.push((header, whole(&*reader.body(record.seq).unwrap())));
        }
    }
    objects
}

fn whole(source: &dyn BlockSource) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0.. {
        let block = source.read_block(index).unwrap();
        if block.is_empty() {
            break;
        }
        bytes.extend_from_slice(&block);
    }
    bytes
}

/// Puts all samples through a front door before these two members, and compares everything.
///
/// `hangs` is an encoding that the first member accepts and then cannot read: such an object is tried again.
async fn go_through(mut door: Door, members: [(&str, &Station); 2], hangs: Option<&str>) {
    let objects = samples();
    let is_hung = |object: &Object| hangs.is_some_and(|syntax| object.transfer_syntax.as_str() == syntax);
    assert!(objects.len() > 100, "{} samples", objects.len());
    send_all(&door.station(), &objects).await;
    let again = objects.iter().filter(|object| is_hung(object)).count();
    settled(&door, &objects, &members.map(|(name, _)| name), again).await;
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for (object, at) in standings(&door, &objects).await {
        let name = at["name"].as_str().unwrap();
        if at["state"] == "suspense" {
            let text = at["attempts"].to_string() + &at["reason"].to_string();
            assert!(text.len() > 20, "no words for {:?}: {at:#}", object.header);
            println!("{name}: {} in {}: {at}", object.header.sop_class, object.transfer_syntax);
            continue;
        }
        if at["state"] == "pending" {
            assert!(is_hung(&object) && name == members[0].0, "{object:?}: {at:#}");
            continue;
        }
        assert_eq!(at["state"], "confirmed", "{at:#}");
        *kept.entry(name.to_owned()).or_default() += 1;
        if object.header.study.is_none() && name == "embedded" {
            // Commitment names instances alone, and the embedded archive knows it.
            assert_eq!(at["level"], "committed", "{at:#}");
            continue;
        }
        if object.header.study.is_none() {
            assert_eq!(at["level"], "accepted", "nobody can be asked for what belongs to no study: {at:#}");
            has_its_word_alone(&door, &object, name).await;
            continue;
        }
        let (_, station) = members.iter().find(|(member, _)| *member == name).unwrap();
        if let Err(difference) = compared(&reached(station, None), &object).await {
            panic!("{:?} in {} at {name}: {difference}", object.header, object.transfer_syntax);
        }
    }
    println!("of {} samples are kept: {kept:?}", objects.len());
    assert!(kept.values().all(|count| *count * 2 > objects.len()), "{kept:?} of {}", objects.len());
    door.node.process().kill().unwrap();
    journal_holds(&door.directory.path().join("data"), &objects);
}

#[tokio::test]
async fn samples_reach_orthanc_and_an_embedded_archive() {
    let ours = answers();
    let caller = Station { ae_title: ae("CT1"), port: 1 };
    let orthanc = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[ours.clone(), caller])).await.unwrap();
    let embedded = Archive::start("EMBEDDED", "sqlite").await;
    let members = [
        Behind::new("orthanc", orthanc.station(), "verified"),
        Behind::new("embedded", &embedded.station(), "verified"),
    ];
    let door = Door::open_at(&ours, &members).await;
    let both = [("orthanc", orthanc.station()), ("embedded", &embedded.station())];
    go_through(door, both, Some(DEFLATED)).await;
}

#[tokio::test]
async fn samples_reach_dcmqrscp_and_an_embedded_archive() {
    let dcmqrscp = DcmQrScp::start(&ae("QRSCP"), &[]).await.unwrap();
    let embedded = Archive::start("EMBEDDED", "redb").await;
    let members = [
        Behind::new("dcmqrscp", dcmqrscp.station(), "verified").with("connections = 1"),
        Behind::new("embedded", &embedded.station(), "verified"),
    ];
    let door = Door::open(&members).await;
    go_through(door, [("dcmqrscp", dcmqrscp.station()), ("embedded", &embedded.station())], None).await;
}
