//! Queries answered by the members themselves: which of them are up, down and hung, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use outrigger_dimse::{Settings, Timers};
use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{AskSession, DimseMember, DimseRoute, Member, ReadBack, Wholeness};
use outrigger_model::{Answer, Level, Query, QueryKey, QueryRoot, Status, Tag};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{Random, RealDisk, Spool, Threads};
use outrigger_sim::peers::{DcmQrScp, Orthanc, OrthancSetup, Process, PynetdicomQrScp, Station};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, objects, send};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than any answer here.
pub(crate) const MOST: usize = 1000;

/// A front door before members whose content is not known.
async fn door(members: &[Behind], ours: &Station) -> Door {
    let directory = TempDir::new().unwrap();
    let peers = "[[peer]]\nae_title = \"CT1\"\n[[peer]]\nae_title = \"STRICT\"\nincomplete = \"fail\"\n";
    let members: String = members.iter().map(Behind::text).collect();
    let text = head(directory.path(), ours.port, "") + &members + peers;
    Door::open_with(directory, &text).await
}

/// Asks a front door as an AE.
pub(crate) async fn asking(calling: &str, station: &Station) -> Box<dyn AskSession> {
    let timers = Timers { response: Duration::from_secs(20), ..Timers::STANDARD };
    let route = DimseRoute {
        address: station.address().to_string(),
        ae_title: station.ae_title.clone(),
        calling: ae(calling),
        tls: None,
        connect_timeout: CONNECT_TIMEOUT,
        settings: Settings { timers, ..Settings::STANDARD },
        read_back: ReadBack::Get,
    };
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: std::env::temp_dir().into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 20,
    };
    DimseMember::new(route, Arc::new(Tcp), spool).ask(&[]).await.unwrap()
}

/// The instances of a study.
pub(crate) fn instances(object: &Object) -> Query {
    let keys = [
        (Tag::STUDY_INSTANCE_UID, object.header.study.as_ref().unwrap().as_str()),
        (Tag::SERIES_INSTANCE_UID, object.header.series.as_ref().unwrap().as_str()),
        (Tag::SOP_INSTANCE_UID, ""),
    ];
    let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() });
    Query::new(QueryRoot::Study, Level::Image, keys.to_vec())
}

/// What was found, sorted.
pub(crate) fn uids(answers: &[Answer]) -> Vec<String> {
    let of = |answer: &Answer| {
        let found = answer.attributes.iter().find(|(tag, _)| *tag == Tag::SOP_INSTANCE_UID);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let mut uids: Vec<String> = answers.iter().map(of).collect();
    uids.sort();
    uids
}

/// The instances of a series that were sent.
pub(crate) fn expected(sent: &[Object]) -> Vec<String> {
    let same = sent.iter().filter(|object| object.header.series == sent[0].header.series);
    let mut uids: Vec<String> = same.map(|object| object.header.sop_instance.to_string()).collect();
    uids.sort();
    uids
}

/// What the admin API says of the last query.
pub(crate) fn last(door: &Door) -> Value {
    let url = format!("{}/api/v1/queries", door.admin());
    let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all["queries"][0].take()
}

/// That the admin API and the log say of the last query that these members gave so many matches each, and all they have, and
/// that the catalogue had so many of the answers.
fn answered(door: &Door, members: &[(&str, usize)], catalogue: usize) {
    let said = last(door);
    let replies = said["members"].as_array().unwrap();
    assert_eq!(replies.len(), members.len(), "{said:#}");
    let log = door.log();
    let line = log.lines().rev().find(|line| line.contains("who answered a query")).unwrap();
    for (name, matches) in members {
        let reply = replies.iter().find(|reply| reply["member"] == *name).unwrap();
        assert_eq!((&reply["matches"], &reply["not_whole"]), (&json!(matches), &Value::Null), "{said:#}");
        assert!(line.contains(&format!("{name} {matches} in {} ms", reply["took_ms"])), "{line}\n{said:#}");
    }
    let given = members.iter().map(|(_, matches)| *matches).chain([catalogue]).max().unwrap();
    assert_eq!((&said["answers"], &said["catalogue"]), (&json!(given), &json!(catalogue)), "{said:#}");
    assert_eq!((&said["level"], &said["left_out"]), (&json!("image"), &json!(0)), "{said:#}");
    for words in [format!("answers={given}"), format!("catalogue={catalogue}"), "left_out=0".to_owned()] {
        assert!(line.contains(&words), "{words}: {line}");
    }
}

/// What a member held before is found; without it the answer is marked, and the peer that wants it so is told by a failure.
#[tokio::test]
async fn an_answer_without_a_member_that_nobody_knows_is_marked() {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let prior = objects(61, 6);
    send(&b.station(), &prior).await;
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "present")];
    let door = door(&members, &Station { ae_title: ae("OUTRIGGER_M"), port: 0 }).await;
    let mut ct = asking("CT1", &door.station()).await;
    let mut strict = asking("STRICT", &door.station()).await;
    for (asked_before, session) in [&mut ct, &mut strict].into_iter().enumerate() {
        let found = session.find(&instances(&prior[0]), MOST).await.unwrap();
        assert_eq!((uids(&found.answers), found.whole), (expected(&prior), Wholeness::All));
        assert_eq!(last(&door)["incomplete"], Value::Null);
        if asked_before == 0 {
            // What a member showed is looked up behind the answer, and the catalogue may know it the next time.
            answered(&door, &[("a", 0), ("b", prior.len())], 0);
        }
    }
    let stored = objects(62, 3);
    send(&door.station(), &stored).await;
    drop(b);
    let query = instances(&stored[0]);
    let found = ct.find(&query, MOST).await.unwrap();
    assert_eq!((uids(&found.answers), found.whole), (expected(&stored), Wholeness::All));
    let said = last(&door);
    assert!(said["incomplete"].as_str().unwrap().contains(" b: "), "{said:#}");
    let not_whole = |reply: &&Value| !reply["not_whole"].is_null();
    let silent: Vec<_> = said["members"].as_array().unwrap().iter().filter(not_whole).collect();
    assert_eq!((silent.len(), &silent[0]["member"]), (1, &json!("b")), "{said:#}");
    assert_eq!(said["catalogue"], stored.len(), "{said:#}");
    assert!(door.log().contains("an answer is incomplete: b: "), "{}", door.log());
    let found = strict.find(&query, MOST).await.unwrap();
    let failed = Wholeness::Ended(Status::OUT_OF_RESOURCES);
    assert_eq!((uids(&found.answers), found.whole), (expected(&stored), failed));
}

/// What is done to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Pause,
}

/// Puts the same query again and again while a member is struck and comes back: never an error, never less, never late.
async fn withstands(door: &Door, name: &str, process: &mut Process, sent: &[Object]) {
    for blow in [Blow::Pause, Blow::Kill] {
        let mut session = asking("CT1", &door.station()).await;
        match blow {
            Blow::Pause => process.pause().unwrap(),
            Blow::Kill => process.kill().unwrap(),
        }
        let longest = match blow {
            Blow::Pause => Duration::from_secs(3),
            Blow::Kill => Duration::from_secs(1),
        };
        for round in 0..10 {
            let begun = Instant::now();
            let found = session.find(&instances(&sent[0]), MOST).await.unwrap();
            let took = begun.elapsed();
            assert_eq!(uids(&found.answers), expected(sent), "{name} {blow:?} {round}");
            // The first finds out that it hangs; those after it need not.
            let longest = if round == 0 { longest } else { Duration::from_secs(1) };
            assert!(took < longest, "{name} {blow:?} {round}: {took:?}\n{}", door.log());
        }
        assert_eq!(queries(&door.json(&["status"]).await, name), "left alone", "{name} {blow:?}");
        let table = door.ask(&["status"]).await.stdout;
        let row = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert!(row.contains(", no answer since 20"), "{name} {blow:?}: {table}");
        assert!(!row.contains(" up"), "{name} {blow:?}: {table}");
        match blow {
            Blow::Pause => process.resume().unwrap(),
            Blow::Kill => process.restart().await.unwrap(),
        }
        is_asked_again(door, name).await;
    }
}

async fn is_asked_again(door: &Door, name: &str) {
    door.until(&["status"], PATIENCE, |status| queries(status, name) == "asked").await;
    let table = door.ask(&["status"]).await.stdout;
    assert!(!table.contains(&format!("member {name} has not answered")), "{table}");
}

/// Whether a member is asked, by the word of `status`.
fn queries(status: &Value, name: &str) -> String {
    let members = status["members"].as_array().unwrap();
    let member = members.iter().find(|member| member["name"] == name).unwrap();
    member["queries"]["state"].as_str().unwrap().to_owned()
}

/// Orthanc and dcmqrscp, each hung and killed in turn.
#[tokio::test]
async fn peer_dcmtk_orthanc_and_dcmqrscp_down_in_turn_are_not_noticed() {
    let ours = answers();
    let stations = std::slice::from_ref(&ours);
    let mut orthanc = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), stations)).await.unwrap();
    let mut dcmtk = DcmQrScp::start(&ae("DCMTK"), stations).await.unwrap();
    let members = [
        Behind::new("orthanc", orthanc.station(), "present"),
        Behind::new("dcmtk", dcmtk.station(), "present"),
    ];
    let door = door(&members, &ours).await;
    let sent = objects(63, 6);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let mut session = asking("CT1", &door.station()).await;
    let found = session.find(&instances(&sent[0]), MOST).await.unwrap();
    assert_eq!(uids(&found.answers), expected(&sent));
    answered(&door, &[("orthanc", sent.len()), ("dcmtk", sent.len())], sent.len());
    withstands(&door, "orthanc", orthanc.process(), &sent).await;
    withstands(&door, "dcmtk", dcmtk.process(), &sent).await;
}

/// pynetdicom's archive alone, with what it was given before.
#[tokio::test]
async fn peer_pynetdicom_what_qrscp_holds_is_found_and_it_is_done_without_when_it_hangs() {
    let ours = answers();
    let stations = std::slice::from_ref(&ours);
    let mut member = PynetdicomQrScp::start(&ae("PYNET"), stations).await.unwrap();
    let prior = objects(64, 4);
    send(member.station(), &prior).await;
    let door = door(&[Behind::new("pynetdicom", member.station(), "present")], &ours).await;
    let mut session = asking("CT1", &door.station()).await;
    let found = session.find(&instances(&prior[0]), MOST).await.unwrap();
    assert_eq!(uids(&found.answers), expected(&prior));
    let stored = objects(65, 4);
    send(&door.station(), &stored).await;
    door.balance_exits(0, PATIENCE).await;
    withstands(&door, "pynetdicom", member.process(), &stored).await;
}

/// Two hundred queries over forty associations, while a member comes and goes.
#[tokio::test]
async fn many_queries_at_once_are_answered_while_a_member_flaps() {
    let (mut a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "present")];
    let door = door(&members, &Station { ae_title: ae("OUTRIGGER_M"), port: 0 }).await;
    let sent = objects(66, 10);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let mut queries = JoinSet::new();
    for _ in 0..40 {
        let (station, query, expected) = (door.station(), instances(&sent[0]), expected(&sent));
        queries.spawn(async move {
            let mut session = asking("CT1", &station).await;
            for _ in 0..5 {
                let found = session.find(&query, MOST).await.unwrap();
                assert_eq!(uids(&found.answers), expected);
            }
        });
    }
    let mut flaps = 0_u32;
    while !queries.is_empty() {
        if flaps.is_multiple_of(2) {
            a.process().pause().unwrap();
        } else {
            a.process().resume().unwrap();
        }
        flaps += 1;
        tokio::select! {
            Some(ended) = queries.join_next() => ended.unwrap(),
            () = sleep(Duration::from_millis(50)) => {}
        }
    }
    a.process().resume().unwrap();
    assert!(flaps > 2, "it flapped {flaps} times");
}
