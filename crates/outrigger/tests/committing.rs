//! Storage commitment at the front door: a modality is told what it may delete, however late it comes to hear it.

use std::fmt::Write as _;
use std::time::Duration;

use outrigger_member::{CommitAnswer, Member};
use outrigger_model::{InstanceHeader, SopClassUid, TransactionUid};
use outrigger_sim::peers::{AfterAsking, PynetdicomCommitScu, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::archives::Archive;
use crate::asking::metrics;
use crate::confirming::at_member;
use crate::door::{Behind, Door, ae, configuration, line, written};
use crate::modality::{Object, objects, reached, send};

mod inherited;
mod web;

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that what comes at once has come, short enough to wait for what must not come.
const WHILE: Duration = Duration::from_secs(3);

/// A node before one embedded archive, and where a modality may be told.
struct Site {
    door: Door,
    archive: Archive,
    port: u16,
}

impl Site {
    async fn open(commit: &str) -> Self {
        Self::open_with(commit, "").await
    }

    /// With more tables behind the others.
    async fn open_with(commit: &str, more: &str) -> Self {
        let archive = Archive::start("A", "sqlite").await;
        let members = [Behind::new("a", &archive.station(), "verified")];
        let (directory, port) = (TempDir::new().unwrap(), free_port().unwrap());
        let mut text = configuration(directory.path(), &members);
        write!(
            text,
            "[commit]\n{commit}\n[[peer]]\nae_title = \"CT1\"\naddress = \"127.0.0.1:1\"\ncommit_address = \"127.0.0.1:{port}\"\n{more}"
        )
        .unwrap();
        let door = Door::open_with(directory, &text).await;
        Self { door, archive, port }
    }

    /// What a modality is answered and told.
    async fn ask(&self, asking: Asking<'_>) -> Vec<Value> {
        let calling = ae("CT1");
        let scu = PynetdicomCommitScu {
            calling: &calling,
            called: &self.door.station(),
            transactions: asking.transactions,
            instances: &asking.instances.iter().collect::<Vec<_>>(),
            listen: asking.listens.then_some(self.port),
            after: asking.after,
            reports: asking.reports,
            patience: asking.patience,
        };
        scu.run().await.unwrap()
    }
}

#[derive(Clone)]
struct Asking<'a> {
    transactions: &'a [&'a str],
    instances: Vec<InstanceHeader>,
    listens: bool,
    after: AfterAsking,
    reports: usize,
    patience: Duration,
}

impl<'a> Asking<'a> {
    fn of(transactions: &'a [&'a str], sent: &[Object]) -> Self {
        let instances = sent.iter().map(|object| object.header.clone()).collect();
        let after = AfterAsking::Stays;
        Self { transactions, instances, listens: false, after, reports: 1, patience: PATIENCE }
    }

    fn listens(self) -> Self {
        Self { listens: true, after: AfterAsking::Leaves, ..self }
    }

    /// Leaves, and does not wait for anything.
    fn goes(self) -> Self {
        Self { after: AfterAsking::Leaves, reports: 0, ..self }
    }
}

fn uids(sent: &[Object]) -> Vec<String> {
    let mut uids: Vec<String> = sent.iter().map(|object| object.header.sop_instance.to_string()).collect();
    uids.sort();
    uids
}

const SUCCESS: u64 = 0;

fn taken() -> Value {
    json!({"status": SUCCESS, "comment": ""})
}

/// All is committed.
fn all(association: &str, transaction: &str, sent: &[Object]) -> Value {
    json!({
        "event": 1, "association": association, "transaction": transaction, "committed": uids(sent), "failed": [],
        "retrieve": "OUTRIGGER",
    })
}

/// A native modality, so that there is a test where no other is installed: it is told at once, over the same association.
#[tokio::test]
async fn what_a_member_has_given_back_is_committed_at_once_and_what_nobody_sent_is_waited_for() {
    let site = Site::open("wait = \"5s\"").await;
    let sent = objects(61, 6);
    send(&site.door.station(), &sent).await;
    site.door.balance_exits(0, PATIENCE).await;
    let modality = reached(&site.door.station(), None);
    let pairs = |sent: &[Object]| -> Vec<_> {
        sent.iter()
            .map(|object| (object.header.sop_class.clone(), object.header.sop_instance.clone()))
            .collect()
    };
    let answer = modality.commit(&TransactionUid::known("1.2.9.1"), &pairs(&sent)).await.unwrap();
    let CommitAnswer::Now(report) = answer else { panic!("told over the same association: {answer:?}") };
    assert_eq!((report.committed.len(), report.failed.len()), (sent.len(), 0));

    let missing = objects(62, 1);
    let answer = modality.commit(&TransactionUid::known("1.2.9.2"), &pairs(&missing)).await.unwrap();
    assert!(matches!(answer, CommitAnswer::Later), "{answer:?}");
    let status = site.door.json(&["status"]).await;
    assert_eq!(status["commitments"]["waiting"], 1, "{status:#}");
    let told = |status: &Value| status["commitments"]["unreported"] == 1;
    let status = site.door.until(&["status"], PATIENCE, told).await;
    assert!(status["commitments"]["oldest"].is_string(), "{status:#}");
    let shown = metrics(&site.door).await;
    for line in [
        "outrigger_commitments_waiting 0",
        "outrigger_commitments_unreported 1",
        "outrigger_commitment_requests_total{status=\"0000\"} 2",
        "outrigger_commitment_reports_total{association=\"same\",outcome=\"taken\"} 1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
}

/// A policy of two members is met by members that are left to the default, and by none that are asked for less.
#[tokio::test]
async fn as_many_members_give_an_object_back_as_the_policy_asks_for() {
    for (policy, confirm, is_met) in
        [("journal+2", "", true), ("2", "", true), ("2", "confirm = \"present\"", false)]
    {
        let archives = [Archive::start("A", "sqlite").await, Archive::start("B", "redb").await];
        let [a, b] = archives.each_ref().map(Archive::station);
        let members = [Behind::new("a", &a, "present"), Behind::new("b", &b, "present")];
        let directory = TempDir::new().unwrap();
        let text = configuration(directory.path(), &members).replace("confirm = \"present\"", confirm);
        let door =
            Door::open_with(directory, &format!("{text}[commit]\npolicy = \"{policy}\"\nwait = \"5s\"\n"))
                .await;
        let sent = objects(64, 3);
        send(&door.station(), &sent).await;
        door.balance_exits(0, PATIENCE).await;
        let pairs = sent
            .iter()
            .map(|object| (object.header.sop_class.clone(), object.header.sop_instance.clone()))
            .collect::<Vec<_>>();
        let modality = reached(&door.station(), None);
        let answer = modality.commit(&TransactionUid::known("1.2.9.3"), &pairs).await.unwrap();
        let CommitAnswer::Now(report) = answer else {
            assert!(!is_met, "{policy} {confirm}: {answer:?}");
            continue;
        };
        assert_eq!((report.committed.len(), is_met), (sent.len(), true), "{policy} {confirm}");
    }
}

/// The embedded archive as a member that must commit.
#[tokio::test]
async fn an_embedded_archive_commits_to_what_it_has() {
    let archive = Archive::start("A", "redb").await;
    let door = Door::open(&[Behind::new("a", &archive.station(), "committed")]).await;
    let sent = objects(63, 6);
    send(&door.station(), &sent).await;
    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "a")["confirmed"], sent.len(), "{balance:#}");
    for object in &sent {
        let level = at_member(&door, object, "a").await["level"].clone();
        assert!(level == "committed" || level == "verified", "{level}");
    }
    let status = door.json(&["status"]).await;
    assert_eq!(status["members"][0]["findings"], json!([]), "it can do what is asked of it");
}

#[tokio::test]
async fn peer_pynetdicom_is_told_over_the_association_it_asked_on() {
    let site = Site::open("").await;
    let sent = objects(64, 5);
    send(&site.door.station(), &sent).await;
    let told = site.ask(Asking::of(&["1.2.9.1"], &sent)).await;
    assert_eq!(told, [taken(), all("same", "1.2.9.1", &sent)]);
}

/// A modality that releases at once, and one whose transaction is asked for twice.
#[tokio::test]
async fn peer_pynetdicom_is_told_over_another_association_once_for_each_transaction() {
    let site = Site::open("").await;
    let sent = objects(65, 5);
    send(&site.door.station(), &sent).await;
    let told = site.ask(Asking::of(&["1.2.9.1"], &sent).listens()).await;
    assert_eq!(told, [taken(), all("other", "1.2.9.1", &sent)]);

    let missing = objects(66, 1);
    let twice =
        Asking { reports: 1, patience: WHILE, ..Asking::of(&["1.2.9.2", "1.2.9.2"], &missing).listens() };
    assert_eq!(site.ask(twice).await, [taken(), taken(), json!({"nothing": true})]);
    let other = Asking::of(&["1.2.9.2"], &sent).goes();
    let refused = site.ask(other).await;
    assert_eq!(refused, [json!({"status": 0x0131, "comment": "the Transaction UID is in use"})]);
    send(&site.door.station(), &missing).await;
    let listening = Asking { transactions: &[], reports: 2, ..Asking::of(&[], &[]).listens() };
    let told = site.ask(Asking { patience: Duration::from_secs(12), ..listening }).await;
    assert_eq!(told, [all("other", "1.2.9.2", &missing), json!({"nothing": true})], "once");
}

/// The last object comes after the request; nothing is told before.
#[tokio::test]
async fn peer_pynetdicom_may_ask_before_the_last_object() {
    let site = Site::open("").await;
    let sent = objects(67, 4);
    let (last, first) = sent.split_last().unwrap();
    send(&site.door.station(), first).await;
    site.door.balance_exits(0, PATIENCE).await;
    let early = Asking { patience: WHILE, ..Asking::of(&["1.2.9.1"], &sent).listens() };
    assert_eq!(site.ask(early).await, [taken(), json!({"nothing": true})]);
    send(&site.door.station(), std::slice::from_ref(last)).await;
    let told = site.ask(Asking { transactions: &[], ..Asking::of(&[], &sent).listens() }).await;
    assert_eq!(told, [all("other", "1.2.9.1", &sent)]);
}

/// The modality is off when the result is there, the node starts anew meanwhile, and the modality comes back.
#[tokio::test]
async fn peer_pynetdicom_that_was_off_is_told_when_it_is_back_by_a_node_that_was_restarted() {
    let mut site = Site::open("").await;
    let sent = objects(68, 4);
    send(&site.door.station(), &sent).await;
    assert_eq!(site.ask(Asking::of(&["1.2.9.1"], &sent).goes()).await, [taken()]);
    let decided = |status: &Value| status["commitments"]["unreported"] == 1;
    site.door.until(&["status"], PATIENCE, decided).await;
    site.door.node.process().restart().await.unwrap();
    let status = site.door.json(&["status"]).await;
    assert_eq!(status["commitments"]["unreported"], 1, "{status:#}");
    let told = site.ask(Asking { transactions: &[], ..Asking::of(&[], &sent).listens() }).await;
    assert_eq!(told, [all("other", "1.2.9.1", &sent)]);
    let over = |status: &Value| status["commitments"]["unreported"] == 0;
    site.door.until(&["status"], PATIENCE, over).await;
}

/// A request that was decided by nobody when the node was killed.
#[tokio::test]
async fn peer_pynetdicom_is_told_of_what_was_asked_before_a_kill() {
    let mut site = Site::open("").await;
    site.door.ask(&["member", "hold", "a"]).await.exits(0);
    let sent = objects(69, 4);
    send(&site.door.station(), &sent).await;
    assert_eq!(site.ask(Asking::of(&["1.2.9.1"], &sent).goes()).await, [taken()]);
    let waits = |status: &Value| status["commitments"]["waiting"] == 1;
    site.door.until(&["status"], PATIENCE, waits).await;
    site.door.node.process().restart().await.unwrap();
    site.door.until(&["status"], PATIENCE, waits).await;
    site.door.ask(&["member", "resume", "a"]).await.exits(0);
    let told = site.ask(Asking { transactions: &[], ..Asking::of(&[], &sent).listens() }).await;
    assert_eq!(told, [all("other", "1.2.9.1", &sent)]);
}

#[tokio::test]
async fn peer_pynetdicom_is_told_what_failed_and_why() {
    let mut site = Site::open("wait = \"4s\"").await;
    let sent = objects(70, 3);
    send(&site.door.station(), &sent).await;
    site.door.balance_exits(0, PATIENCE).await;
    site.archive.process().kill().unwrap();
    let owed = objects(71, 1);
    send(&site.door.station(), &owed).await;
    let mut asking = Asking::of(&["1.2.9.1"], &sent);
    let [unknown, of_other_class] = [objects(72, 1).remove(0).header, {
        let mut header = sent[2].header.clone();
        header.sop_class = SopClassUid::known("1.2.840.10008.5.1.4.1.1.4");
        header
    }];
    asking.instances = vec![sent[0].header.clone(), sent[1].header.clone(), owed[0].header.clone()];
    asking.instances.extend([unknown.clone(), of_other_class.clone()]);
    let told = site.ask(asking).await;
    let mut failed = vec![
        (owed[0].header.sop_instance.to_string(), 0x0110),
        (unknown.sop_instance.to_string(), 0x0112),
        (of_other_class.sop_instance.to_string(), 0x0119),
    ];
    failed.sort();
    let expected = json!({
        "event": 2, "association": "same", "transaction": "1.2.9.1", "committed": uids(&sent[..2]),
        "failed": failed, "retrieve": "OUTRIGGER",
    });
    assert_eq!(told, [taken(), expected]);
}

#[tokio::test]
async fn a_policy_that_no_member_can_meet_is_told_of_and_a_wrong_one_refused() {
    let directory = TempDir::new().unwrap();
    let archive = outrigger_sim::peers::Station { ae_title: ae("A"), port: 104 };
    let good = configuration(directory.path(), &[Behind::new("a", &archive, "present")]);
    for (policy, status, words) in [
        ("2", 0, "`commit.policy` asks for 2 members, and there are 1"),
        ("1", 0, ""),
        ("all", 0, ""),
        ("some", 2, "`all`, `journal+N` or `N`"),
        ("journal+0", 2, "`all`, `journal+N` or `N`"),
    ] {
        let text = format!("{good}[commit]\npolicy = \"{policy}\"\n");
        let config = written(directory.path(), &text);
        let ran = crate::program::run(&["check", "--config", config.to_str().unwrap()]).await.exits(status);
        assert!(ran.stderr.contains(words), "{policy}: {ran:?}");
    }
}
