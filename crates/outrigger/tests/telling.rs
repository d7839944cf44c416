//! What people are told: why an object waits, who gave it up, what was refused, who holds what another wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_dimse::Rejection;
use outrigger_model::{SopInstanceUid, Status};
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{Station, free_port};
use outrigger_sim::scripted::{Conduct, Scripted};
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, configuration, written};
use crate::modality::{Object, associated, objects, send, store};
use crate::program::{program, run};

const PATIENCE: Duration = Duration::from_secs(40);

/// Longer than a minute of refusals and the wait for the one that ends it: the waits of twelve objects are spread.
const REFUSED: Duration = Duration::from_secs(130);

fn uid(object: &Object) -> &str {
    object.header.sop_instance.as_str()
}

/// What `why` says of the only member of an object.
fn told(why: &Value) -> &Value {
    &why["studies"][0]["instances"][0]["members"][0]
}

/// Whether one of the attempts at the only member reads so.
fn tried(why: &Value, words: &str) -> bool {
    let attempts = told(why)["attempts"].as_array().unwrap();
    attempts.iter().any(|attempt| attempt["text"].as_str().unwrap().contains(words))
}

#[tokio::test]
async fn an_association_that_did_not_come_about_is_an_attempt_with_its_reason() {
    let member = Scripted::start(&ae("A")).await.unwrap();
    let dead = Station { ae_title: ae("A"), port: free_port().unwrap() };
    for (station, rejection, words) in [
        (
            member.station(),
            Some(Rejection::CALLED_AE),
            "rejected permanently: called AE title not recognized (source 1, reason 7)",
        ),
        (
            member.station(),
            Some(Rejection::CONGESTION),
            "rejected for now: temporary congestion (source 3, reason 1)",
        ),
        (&dead, None, "no connection to"),
    ] {
        if let Some(rejection) = rejection {
            member.behave(Conduct::Rejects(rejection));
        }
        let door = Door::open(&[Behind::new("a", station, "present")]).await;
        let sent = objects(1, 2);
        send(&door.station(), &sent).await;
        // Whichever was tried: the other waits behind it, and is told why the member is not reached.
        for object in &sent {
            let unreached = |why: &Value| {
                told(why)["unreached"]["text"].as_str().is_some_and(|text| text.contains(words))
            };
            let why = door.until(&["why", uid(object)], PATIENCE, unreached).await;
            assert_eq!(told(&why)["state"], "pending", "{why:#}");
        }
        let study = sent[0].header.study.as_ref().unwrap().as_str();
        let shown = door.ask(&["why", study]).await.exits(0).stdout;
        assert!(shown.contains("not reached since") && shown.contains(words), "{shown}");
        let one_tried = |why: &Value| {
            let instances = why["studies"][0]["instances"].as_array().unwrap();
            let tried = |instance: &Value| instance["members"][0]["attempts"].to_string().contains(words);
            instances.iter().any(tried)
        };
        door.until(&["why", study], PATIENCE, one_tried).await;
        if rejection.is_some() {
            member.behave(Conduct::Keeps);
            door.balance_exits(0, PATIENCE).await;
            let why = door.json(&["why", uid(&sent[0])]).await;
            assert!(told(&why)["unreached"].is_null() && tried(&why, "success"), "{why:#}");
        }
    }
}

/// Answering is not taking: a minute of refusals for now is a reason, and one accepted store ends it.
#[tokio::test]
async fn fault_a_member_that_refuses_all_for_a_minute_is_shaky_and_status_says_so_until_it_takes_one() {
    let member = Scripted::start(&ae("A")).await.unwrap();
    member.behave(Conduct::Answers(0xA700));
    let door = Door::open(&[Behind::new("a", member.station(), "present")]).await;
    send(&door.station(), &objects(1, 12)).await;
    let shaky = |status: &Value| status["members"][0]["state"] == "shaky";
    let status = door.until(&["status"], REFUSED, shaky).await;
    let reason = status["reasons"][0].as_str().unwrap();
    assert!(
        reason.starts_with("member a has refused ") && reason.contains(" stores in a row since 20"),
        "{reason}"
    );
    assert!(reason.ends_with(": A700 (refused: out of resources): as the script says"), "{reason}");
    assert_eq!(status["state"], "degraded", "{status:#}");
    door.ask(&["status"]).await.exits(3);
    let metrics = crate::asking::metrics(&door).await;
    assert!(metrics.contains("outrigger_member_state{member=\"a\",state=\"shaky\"} 1"), "{metrics}");
    member.behave(Conduct::Keeps);
    send(&door.station(), &objects(2, 1)).await;
    let well = |status: &Value| status["state"] == "healthy" && status["members"][0]["state"] == "up";
    door.until(&["status"], PATIENCE, well).await;
    door.ask(&["status"]).await.exits(0);
}

#[tokio::test]
async fn who_gave_an_object_up_is_told_with_when_and_why() {
    let member = Scripted::start(&ae("A")).await.unwrap();
    member.behave(Conduct::Answers(0xA900));
    let door = Door::open(&[Behind::new("a", member.station(), "present")]).await;
    let sent = objects(1, 1);
    send(&door.station(), &sent).await;
    let waits = |list: &Value| list["items"].as_array().is_some_and(|items| items.len() == 1);
    let list = door.until(&["suspense", "list"], PATIENCE, waits).await;
    let item = &list["items"][0];
    let text = "refused for good: A900 (data set does not match SOP class): as the script says";
    assert_eq!(item["text"], text);
    assert!(item["next_step"].as_str().unwrap().contains("`retry`"), "{item:#}");
    let listed = door.ask(&["suspense", "list"]).await.exits(0);
    assert!(listed.stdout.contains(text) && listed.stderr.contains("refused: find out"), "{listed:?}");
    let why = door.ask(&["why", uid(&sent[0])]).await.exits(0).stdout;
    assert!(why.contains(text) && why.contains("next: find out"), "{why}");
    assert!(why.contains(" A900 data set does not match SOP class: as the script says"), "{why}");

    let id = item["id"].as_str().unwrap();
    door.ask(&["suspense", "write-off", id, "--by", "Ada", "--reason", "the patient left"]).await.exits(0);
    let shown = door.ask(&["suspense", "show", id, "--json"]).await.exits(0).json();
    assert_eq!(
        (&shown["written_off"]["by"], &shown["written_off"]["reason"]),
        (&"Ada".into(), &"the patient left".into())
    );
    assert!(shown["written_off"]["at"].as_str().unwrap().starts_with("20"), "{shown:#}");
    assert_eq!(shown["text"], text);
    let shown = door.ask(&["suspense", "show", id]).await.exits(0).stdout;
    assert!(shown.contains("by Ada") && shown.contains("the patient left"), "{shown}");
    let why = door.ask(&["why", uid(&sent[0])]).await.exits(0).stdout;
    assert!(why.contains("a: written_off") && why.contains("by Ada: the patient left"), "{why}");
}

#[tokio::test]
async fn orders_that_concern_nothing_say_so() {
    let member = Scripted::start(&ae("A")).await.unwrap();
    let door = Door::open(&[Behind::new("a", member.station(), "present")]).await;
    // Empty books answer, and balance.
    for command in
        [&["balance"][..], &["suspense", "list"], &["suspense", "list", "--refused"], &["member", "list"]]
    {
        door.ask(command).await.exits(0);
    }
    door.ask(&["why", "--accession", "A1"]).await.exits(5).says(&["accession number `A1`"]);
    door.ask(&["why", "not a uid"]).await.exits(5).says(&["`not a uid`", "suspense list --refused"]);
    send(&door.station(), &objects(1, 1)).await;
    door.balance_exits(0, PATIENCE).await;
    for (command, status, words) in [
        (&["suspense", "retry", "999:0"][..], 1, &["999:0", "suspense list"][..]),
        (&["suspense", "write-off", "1:0", "--by", "Ada", "--reason", "x"], 1, &["1:0", "suspense list"]),
        (&["suspense", "show", "999:0"], 1, &["999:0", "suspense list"]),
        (&["suspense", "show", "nonsense"], 2, &["nonsense", "ENTRY:MEMBER"]),
        (&["suspense", "retry", "--member", "nobody"], 2, &["nobody", "member list"]),
        (&["suspense", "retry", "--member", "a", "--reason-code", "bored"], 2, &["bored", "suspense list"]),
        (&["suspense", "list", "--member", "nobody"], 2, &["nobody", "member list"]),
        (&["member", "resume", "nobody"], 2, &["nobody", "member list"]),
        (&["resend", "1.2.3.4"], 1, &["1.2.3.4", "outrigger why"]),
        (&["resend", "no uid"], 2, &["no uid"]),
        (&["resend", "--since", "2026-01-01T00:00:00Z", "--to", "nobody"], 2, &["nobody", "member list"]),
        (&["expedite", "1.2.3.4"], 1, &["1.2.3.4", "outrigger why"]),
    ] {
        door.ask(command).await.exits(status).says(words);
    }
    door.ask(&["suspense", "retry", "--member", "a"]).await.exits(0);
    door.ask(&["suspense", "list", "--refused", "--member", "a"]).await.exits(2);
}

#[tokio::test]
async fn an_object_whose_command_names_none_is_listed_as_refused() {
    let door = Door::open(&[]).await;
    let sent = objects(1, 1).remove(0);
    let mut session = associated(&door.station(), std::slice::from_ref(&sent)).await;
    let nameless = outrigger_member::Outgoing { sop_instance: SopInstanceUid::known(""), ..sent.outgoing() };
    let reply = session.store(&nameless).await.unwrap();
    assert_eq!(reply.status, Status::DATA_SET_MISMATCH);
    let comment = reply.comment.unwrap();
    assert!(comment.contains("(0000,1000)") && comment.len() <= 64, "{comment}");
    assert_eq!(store(&mut *session, &sent).await, Status::SUCCESS);
    let one = |list: &Value| list["items"].as_array().is_some_and(|items| items.len() == 1);
    let refused = door.until(&["suspense", "list", "--refused"], PATIENCE, one).await["items"][0].take();
    assert_eq!((&refused["status"], &refused["sop_instance"]), (&"A900".into(), &uid(&sent).into()));
    assert!(refused["text"].as_str().unwrap().contains("missing"), "{refused:#}");
    let kept = fs::read(refused["kept"].as_str().unwrap()).unwrap();
    assert!(kept.ends_with(&sent.bytes));
    door.ask(&["why", uid(&sent)]).await.exits(0);
}

/// The configuration of an archive with places of its own but those given.
fn archive(directory: &Path, name: &str, blobs: &Path, catalogue: &str) -> PathBuf {
    let own = directory.join(name);
    fs::create_dir_all(&own).unwrap();
    let text = format!(
        "[node]\nname = \"{name}\"\ndata = \"{}/data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"{name}\"]\n\
         [archive]\nblobs = \"file:{}\"\ncatalogue = \"{catalogue}\"\n",
        own.display(),
        blobs.display()
    );
    written(&own, &text)
}

#[tokio::test]
async fn a_second_archive_is_told_who_has_the_catalogue_or_the_blobs() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let shared = format!("sqlite:{}", at("shared.db").display());
    let first = archive(directory.path(), "first", &at("blobs"), &shared);
    let running = Node::start(program(), Role::Archive, &first, directory.path(), Vec::new()).await.unwrap();
    let own = format!("redb:{}", at("own.redb").display());
    for (name, blobs, catalogue, contended) in
        [("second", at("other"), &shared, "shared.db"), ("third", at("blobs"), &own, "blobs")]
    {
        let config = archive(directory.path(), name, &blobs, catalogue);
        let ran = run(&["archive", "--config", config.to_str().unwrap()]).await.exits(1);
        let last = ran.stderr.lines().last().unwrap_or_default();
        let holder = format!("archive first (process {}) has it", running.id());
        assert!(last.contains(contended) && last.contains("in use") && last.ends_with(&holder), "{ran:?}");
    }
}

#[tokio::test]
async fn a_second_node_is_told_who_has_the_ledger() {
    let directory = TempDir::new().unwrap();
    let ledger = format!("[ledger]\nurl = \"sqlite:{}/shared.db\"\n", directory.path().display());
    let own = TempDir::new_in(directory.path()).unwrap();
    let text = configuration(own.path(), &[]) + &ledger;
    let door = Door::open_with(own, &text).await;
    let second = TempDir::new_in(directory.path()).unwrap();
    let text = configuration(second.path(), &[]).replace("\"debug\"", "\"error\"") + &ledger;
    let config = written(second.path(), &text);
    let holder = format!("node door (process {}) has it", door.node.id());
    for verb in ["serve", "rebuild"] {
        let ran = run(&[verb, "--config", config.to_str().unwrap()]).await.exits(1);
        ran.says(&["the ledger", "shared.db is in use", &holder]);
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_said_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), &[]).replace("\"debug\"", "\"error\"");
    let data = format!("{}/data", directory.path().display());
    // Nothing can be made there, whoever asks.
    let config = written(directory.path(), &text.replace(&data, "/proc/outrigger/data"));
    for verb in ["serve", "rebuild"] {
        let ran = run(&[verb, "--config", config.to_str().unwrap()]).await.exits(1);
        ran.says(&["/proc/outrigger/data", "cannot be made", "writable"]);
    }
}
