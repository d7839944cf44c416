//! Two unlike embedded archives behind a front door, and the books made anew from the journal.

use std::fs;
use std::time::Duration;

use outrigger_model::SopClassUid;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{Process, Station};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, line, written};
use crate::modality::{Object, objects, same_at, send};
use crate::program::run;

const PATIENCE: Duration = Duration::from_secs(60);

/// An embedded archive as a process.
pub(crate) struct Archive {
    node: Node,
    title: String,
    _directory: TempDir,
}

impl Archive {
    /// Starts one whose catalogue is kept by `database`.
    pub(crate) async fn start(title: &str, database: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().display();
        let text = format!(
            "[node]\nname = \"archive\"\ndata = \"{data}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"{title}\"]\n\
             [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"{database}:{data}/catalogue\"\n"
        );
        let config = written(directory.path(), &text);
        let program = crate::program::program();
        let node = Node::start(program, Role::Archive, &config, directory.path(), Vec::new()).await.unwrap();
        Self { node, title: title.to_owned(), _directory: directory }
    }

    /// Its process, to hang, kill and restart.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.node.process()
    }

    /// Starts it again where it was, killed or not.
    pub(crate) async fn restart(&mut self) {
        let config = self.process().directory().join("outrigger.toml");
        let text = fs::read_to_string(&config).unwrap();
        let dimse = format!("[[front.dimse]]\nlisten = \"127.0.0.1:{}\"", self.station().port);
        fs::write(&config, text.replace("[[front.dimse]]\nlisten = \"127.0.0.1:0\"", &dimse)).unwrap();
        self.process().restart().await.unwrap();
    }

    pub(crate) fn station(&self) -> Station {
        Station { ae_title: ae(&self.title), port: self.node.listening().unwrap().dimse[0].port() }
    }
}

/// The accounts of the members, and where each object of the studies is, without what is not rebuilt: attempts, times.
async fn books(door: &Door, sent: &[Object]) -> (Value, Vec<Value>) {
    let balance = door.json(&["balance"]).await["members"].take();
    let mut whys = Vec::new();
    for object in sent {
        let mut why = door.json(&["why", object.header.sop_instance.as_str()]).await;
        let members = why["studies"][0]["instances"][0]["members"].as_array_mut().unwrap();
        for member in members {
            member["attempts"] = Value::Null;
            member["next_at"] = Value::Null;
        }
        whys.push(why);
    }
    (balance, whys)
}

async fn stop(door: &mut Door) {
    let id = i32::try_from(door.node.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    door.node.process().ended(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn two_unlike_archives_have_what_was_sent_and_the_books_are_the_same_after_a_rebuild() {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "verified")];
    let mut door = Door::open(&members).await;
    let sent = objects(1, 20);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    for archive in [&a, &b] {
        same_at(&archive.station(), &sent).await;
    }
    door.ask(&["member", "hold", "b"]).await.exits(0);
    let more = objects(2, 4);
    send(&door.station(), &more).await;
    let owed = |balance: &Value| line(balance, "a")["pending"] == 0 && line(balance, "b")["pending"] == 4;
    door.until(&["balance"], PATIENCE, owed).await;
    let all: Vec<Object> = sent.into_iter().chain(more).collect();
    let before = books(&door, &all).await;

    stop(&mut door).await;
    let config = door.config.display().to_string();
    let rebuilt = run(&["rebuild", "--config", &config]).await.exits(0);
    assert!(rebuilt.stdout.contains("rebuilt: 24 objects"), "{rebuilt:?}");
    door.node.process().restart().await.unwrap();
    let after = books(&door, &all).await;
    assert_eq!(before, after);
    door.ask(&["member", "resume", "b"]).await.exits(0);
    door.balance_exits(0, PATIENCE).await;
    same_at(&b.station(), &all).await;
}

#[tokio::test]
async fn a_lost_head_of_the_journal_is_told_of_and_made_anew_by_a_rebuild() {
    let archive = Archive::start("A", "sqlite").await;
    let mut door = Door::open(&[Behind::new("a", &archive.station(), "verified")]).await;
    let sent = objects(11, 5);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let before = books(&door, &sent).await;
    let config = door.config.display().to_string();
    let data = door.config.parent().unwrap().join("data");
    let head = data.join("journal/head");
    for lost in ["missing", "unreadable"] {
        stop(&mut door).await;
        std::fs::remove_file(&head).unwrap();
        if lost == "unreadable" {
            std::fs::write(&head, "").unwrap();
        }
        run(&["serve", "--config", &config]).await.exits(1).says(&[
            "journal/head",
            lost,
            "`outrigger rebuild`",
        ]);
        let rebuilt = run(&["rebuild", "--config", &config]).await.exits(0);
        assert!(rebuilt.stdout.contains("rebuilt: 5 objects"), "{rebuilt:?}");
        assert!(rebuilt.stderr.contains("the journal's head was lost"), "{rebuilt:?}");
        door.node.process().restart().await.unwrap();
        assert_eq!(books(&door, &sent).await, before);
    }
    for kept in ["ledger.db.before-rebuild", "ledger.db.before-rebuild-2"] {
        assert!(data.join(kept).exists(), "{kept}");
    }
}

#[tokio::test]
async fn a_rebuild_makes_no_journal_where_there_is_none_and_leaves_the_books() {
    let archive = Archive::start("A", "sqlite").await;
    let mut door = Door::open(&[Behind::new("a", &archive.station(), "verified")]).await;
    let sent = objects(12, 3);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let before = books(&door, &sent).await;
    stop(&mut door).await;
    let config = door.config.display().to_string();
    let data = door.config.parent().unwrap().join("data");
    let (journal, away) = (data.join("journal"), data.join("not-mounted"));
    let ledger = data.join("ledger.db");
    fs::rename(&journal, &away).unwrap();
    fs::create_dir(&journal).unwrap();
    for verb in ["serve", "rebuild"] {
        run(&[verb, "--config", &config]).await.exits(1).says(&["there is no journal in", "mounted?"]);
    }
    let books_bytes = fs::read(&ledger).unwrap();
    fs::write(&ledger, "no database").unwrap();
    run(&["rebuild", "--config", &config]).await.exits(1).says(&["there is no journal in"]);
    assert!(!journal.join("head").exists() && !data.join("ledger.db.before-rebuild").exists());
    fs::write(&ledger, books_bytes).unwrap();
    fs::remove_dir_all(&journal).unwrap();
    fs::rename(&away, &journal).unwrap();
    door.node.process().restart().await.unwrap();
    assert_eq!(books(&door, &sent).await, before);
}

/// The records of what was owed are gone with the segment; only the ledger knows of them, and a rebuild must not forget them.
#[tokio::test]
async fn a_rebuild_does_not_forget_what_the_journal_has_lost() {
    let away = Station { ae_title: ae("AWAY"), port: outrigger_sim::peers::free_port().unwrap() };
    let mut door = Door::open(&[Behind::new("a", &away, "present")]).await;
    let sent = objects(13, 5);
    send(&door.station(), &sent).await;
    let owed = |balance: &Value| line(balance, "a")["pending"] == 5;
    door.until(&["balance"], PATIENCE, owed).await;
    stop(&mut door).await;
    let config = door.config.display().to_string();
    let data = door.config.parent().unwrap().join("data");
    for segment in std::fs::read_dir(data.join("journal/segments")).unwrap() {
        std::fs::remove_file(segment.unwrap().path()).unwrap();
    }
    let refused = run(&["rebuild", "--config", &config]).await.exits(1);
    for words in ["lost the records of 6 entries", "ledger.db", "the only book"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert!(!data.join("ledger.db.before-rebuild").exists());
    door.node.process().restart().await.unwrap();
    door.until(&["balance"], PATIENCE, |balance| line(balance, "a")["suspense"] == 5).await;
    stop(&mut door).await;

    // Control: with the ledger moved away, what the journal still has is all there is.
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let from = data.join(name);
        if from.exists() {
            std::fs::rename(&from, data.join(format!("{name}.away"))).unwrap();
        }
    }
    let rebuilt = run(&["rebuild", "--config", &config]).await.exits(0);
    assert!(rebuilt.stdout.contains("rebuilt: 0 objects"), "{rebuilt:?}");
}

/// The same object with something in it replaced by as many other bytes.
fn altered(object: &Object, from: &[u8], to: &[u8]) -> Object {
    let mut bytes = object.bytes.to_vec();
    let place = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to);
    Object { bytes: bytes.into(), ..object.clone() }
}

/// An archive of ours keeps the first of several contents of one instance: a person is told of each other one, whether it
/// could be read back to compare it, or is of another class and could not.
#[tokio::test]
async fn what_comes_again_with_other_content_or_another_class_is_set_aside_in_words() {
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
    let archive = Archive::start("A", "sqlite").await;
    let door = Door::open(&[Behind::new("a", &archive.station(), "verified")]).await;
    let sent = objects(3, 2);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;

    let last = sent[0].bytes.len() - 1;
    let mut content = sent[0].clone();
    content.bytes = [&sent[0].bytes[..last], &[!sent[0].bytes[last]]].concat().into();
    let mut class = altered(&sent[1], CT.as_bytes(), MR.as_bytes());
    class.header.sop_class = SopClassUid::known(MR);
    let again = [content, class];
    // One after the other: what is asked for together with the first class could be read back.
    for (object, count) in again.iter().zip(1..) {
        send(&door.station(), std::slice::from_ref(object)).await;
        let aside = |balance: &Value| line(balance, "a")["suspense"] == count;
        door.until(&["balance"], PATIENCE, aside).await;
    }
    let shown =
        format!("the member shows this SOP Instance UID with SOP class {CT}, and it was sent with {MR}");
    for (object, words) in again.iter().zip(["what was read back differs from what was sent: ", &shown]) {
        let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
        let versions = why["studies"][0]["instances"].as_array().unwrap();
        assert_eq!(versions.len(), 2, "{why:#}");
        let (later, first): (Vec<_>, Vec<_>) =
            versions.iter().map(|version| &version["members"][0]).partition(|at| at["state"] == "suspense");
        assert_eq!(
            (first[0]["state"].as_str(), first[0]["level"].as_str()),
            (Some("confirmed"), Some("verified"))
        );
        let reason = later[0]["reason"].as_str().unwrap();
        assert!(reason.contains(words) && reason.contains("came before under the same"), "{why:#}");
        assert!(
            later[0]["next_step"].as_str().unwrap().contains("see at the member which version"),
            "{why:#}"
        );
        assert!(versions.iter().any(|version| version["findings"] != Value::Array(Vec::new())), "{why:#}");
    }
    same_at(&archive.station(), &sent).await;
}

#[tokio::test]
async fn the_reference_is_as_the_program_prints_it() {
    let printed = run(&["reference"]).await.exits(0).stdout;
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
    let kept = fs::read_to_string(kept).unwrap();
    assert!(kept == printed, "docs/reference.md is stale: write it anew with `outrigger reference`");
}

#[tokio::test]
async fn the_demo_holds() {
    let ran = run(&["demo"]).await.exits(0);
    assert!(ran.stdout.contains("every check held"), "{}", ran.stdout);
    run(&["demo", "--layers", "sqlite/oracle"]).await.exits(2).says(&["`oracle` is not one of the demo's"]);
}
