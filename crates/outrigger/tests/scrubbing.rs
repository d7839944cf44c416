//! A running node reads its books again: what was changed or taken away under it is named until it is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_sim::phantom::{Phantom, Place, Shape};
use outrigger_sim::scripted::{Conduct, Scripted};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, configuration};
use crate::modality::{objects, send};
use crate::program::run;

const PATIENCE: Duration = Duration::from_secs(30);

/// A front door whose journal has several segments and a large object, before a member that has nothing yet.
async fn opened(scrub: &str) -> (Scripted, Door) {
    let member = Scripted::start(&ae("A")).await.unwrap();
    member.behave(Conduct::Answers(0xA700));
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), &[Behind::new("a", member.station(), "present")]);
    let text = text.replace("reserve = ", &format!("segment_size = \"256KiB\"\n{scrub}\nreserve = "));
    let door = Door::open_with(directory, &text).await;
    let mut sent = objects(1, 12);
    sent.push(Phantom::new(1, Place { patient: 1, ..Place::default() }, Shape::Us { frames: 2 }).into());
    send(&door.station(), &sent).await;
    (member, door)
}

fn listed(door: &Door, directory: &str) -> Vec<PathBuf> {
    let directory = door.directory.path().join("data/journal").join(directory);
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Scrubs, and asserts that the findings are one about this file, or none; `status` and the metrics say the same.
async fn scrub_names(door: &Door, file: Option<&Path>) -> String {
    let ran = door.ask(&["scrub", "--json"]).await.exits(if file.is_some() { 4 } else { 0 });
    let shown = file.map(|file| file.display().to_string());
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    let named: Vec<&str> = findings.iter().map(|text| text.as_str().unwrap()).collect();
    assert_eq!(named.len(), usize::from(shown.is_some()), "{named:?}");
    assert!(shown.iter().all(|shown| named[0].contains(shown)), "{named:?} instead of {shown:?}");
    let status = door.json(&["status"]).await;
    let damage: Vec<&str> = status["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|reason| reason.as_str().unwrap().strip_prefix("damage: "))
        .collect();
    assert_eq!(damage, named, "{status:#}");
    assert_eq!(status["findings"], named.len(), "noted once: {status:#}");
    let url = format!("{}/metrics", door.admin());
    let metrics = tokio::task::spawn_blocking(move || {
        ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap()
    });
    let gauge = format!("outrigger_scrub_findings{{book=\"journal\"}} {}", named.len());
    assert!(metrics.await.unwrap().contains(&gauge), "{gauge}");
    named.first().map(|text| (*text).to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn what_is_changed_under_a_running_node_is_named_until_it_is_as_it_was() {
    let (member, door) = opened("scrub_rate = \"1GiB\"").await;
    assert!(door.ask(&["scrub"]).await.exits(0).stdout.starts_with("sound: "));
    let segments = listed(&door, "segments");
    assert!(segments.len() > 1, "{segments:?}");
    let sealed = &segments[0];
    let content = fs::read(sealed).unwrap();

    // The index at the end, the zeros between two commits, a byte of an object.
    let gap =
        (4000..content.len()).find(|at| content[*at - 20..*at + 20].iter().all(|byte| *byte == 0)).unwrap();
    for (at, words) in
        [(content.len() - 20, "no entry is lost"), (gap, "no entry is lost"), (9000, ", entry ")]
    {
        let mut flipped = content.clone();
        flipped[at] ^= 4;
        fs::write(sealed, &flipped).unwrap();
        let named = scrub_names(&door, Some(sealed)).await;
        assert!(named.contains(words), "byte {at}: {named}");
        assert_eq!(scrub_names(&door, Some(sealed)).await, named, "found again");
        door.ask(&["status"]).await.exits(3);
        fs::write(sealed, &content).unwrap();
        scrub_names(&door, None).await;
    }

    let object = &listed(&door, "objects")[0];
    let head = door.directory.path().join("data/journal/head");
    for file in segments.iter().chain([object, &head]) {
        let aside = file.with_extension("aside");
        fs::rename(file, &aside).unwrap();
        assert!(scrub_names(&door, Some(file)).await.contains("is gone"), "{}", file.display());
        fs::rename(&aside, file).unwrap();
    }
    scrub_names(&door, None).await;
    member.behave(Conduct::Keeps);
    door.balance_exits(0, PATIENCE).await;
    assert_eq!(member.kept().len(), 13);
    door.until(&["status"], PATIENCE, |status| status["state"] == "healthy").await;
}

#[tokio::test]
async fn books_that_disagree_are_named_with_what_mends_them() {
    let (_member, door) = opened("").await;
    door.until(&["balance"], PATIENCE, |balance| balance["members"][0]["accepted_entries"] == 13).await;
    let books = rusqlite::Connection::open(door.directory.path().join("data/ledger.db")).unwrap();
    books
        .execute("UPDATE entry SET length = length + 1 WHERE seq = (SELECT max(seq) FROM entry)", [])
        .unwrap();
    drop(books);
    let ran = door.ask(&["scrub", "--json"]).await.exits(4).json();
    assert!(ran["findings"][0].as_str().unwrap().contains("`outrigger rebuild`"), "{ran:#}");
    let status = door.ask(&["status", "--json"]).await.exits(3).json();
    assert!(status["reasons"].to_string().contains("`outrigger rebuild`"), "{status:#}");
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_waits_for_no_scrub() {
    let (_member, mut door) = opened("scrub_rate = \"1B\"").await;
    let admin = door.admin();
    let asking = tokio::spawn(async move { run(&["scrub", "--admin", &admin]).await });
    let is_running = |status: &Value| status["scrub"]["running"]["number"] == 1;
    door.until(&["status"], PATIENCE, is_running).await;
    let id = Pid::from_raw(i32::try_from(door.node.id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert!(door.node.process().ended(Duration::from_secs(10)).await.unwrap().success());
    let ran = asking.await.unwrap();
    assert!(ran.status == 6 || ran.status == 1, "{ran:?}");
}
