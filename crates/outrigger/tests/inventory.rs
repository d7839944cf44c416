//! What members held before the node came is found and given at the front door.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_dataset::form::Form;
use outrigger_dataset::read::read;
use outrigger_dataset::write::write;
use outrigger_model::{Level, QueryRoot, Status, Tag};
use outrigger_sim::peers::{
    DcmQrScp, FindScu, GetScu, Orthanc, OrthancSetup, PixelMed, PynetdicomQrScp, Station, ToolRun, free_port,
};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, configuration};
use crate::modality::{Object, objects, same_at, send};
use crate::untrue::claiming::Claiming;
use crate::workstation::{counted, get};

mod beside;
mod names;
mod returning;

const PATIENCE: Duration = Duration::from_secs(60);

/// A front door that takes inventories at this rate.
async fn door(answers: Option<&Station>, members: &[Behind], rate: u32) -> Door {
    let directory = TempDir::new().unwrap();
    let text = listening(answers, &configuration(directory.path(), members));
    Door::open_with(directory, &taken(&text, rate)).await
}

/// A configuration by which members answer at this port.
fn listening(answers: Option<&Station>, text: &str) -> String {
    let port = answers.map_or(0, |answers| answers.port);
    text.replace(
        "listen = \"127.0.0.1:0\"\nae_title = \"OUTRIGGER_M\"",
        &format!("listen = \"127.0.0.1:{port}\"\nae_title = \"OUTRIGGER_M\""),
    )
}

/// A configuration by which inventories are taken, and queries answered by what they gave alone.
fn taken(text: &str, rate: u32) -> String {
    let on = blind(text).replace("[inventory]\nenabled = false", &format!("[inventory]\nrate = {rate}"));
    assert!(on.contains("rate = "), "the tests' configuration takes none");
    on
}

/// A configuration by which no member is asked to answer a query.
fn blind(text: &str) -> String {
    text.replace("[inventory]", "[query]\nsource = \"catalogue\"\n[inventory]")
}

/// Objects of as many studies, of `each` instances.
fn priors(seed: u64, studies: u64, each: u32) -> Vec<Object> {
    (0..studies).flat_map(|study| objects(seed + study, each)).collect()
}

fn of<'s>(status: &'s Value, member: &str) -> &'s Value {
    let members = status["members"].as_array().unwrap();
    &members.iter().find(|line| line["name"] == member).unwrap()["inventory"]
}

/// Waits until the inventory of a member is complete.
async fn complete(door: &Door, member: &str) -> Value {
    let status = door.until(&["status"], PATIENCE, |status| of(status, member)["state"] == "complete").await;
    of(&status, member).clone()
}

fn studies(objects: &[Object]) -> BTreeSet<String> {
    objects.iter().map(|object| object.header.study.as_ref().unwrap().to_string()).collect()
}

/// The studies that a query finds, and the numbers of instances it gives for them.
async fn found(door: &Door) -> (BTreeSet<String>, u64) {
    let (calling, called) = (ae("VIEWER"), door.station());
    let keys = ["0020,000d", "0020,1208", "0010,0020", "0008,0020"];
    let find = FindScu {
        calling: &calling,
        called: &called,
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &keys,
    };
    let answers = find.run().await.unwrap().answers;
    let uid = |answer: &std::collections::BTreeMap<Tag, String>| {
        answer[&Tag::STUDY_INSTANCE_UID].trim_end_matches('\0').to_owned()
    };
    let count = |answer: &std::collections::BTreeMap<Tag, String>| {
        answer[&Tag::STUDY_RELATED_INSTANCES].trim().parse::<u64>().unwrap()
    };
    (answers.iter().map(uid).collect(), answers.iter().map(count).sum())
}

/// Priors at a member are found and given by a door that came later; and by one that takes no inventory they are not.
pub(crate) async fn priors_are_seen(member: Behind, name: &str, ours: Option<&Station>, priors: &[Object]) {
    let directory = TempDir::new().unwrap();
    let text = blind(&configuration(directory.path(), std::slice::from_ref(&member)));
    let without = Door::open_with(directory, &text).await;
    assert_eq!(found(&without).await, (BTreeSet::new(), 0), "the control");
    drop(without);
    let door = door(ours, &[member], 1_000).await;
    let inventory = complete(&door, name).await;
    assert_eq!(inventory["unlisted"], 0, "{inventory}\n{}", door.log());
    assert_eq!(found(&door).await, (studies(priors), priors.len() as u64), "{inventory}");
    same_at(&door.station(), priors).await;
    let study = studies(priors).pop_first().unwrap();
    let of_study = |object: &&Object| object.header.study.as_ref().unwrap().as_str() == study;
    assert_eq!(got(&door, &study).await, priors.iter().filter(of_study).count());
    let listed = door.json(&["member", "list"]).await;
    let said = listed["members"][0]["inventory"].as_str().unwrap().to_owned();
    assert!(said.starts_with("complete as of "), "{said}");
}

/// What came to a member beside the front door, and no inventory has seen, is given, as queries find it; by a door that asks no
/// members it is neither found nor given.
async fn unseen_are_given(member: Behind, ours: Option<&Station>, unseen: &[Object]) {
    let study = studies(unseen).pop_first().unwrap();
    let directory = TempDir::new().unwrap();
    let text = listening(ours, &blind(&configuration(directory.path(), std::slice::from_ref(&member))));
    let control = Door::open_with(directory, &text).await;
    assert_eq!(got(&control, &study).await, 0, "the control");
    drop(control);
    let directory = TempDir::new().unwrap();
    let text = listening(ours, &configuration(directory.path(), std::slice::from_ref(&member)));
    let door = Door::open_with(directory, &text).await;
    assert_eq!(found(&door).await.0, studies(unseen));
    assert_eq!(got(&door, "2.25.404").await, 0, "nobody has it");
    let of_study = |object: &&Object| object.header.study.as_ref().unwrap().as_str() == study;
    let of_it: Vec<Object> = unseen.iter().filter(of_study).cloned().collect();
    assert_eq!(got(&door, &study).await, of_it.len(), "{}", door.log());
    same_at(&door.station(), &of_it).await;
}

/// How DCMTK's retrieval of what a key names ended, and how many instances came.
async fn ended(door: &Door, level: Level, key: &str) -> (ToolRun, usize) {
    let into = TempDir::new().unwrap();
    let (calling, called) = (ae("VIEWER"), door.station());
    let get = GetScu {
        calling: &calling,
        called: &called,
        into: into.path(),
        root: QueryRoot::Study,
        level,
        keys: &[key],
    };
    let (run, came) = get.run().await.unwrap();
    (run, came.len())
}

/// How many instances are given of what a key names.
async fn got_by(door: &Door, level: Level, key: &str) -> usize {
    let (run, came) = ended(door, level, key).await;
    assert!(run.success(), "{}", run.said());
    came
}

/// How many instances of a study are given.
async fn got(door: &Door, study: &str) -> usize {
    got_by(door, Level::Study, &format!("0020,000d={study}")).await
}

#[tokio::test]
async fn peer_dcmtk_is_given_what_came_beside_the_door_to_an_embedded_archive() {
    let archive = Archive::start("B", "redb").await;
    let unseen = priors(5900, 2, 3);
    send(&archive.station(), &unseen).await;
    unseen_are_given(Behind::new("b", &archive.station(), "present"), None, &unseen).await;
}

#[tokio::test]
async fn peer_orthanc_gives_what_came_to_it_beside_the_door() {
    let ours = answers();
    let orthanc =
        Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    let unseen = priors(5910, 2, 3);
    send(orthanc.station(), &unseen).await;
    unseen_are_given(Behind::new("orthanc", orthanc.station(), "present"), Some(&ours), &unseen).await;
}

#[tokio::test]
async fn an_embedded_archives_priors_are_found_and_given() {
    let archive = Archive::start("B", "redb").await;
    let priors = priors(5100, 8, 3);
    send(&archive.station(), &priors).await;
    priors_are_seen(Behind::new("b", &archive.station(), "present"), "b", None, &priors).await;
}

#[tokio::test]
async fn peer_orthancs_priors_are_found_and_given() {
    let ours = answers();
    let orthanc =
        Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    let priors = priors(5200, 8, 3);
    send(orthanc.station(), &priors).await;
    let member = Behind::new("orthanc", orthanc.station(), "present");
    priors_are_seen(member, "orthanc", Some(&ours), &priors).await;
}

fn without_numbers(mut phantom: Phantom) -> Object {
    let mut set = read(&phantom.transfer_syntax, phantom.data_set).unwrap();
    for tag in [Tag::SERIES_NUMBER, Tag::INSTANCE_NUMBER] {
        set.remove(tag);
        phantom.header.attributes.retain(|(known, _)| *known != tag);
    }
    phantom.data_set = write(&set, Form::ExplicitLittle).into();
    phantom.into()
}

/// One that gives no more than twenty answers is known whole where what there is has numbers; what has none is said not to be known.
#[tokio::test]
async fn peer_orthanc_that_gives_few_answers_is_known_as_far_as_there_are_numbers_and_the_rest_is_told() {
    let ours = answers();
    let few = OrthancSetup {
        answers_max: Some(20),
        ..OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))
    };
    let orthanc = Orthanc::start(&few).await.unwrap();
    let made = |place| Phantom::new(5_920, place, Shape::SmallCt);
    let numbered = (0..30).map(|series| Object::from(made(Place { series, ..Place::default() })));
    let others =
        (0..30).map(|series| without_numbers(made(Place { patient: 1, series, ..Place::default() })));
    let priors: Vec<Object> = numbered.chain(others).collect();
    send(orthanc.station(), &priors).await;
    let directory = TempDir::new().unwrap();
    let members = [Behind::new("orthanc", orthanc.station(), "present")];
    let text = taken(&listening(Some(&ours), &configuration(directory.path(), &members)), 1_000);
    let door = Door::open_with(directory, &beside::webbed(&text)).await;
    let inventory = complete(&door, "orthanc").await;
    assert_eq!((&inventory["instances"], &inventory["unlisted"]), (&50.into(), &10.into()), "{inventory}");
    for (study, given, left_out) in [(&priors[..30], 30, 0), (&priors[30..], 20, 10)] {
        let retrieved = get(&door.station(), study, &watch::Sender::new(0)).await;
        let status = if left_out == 0 { Status::SUCCESS } else { Status::COERCED };
        assert_eq!((retrieved.status, retrieved.counted), (status, counted(given, left_out)));
        assert_eq!((retrieved.came.len(), retrieved.failed.len()), (given, 0), "no UID is known of the rest");
        for resource in ["", "/metadata"] {
            let path = format!("/studies/{}{resource}", study[0].header.study.as_ref().unwrap());
            let head = beside::head_of(&door, &path).await;
            let warned = head.contains("warning: 299 outrigger \"10 objects are not listed by their archive");
            assert_eq!(warned, left_out > 0, "{head}");
        }
    }
    let status = door.json(&["status"]).await;
    let reasons = status["reasons"].to_string();
    assert!(
        reasons.contains("member orthanc has 10 series, instances or parts that it does not list"),
        "{reasons}"
    );
}

/// The same over its web server, in both of its languages.
#[tokio::test]
async fn peer_orthancs_priors_are_found_and_given_over_its_web_server() {
    let orthanc = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[])).await.unwrap();
    let priors = priors(5_250, 12, 2);
    send(orthanc.station(), &priors).await;
    for (protocol, url) in [("dicomweb", orthanc.dicomweb()), ("orthanc", orthanc.rest().url(""))] {
        let directory = TempDir::new().unwrap();
        let text = configuration(directory.path(), &[])
            + "[[member]]\nname = \"orthanc\"\nconfirm = \"present\"\n"
            + &format!("[[member.route]]\nprotocol = \"{protocol}\"\nurl = \"{url}\"\n");
        let door = Door::open_with(directory, &taken(&text, 1_000)).await;
        let inventory = complete(&door, "orthanc").await;
        assert_eq!(inventory["unlisted"], 0, "{protocol}: {inventory}");
        assert_eq!(found(&door).await, (studies(&priors), priors.len() as u64), "{protocol}");
        same_at(&door.station(), &priors).await;
    }
}

#[tokio::test]
async fn peer_dcmqrscps_priors_are_found_and_given() {
    let ours = answers();
    let archive = DcmQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    let priors = priors(5300, 8, 3);
    send(archive.station(), &priors).await;
    let member = Behind::new("dcmtk", archive.station(), "present");
    priors_are_seen(member, "dcmtk", Some(&ours), &priors).await;
}

#[tokio::test]
async fn peer_pynetdicoms_priors_are_found_and_given() {
    let ours = answers();
    let archive = PynetdicomQrScp::start(&ae("PYNETDICOM"), std::slice::from_ref(&ours)).await.unwrap();
    let priors = priors(5400, 4, 3);
    send(archive.station(), &priors).await;
    let member = Behind::new("py", archive.station(), "present");
    priors_are_seen(member, "py", Some(&ours), &priors).await;
}

#[tokio::test]
async fn peer_pixelmeds_priors_are_found_and_given() {
    let ours = answers();
    let archive = PixelMed::start(&ae("PIXELMED"), std::slice::from_ref(&ours)).await.unwrap();
    let priors = priors(5450, 4, 3);
    send(archive.station(), &priors).await;
    let member = Behind::new("pixelmed", archive.station(), "present").by("read_back = \"move\"");
    priors_are_seen(member, "pixelmed", Some(&ours), &priors).await;
}

/// Two archives of which each has what the other lacks are one, and what is stored meanwhile is in it once.
#[tokio::test]
async fn what_two_archives_held_and_what_comes_meanwhile_is_one_archive() {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let priors = priors(5500, 30, 1);
    send(&a.station(), &priors[..20]).await;
    send(&b.station(), &priors[10..]).await;
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "present")];
    let door = door(None, &members, 400).await;
    // While the inventory runs: what is at one already, and what is at neither.
    let fresh = objects(56, 6);
    send(&door.station(), &priors[5..12]).await;
    send(&door.station(), &fresh).await;
    complete(&door, "a").await;
    complete(&door, "b").await;
    let all: Vec<Object> = priors.iter().chain(&fresh).cloned().collect();
    assert_eq!(found(&door).await, (studies(&all), all.len() as u64));
    same_at(&door.station(), &all).await;
    door.balance_exits(0, PATIENCE).await;
    assert_eq!(found(&door).await, (studies(&all), all.len() as u64));
}

/// Killed in the middle it goes on, and a rebuild of the books takes it anew.
#[tokio::test]
async fn a_node_killed_in_the_middle_of_an_inventory_goes_on_with_it() {
    let archive = Archive::start("B", "sqlite").await;
    let priors = priors(5700, 60, 1);
    send(&archive.station(), &priors).await;
    let member = Behind::new("b", &archive.station(), "present");
    let mut door = door(None, &[member], 20).await;
    let some = |status: &Value| of(status, "b")["studies"].as_u64().unwrap() >= 1;
    let before = of(&door.until(&["status"], PATIENCE, some).await, "b").clone();
    assert_eq!(before["state"], "running", "{before}");
    door.node.process().kill().unwrap();
    let text = std::fs::read_to_string(&door.config).unwrap();
    let Door { directory, .. } = door;
    // Its next address is read from a log of its own.
    std::fs::remove_file(directory.path().join("log")).unwrap();
    let again = Door::open_with(directory, &text.replace("rate = 20", "rate = 1000")).await;
    let after = complete(&again, "b").await;
    assert_eq!(after["complete_as_of"], before["since"], "it is the one that was begun");
    assert_eq!(found(&again).await, (studies(&priors), priors.len() as u64));
}

/// Over the wire, from an archive that gives twenty answers at most and ends each time with success, and changes nothing there.
#[tokio::test]
async fn an_archive_that_gives_few_answers_and_does_not_say_so_is_known_whole() {
    const STUDIES: u32 = 300;
    let archive = Claiming::capped(STUDIES, 20).await;
    let door = door(None, &[Behind::new("c", &archive.station, "accepted")], 1_000).await;
    let inventory = complete(&door, "c").await;
    assert_eq!((&inventory["studies"], &inventory["unlisted"]), (&STUDIES.into(), &0.into()), "{inventory}");
    let (studies, instances) = found(&door).await;
    assert_eq!((studies.len(), instances), (300, 300));
    let (questions, others) = archive.asked();
    // Two for each study, and those at STUDY level.
    assert!((900..2_000).contains(&questions), "{questions} questions");
    assert_eq!(others, 0, "it is asked for nothing else");
}

/// A member that is away is waited for, and says so.
#[tokio::test]
async fn a_member_that_is_away_has_no_inventory() {
    let away = Station { ae_title: ae("AWAY"), port: free_port().unwrap() };
    let door = door(None, &[Behind::new("a", &away, "present")], 100).await;
    let said = |status: &Value| of(status, "a")["state"] == "running";
    let status = door.until(&["status"], PATIENCE, said).await;
    assert_eq!((&of(&status, "a")["complete_at"], &of(&status, "a")["studies"]), (&Value::Null, &0.into()));
}
