//! Confirmation ends rightly at members that cannot confirm: each posting closes at the most its member can, one finding says
//! why, and nothing is asked for ever.

use std::time::Duration;

use outrigger_model::TransferSyntaxUid;
use outrigger_sim::able::{Able, Can, Denies};
use outrigger_sim::peers::{Orthanc, OrthancSetup};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::door::{Behind, Door, ae, answers, configuration, line, written};
use crate::modality::{Object, objects, send};
use crate::program::run;

const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any pause between two looks of the confirmation, so that what goes on for ever shows.
const WHILE: Duration = Duration::from_secs(3);

const ALL: [Can; 3] = [Can::Query, Can::Commit, Can::GiveBack];

/// An object at a member, as `why` shows it.
pub(crate) async fn at_member(door: &Door, object: &Object, member: &str) -> Value {
    let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
    let members = why["studies"][0]["instances"][0]["members"].as_array().unwrap().clone();
    members.into_iter().find(|found| found["name"] == member).unwrap()
}

/// Waits until the books balance, and asserts that the member has each object at exactly this level, or verified.
async fn closes_at(door: &Door, member: &str, sent: &[Object], level: &str) {
    let balance = door.balance_exits(0, PATIENCE).await;
    let row = line(&balance, member);
    assert_eq!((&row["confirmed"], &row["difference"]), (&sent.len().into(), &0.into()), "{balance:#}");
    for object in sent {
        let found = at_member(door, object, member).await;
        assert_eq!(found["level"], level, "{found:#}");
    }
}

async fn findings(door: &Door, member: usize) -> Vec<String> {
    let status = door.json(&["status"]).await;
    let findings = status["members"][member]["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
}

/// A member that can do this much, asked for `wanted`, closes postings at `level` with these findings.
async fn falls(can: &[Can], denies: Denies, wanted: &'static str, level: &str, words: &[&str]) {
    let member = Able::start(&ae("A"), can, denies).await.unwrap();
    let door = Door::open(&[Behind::new("a", member.station(), wanted)]).await;
    let sent = objects(1, 6);
    send(&door.station(), &sent).await;
    closes_at(&door, "a", &sent, level).await;
    // Reading back for the release of bytes comes after that, where it can.
    let all_noted = |status: &Value| {
        let findings = status["members"][0]["findings"].as_array().unwrap();
        findings.len() == words.len()
            && words.iter().all(|words| findings.iter().any(|text| text.as_str().unwrap().contains(words)))
    };
    let status = door.until(&["status"], PATIENCE, all_noted).await;
    let degraded = if level == wanted { "healthy" } else { "degraded" };
    assert_eq!(status["state"], degraded, "{status:#}");
    let shown = at_member(&door, &sent[0], "a").await;
    assert_eq!(shown["findings"], status["members"][0]["findings"]);
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "the store alone: {shown:#}");

    let more = objects(2, 6);
    let before = member.asked();
    send(&door.station(), &more).await;
    closes_at(&door, "a", &more_and(&sent, &more), level).await;
    sleep(WHILE).await;
    let asked = member.asked().1 - before.1;
    assert!(asked <= more.len(), "{asked} questions for {} objects", more.len());
    assert_eq!(findings(&door, 0).await.len(), words.len(), "once, not for each object");
}

fn more_and(sent: &[Object], more: &[Object]) -> Vec<Object> {
    sent.iter().chain(more).cloned().collect()
}

#[tokio::test]
async fn committed_falls_to_present_where_there_is_no_storage_commitment() {
    let words = ["no storage commitment: it accepts no presentation context", "no C-GET"];
    falls(&[Can::Query], Denies::InNegotiation, "committed", "present", &words).await;
}

#[tokio::test]
async fn present_falls_to_accepted_where_there_is_no_query() {
    let words = ["no C-FIND: it accepts no presentation context", "no C-GET"];
    falls(&[], Denies::InNegotiation, "present", "accepted", &words).await;
}

#[tokio::test]
async fn verified_falls_to_committed_where_nothing_is_given_back() {
    let words = ["no C-GET"];
    falls(&[Can::Query, Can::Commit], Denies::InNegotiation, "verified", "committed", &words).await;
}

#[tokio::test]
async fn verified_falls_all_the_way_by_what_a_member_answers() {
    let words = ["C-GET: it answers 0122", "N-ACTION: it answers 0122", "C-FIND: it answers 0122"];
    falls(&[], Denies::With(0x0122), "verified", "accepted", &words).await;
}

#[tokio::test]
async fn a_level_a_member_can_reach_is_reached_and_what_it_need_not_do_is_said_and_no_trouble() {
    falls(&[Can::Query], Denies::InNegotiation, "present", "present", &["no C-GET"]).await;
}

/// The control: a member that can do all has no finding, and is verified whatever is asked of it.
#[tokio::test]
async fn a_member_that_can_do_all_has_no_finding() {
    let member = Able::start(&ae("A"), &ALL, Denies::InNegotiation).await.unwrap();
    let door = Door::open(&[Behind::new("a", member.station(), "committed")]).await;
    let sent = objects(1, 6);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let verified = |why: &Value| why["studies"][0]["instances"][0]["members"][0]["level"] == "verified";
    for object in &sent {
        door.until(&["why", object.header.sop_instance.as_str()], PATIENCE, verified).await;
    }
    assert_eq!(findings(&door, 0).await, [""; 0]);
}

#[tokio::test]
async fn what_a_member_learns_is_found_out_after_a_restart_and_closes_the_finding() {
    let member = Able::start(&ae("A"), &[Can::Query], Denies::InNegotiation).await.unwrap();
    let mut door = Door::open(&[Behind::new("a", member.station(), "committed")]).await;
    let sent = objects(1, 4);
    send(&door.station(), &sent).await;
    closes_at(&door, "a", &sent, "present").await;
    let two = |status: &Value| status["members"][0]["findings"].as_array().unwrap().len() == 2;
    door.until(&["status"], PATIENCE, two).await;

    member.can(&ALL);
    door.node.process().restart().await.unwrap();
    let none = |status: &Value| status["members"][0]["findings"].as_array().unwrap().is_empty();
    let status = door.until(&["status"], PATIENCE, none).await;
    assert_eq!(status["state"], "healthy", "{status:#}");
    let verified = |why: &Value| why["studies"][0]["instances"][0]["members"][0]["level"] == "verified";
    door.until(&["why", sent[0].header.sop_instance.as_str()], PATIENCE, verified).await;
    let more = objects(2, 4);
    send(&door.station(), &more).await;
    door.balance_exits(0, PATIENCE).await;
    let found = at_member(&door, &more[0], "a").await;
    assert!(["committed", "verified"].contains(&found["level"].as_str().unwrap()), "{found:#}");
}

#[tokio::test]
async fn another_member_gives_back_what_the_preferred_one_cannot() {
    let mute = Able::start(&ae("MUTE"), &[Can::Query], Denies::InNegotiation).await.unwrap();
    let open = Able::start(&ae("OPEN"), &ALL, Denies::InNegotiation).await.unwrap();
    let members = [
        Behind::new("mute", mute.station(), "present").with("preference = 1"),
        Behind::new("open", open.station(), "present").with("preference = 2"),
    ];
    let door = Door::open(&members).await;
    let sent = objects(1, 6);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let verified = |why: &Value| why["studies"][0]["instances"][0]["members"][1]["level"] == "verified";
    for object in &sent {
        door.until(&["why", object.header.sop_instance.as_str()], PATIENCE, verified).await;
    }
    let found = at_member(&door, &sent[0], "mute").await;
    assert_eq!((&found["level"], &found["state"]), (&"present".into(), &"confirmed".into()));
    assert_eq!(found["attempts"].as_array().unwrap().len(), 1, "{found:#}");
}

/// Associations for asking: one for as long as there is work, not one for each question.
#[tokio::test]
async fn questions_share_an_association() {
    const OBJECTS: u32 = 96;
    let member = Able::start(&ae("A"), &ALL, Denies::InNegotiation).await.unwrap();
    let door = Door::open(&[Behind::new("a", member.station(), "verified")]).await;
    door.ask(&["member", "hold", "a"]).await.exits(0);
    let sent = objects(1, OBJECTS);
    send(&door.station(), &sent).await;
    door.ask(&["member", "resume", "a"]).await.exits(0);
    closes_at_verified(&door, &sent).await;
    let (associations, questions) = member.asked();
    assert!(questions >= sent.len(), "each object is read back");
    // Some are given up for those that store, and for want of work between two batches.
    assert!(associations <= sent.len() / 8, "{associations} associations for {questions} questions");
}

async fn closes_at_verified(door: &Door, sent: &[Object]) {
    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "a")["confirmed"], sent.len(), "{balance:#}");
}

/// The sentence of `check --probe` for each member; and how long it took.
async fn probed(members: &[Behind]) -> (Vec<Value>, Duration, String) {
    let place = tempfile::TempDir::new().unwrap();
    let config = written(place.path(), &configuration(place.path(), members));
    let began = Instant::now();
    let ran = run(&["check", "--config", config.to_str().unwrap(), "--probe", "--json"]).await;
    let probes = ran.json()["probes"].as_array().unwrap().clone();
    (probes, began.elapsed(), ran.stderr)
}

#[tokio::test]
async fn a_probe_says_in_a_sentence_what_each_member_cannot_do_and_what_happens_instead() {
    let all = Able::start(&ae("ALL"), &ALL, Denies::InNegotiation).await.unwrap();
    let mute = Able::start(&ae("MUTE"), &[Can::Query], Denies::InNegotiation).await.unwrap();
    let members = [
        Behind::new("all", all.station(), "verified"),
        Behind::new("mute", mute.station(), "committed"),
        Behind::new("queried", mute.station(), "present"),
    ];
    let (probes, _, stderr) = probed(&members[..2]).await;
    assert_eq!((&probes[0]["good"], &probes[0]["text"]), (&true.into(), &"answers".into()));
    assert_eq!(probes[1]["good"], false);
    let text = probes[1]["text"].as_str().unwrap();
    assert!(text.contains("storage commitment") && text.contains("confirmed by a query"), "{text}");
    assert!(stderr.contains("1 of 2:") && stderr.contains("2 of 2:"), "progress: {stderr}");
    let (probes, _, stderr) = probed(&members[2..]).await;
    assert_eq!(probes[0]["good"], true, "what is asked for is reached");
    assert!(probes[0]["text"].as_str().unwrap().contains("another member"), "{probes:#?}");
    assert!(stderr.contains("no member can give objects back"), "{stderr}");
}

#[tokio::test]
async fn a_probe_waits_for_silent_members_together_and_not_longer_than_they_are_given() {
    // Whoever connects is never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let station = |title: &str| outrigger_sim::peers::Station {
        ae_title: ae(title),
        port: silent.local_addr().unwrap().port(),
    };
    let members: Vec<_> = ["A", "B", "C", "D"]
        .into_iter()
        .map(|title| Behind::new(title, &station(title), "present").by("response_timeout = \"1500ms\""))
        .collect();
    let (probes, took, _) = probed(&members).await;
    assert!(probes.iter().all(|probe| probe["good"] == false), "{probes:#?}");
    assert!(took < Duration::from_secs(5), "four at 1.5 s each took {took:?}");
}

/// An archive that compresses all it takes, whose encoder says of itself how: what it gives back says the same.
#[tokio::test]
async fn peer_orthanc_that_compresses_all_it_takes_is_verified() {
    let ours = answers();
    let lossless = TransferSyntaxUid::known("1.2.840.10008.1.2.4.70");
    let setup = OrthancSetup {
        keeps_in: Some(lossless.clone()),
        ..OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))
    };
    let orthanc = Orthanc::start(&setup).await.unwrap();
    let door = Door::open_at(&ours, &[Behind::new("orthanc", orthanc.station(), "verified")]).await;
    let sent = objects(77, 6);
    send(&door.station(), &sent).await;
    closes_at(&door, "orthanc", &sent, "verified").await;
    let kept = orthanc.rest().instances().await.unwrap();
    assert_eq!(kept.len(), sent.len());
    for instance in &kept {
        let file = orthanc.rest().file(instance).await.unwrap();
        let says = |words: &str| file.windows(words.len()).any(|window| window == words.as_bytes());
        assert!(says(lossless.as_str()) && says("Lossless JPEG compression"), "else nothing was compared");
    }
}
