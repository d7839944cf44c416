//! The sample files from other people's senders: what each puts on the wire stands byte for byte in the journal, and in
//! step at both members; what is refused is in quarantine with its status; versions of one instance stay apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::scan::Scanner;
use outrigger_model::TransferSyntaxUid;
use outrigger_sim::peers::{DcmSend, PynetdicomStoreScu, Station};
use outrigger_sim::tap::{Tap, Wired};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, line};
use crate::modality::{Object, compared, reached};
use crate::samples::journal;

/// Longest wait for some hundred objects at both members, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Files of one association of pynetdicom: below the 128 presentation contexts it may have.
const PER_ASSOCIATION: usize = 60;

/// The sample files, by name; each of these has its own content, some share their SOP Instance UID.
fn files() -> Vec<PathBuf> {
    let directory = std::env::var_os("OUTRIGGER_SAMPLES").unwrap();
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// A directory with these files and no others.
fn gathered(files: &[PathBuf]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for file in files {
        fs::copy(file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    directory
}

/// Everything that was answered with success, each content once.
fn taken(wired: &[Wired]) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let success = wired.iter().filter(|object| object.status == Some(0));
    success
        .filter(|object| seen.insert((object.sop_instance.clone(), Sha256::digest(&object.bytes))))
        .map(|object| {
            let transfer_syntax = TransferSyntaxUid::new(&object.transfer_syntax).unwrap();
            let bytes = Bytes::from(object.bytes.clone());
            let mut scanner = Scanner::new(&transfer_syntax);
            scanner.push(&bytes);
            Object { header: scanner.finish().unwrap().header, transfer_syntax, bytes }
        })
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an instance's versions are, by the digest of their bytes.
async fn versions(door: &Door, uid: &str) -> BTreeMap<String, Value> {
    let why = door.json(&["why", uid]).await;
    let mut versions = BTreeMap::new();
    for study in why["studies"].as_array().unwrap() {
        for instance in study["instances"].as_array().unwrap() {
            versions.insert(instance["digest"].as_str().unwrap().to_owned(), instance.clone());
        }
    }
    versions
}

/// Everything that is wrong with an instance of which these contents were sent.
async fn wrong_with(door: &Door, members: &[(&str, Station)], sent: &[Object]) -> Vec<String> {
    let uid = sent[0].header.sop_instance.as_str();
    let versions = versions(door, uid).await;
    let mut wrong = Vec::new();
    let mut at: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for object in sent {
        let Some(version) = versions.get(&digest(&object.bytes)) else {
            wrong.push(format!("{uid}: {} bytes that were acknowledged are not known", object.bytes.len()));
            continue;
        };
        for (name, _) in members {
            let standings = version["members"].as_array().unwrap();
            let standing = standings.iter().find(|standing| standing["name"] == *name).unwrap();
            match standing["state"].as_str().unwrap() {
                // Nobody can be asked for what belongs to no study.
                "confirmed" if object.header.study.is_none() => {}
                "confirmed" => at.entry(name).or_default().push(object),
                "superseded" => {}
                "suspense" if standing["reason"].as_str().is_some_and(|reason| !reason.is_empty()) => {
                    println!("{name}: {uid} in {}: {standing}", object.transfer_syntax);
                }
                _ => wrong.push(format!("{uid} at {name}: {standing}")),
            }
        }
    }
    for (name, station) in members {
        let Some(confirmed) = at.get(name) else { continue };
        let archive = reached(station, None);
        let mut differences = Vec::new();
        for object in confirmed {
            differences.extend(compared(&archive, object).await.err());
        }
        // Of several versions the member has one.
        if differences.len() == confirmed.len() {
            wrong.push(format!("{uid} at {name}: {differences:?}"));
        }
    }
    let contents = sent.len();
    if contents > 1 && versions.values().all(|version| version["findings"] == Value::Array(Vec::new())) {
        let states: Vec<_> = versions.values().map(|version| &version["members"]).collect();
        let superseded = states.iter().any(|members| members.to_string().contains("superseded"));
        if !superseded {
            wrong.push(format!("{uid}: nothing says that {contents} contents came: {states:?}"));
        }
    }
    wrong
}

/// Contents that one side has and the other has not.
fn differing(sent: &[Object], kept: &[(Value, Vec<u8>)]) -> Vec<String> {
    let digests = |bytes: &mut dyn Iterator<Item = &[u8]>| bytes.map(digest).collect::<BTreeSet<_>>();
    let sent = digests(&mut sent.iter().map(|object| &object.bytes[..]));
    let kept = digests(&mut kept.iter().map(|(_, bytes)| &bytes[..]));
    let lost = sent.difference(&kept).map(|digest| format!("{digest} is not in the journal"));
    let more = kept.difference(&sent).map(|digest| format!("{digest} was not on the wire so"));
    lost.chain(more).collect()
}

/// Lets a sender send all samples through a tap to a front door before two archives, and compares everything.
async fn go_through(send: impl AsyncFnOnce(&Station)) {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let members = [("a", a.station()), ("b", b.station())];
    let behind = members.each_ref().map(|(name, station)| Behind::new(name, station, "verified"));
    let mut door = Door::open(&behind).await;
    let tap = Tap::start(&door.station()).await.unwrap();
    send(tap.station()).await;
    let wired = tap.objects();
    let (sent, refused) = (taken(&wired), wired.iter().filter(|object| object.status != Some(0)).count());
    let mut by_uid: BTreeMap<_, Vec<Object>> = BTreeMap::new();
    for object in &sent {
        by_uid.entry(object.header.sop_instance.clone()).or_default().push(object.clone());
    }
    let again = by_uid.values().filter(|versions| versions.len() > 1).count();
    println!(
        "{} on the wire, {refused} refused, {} contents of {} instances, {again} of them in several versions",
        wired.len(),
        sent.len(),
        by_uid.len()
    );
    assert!(by_uid.len() > 150 && again > 10, "too little to say anything");

    let settled = |balance: &Value| {
        members.iter().all(|(name, _)| {
            let row = line(balance, name);
            row["accepted_entries"].as_u64().unwrap() >= sent.len() as u64
                && row["pending"] == 0
                && row["difference"] == 0
        })
    };
    door.until(&["balance"], PATIENCE, settled).await;
    let mut wrong = Vec::new();
    for versions in by_uid.values() {
        wrong.extend(wrong_with(&door, &members, versions).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    refusals_are_listed(&door, &wired).await;
    door.node.process().kill().unwrap();
    let kept = journal(&door.directory.path().join("data"));
    assert_eq!(differing(&sent, &kept), [""; 0]);

    // The control: one bit of one object.
    let mut altered = sent;
    let mut bytes = altered[0].bytes.to_vec();
    bytes[0] ^= 1;
    altered[0].bytes = bytes.into();
    assert_eq!(differing(&altered, &kept).len(), 2, "an altered object is not noticed");
}

/// Each object that was refused is listed with its status.
async fn refusals_are_listed(door: &Door, wired: &[Wired]) {
    let listed = door.json(&["suspense", "list", "--refused"]).await;
    let text = listed.to_string();
    for object in wired.iter().filter(|object| object.status.is_some_and(|status| status != 0)) {
        let status = format!("{:04X}", object.status.unwrap());
        assert!(
            text.contains(&object.sop_instance) && text.contains(&status),
            "{} was refused with {status} and is not listed: {listed:#}",
            object.sop_instance
        );
    }
}

#[tokio::test]
async fn samples_from_dcmtk_are_kept_as_it_sends_them() {
    let directory = gathered(&files());
    go_through(async |station: &Station| {
        let (calling, called) = (ae("CT1"), station);
        let run = DcmSend { calling: &calling, called, directory: directory.path() }.run().await.unwrap();
        assert!(run.said().contains("Status Summary"), "{}", run.said());
    })
    .await;
}

/// Sends file after file; where the sender gives its association up, what follows goes over another.
async fn sent_by_pynetdicom(files: &[PathBuf], station: &Station) {
    let mut left = files;
    while !left.is_empty() {
        let some = &left[..left.len().min(PER_ASSOCIATION)];
        let directory = gathered(some);
        let calling = ae("CT1");
        let scu = PynetdicomStoreScu { calling: &calling, called: station, path: directory.path() };
        let said = scu.run().await.unwrap().said();
        left = &left[tried(some, &said)..];
    }
}

/// How many of these files a run has dealt with: up to the one at which its association ended, if it ended.
fn tried(files: &[PathBuf], said: &str) -> usize {
    let Some((before, _)) = said.split_once("Association Aborted") else { return files.len() };
    let named = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let last = files.iter().rposition(|file| before.contains(&named(file)));
    last.map_or(files.len(), |last| last + 1)
}

#[tokio::test]
async fn samples_from_pynetdicom_are_kept_as_it_sends_them() {
    go_through(async |station: &Station| sent_by_pynetdicom(&files(), station).await).await;
}
