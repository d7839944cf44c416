//! What comes to a member beside the front door, behind its inventory, is found and given as what came before.

use std::time::Duration;

use outrigger_model::{Level, QueryRoot};
use outrigger_sim::peers::{FindScu, Nagle, ToolRun};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, blind, complete, ended, found, got, got_by, listening, priors, studies};
use crate::archives::Archive;
use crate::door::{Behind, Door, ae, configuration};
use crate::modality::{Object, compared, objects, reached, same_at, send};

/// A front door that takes no inventories.
async fn door(members: &[Behind], rewritten: impl Fn(&str) -> String) -> Door {
    let directory = TempDir::new().unwrap();
    let text = rewritten(&listening(None, &configuration(directory.path(), members)));
    Door::open_with(directory, &text).await
}

/// A configuration by which members are asked.
fn asking(text: &str) -> String {
    text.to_owned()
}

fn study(object: &Object) -> String {
    object.header.study.as_ref().unwrap().to_string()
}

/// How many instances are given to who names one by its own UID alone.
async fn got_alone(door: &Door, object: &Object) -> usize {
    got_by(door, Level::Image, &format!("0008,0018={}", object.header.sop_instance)).await
}

/// How many studies are found by a key.
async fn found_by(door: &Door, key: &str) -> usize {
    let (calling, called) = (ae("VIEWER"), door.station());
    let keys = [key, "0010,0020"];
    let root = QueryRoot::Study;
    let find = FindScu { calling: &calling, called: &called, root, level: Level::Study, keys: &keys };
    find.run().await.unwrap().answers.len()
}

#[tokio::test]
async fn peer_dcmtk_is_given_single_instances_that_came_beside_the_door() {
    let archive = Archive::start("B", "redb").await;
    let unseen = priors(5_920, 2, 3);
    send(&archive.station(), &unseen).await;
    let member = [Behind::new("b", &archive.station(), "present")];
    let control = door(&member, blind).await;
    assert_eq!(got_alone(&control, &unseen[0]).await, 0, "the control");
    compared(&reached(&control.station(), None), &unseen[3]).await.unwrap_err();
    drop(control);
    let door = door(&member, asking).await;
    assert_eq!(got_alone(&door, &unseen[0]).await, 1, "{}", door.log());
    // Its study is named here.
    same_at(&door.station(), &unseen[3..]).await;
}

#[tokio::test]
async fn peer_dcmtk_is_given_what_came_to_a_known_study_beside_the_door() {
    let archive = Archive::start("B", "redb").await;
    let all = objects(5_930, 6);
    send(&archive.station(), &all[..2]).await;
    let member = [Behind::new("b", &archive.station(), "present")];
    let door = door(&member, asking).await;
    assert_eq!(got(&door, &study(&all[0])).await, 2);
    send(&archive.station(), &all[2..4]).await;
    assert_eq!(got(&door, &study(&all[0])).await, 2, "the control: nobody has seen that there is more");
    found(&door).await;
    assert_eq!(got(&door, &study(&all[0])).await, 4, "{}", door.log());
    // Nobody queries, and one is named that nobody knows: it is looked up, though not again and again.
    send(&archive.station(), &all[4..]).await;
    let given = async {
        while compared(&reached(&door.station(), None), &all[4]).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, given).await.unwrap();
    assert_eq!(got(&door, &study(&all[0])).await, 6);
}

/// The preferred member does not have it, and its inventory and that of the other are complete.
#[tokio::test]
async fn peer_dcmtk_finds_what_only_another_than_the_preferred_member_got() {
    let (a, b) = (Archive::start("A", "redb").await, Archive::start("B", "redb").await);
    let before = objects(5_940, 1);
    for archive in [&a, &b] {
        send(&archive.station(), &before).await;
    }
    let members = [
        Behind::new("a", &a.station(), "present").with("preference = 1"),
        Behind::new("b", &b.station(), "present").with("preference = 2"),
    ];
    let inventoried = |text: &str| text.replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000");
    let door = door(&members, inventoried).await;
    complete(&door, "a").await;
    complete(&door, "b").await;
    let unseen = objects(5_941, 3);
    send(&b.station(), &unseen).await;
    assert_eq!(found(&door).await.0, studies(&before), "the control: the preferred member alone is asked");
    assert_eq!(found_by(&door, &format!("0020,000d={}", study(&unseen[0]))).await, 1, "{}", door.log());
    assert_eq!(found_by(&door, "0020,000d=2.25.404").await, 0);
    assert_eq!(got(&door, &study(&unseen[0])).await, 3);
}

/// What curl is answered by the web door, without the body.
pub(super) async fn head_of(door: &Door, path: &str) -> String {
    let url = format!("http://{}/dicomweb{path}", door.node.listening().unwrap().web[0]);
    let arguments = ["--silent", "--max-time", "60", "--dump-header", "-", "--output", "/dev/null", &url];
    ToolRun::of("curl", &arguments, Nagle::Off).await.unwrap().stdout.to_lowercase()
}

/// What DCMTK says of the end of a retrieval of a study.
async fn end_of(door: &Door, study: &str) -> String {
    ended(door, Level::Study, &format!("0020,000d={study}")).await.0.said()
}

/// A configuration with a web door.
pub(super) fn webbed(text: &str) -> String {
    format!("{text}[[front.web]]\nlisten = \"127.0.0.1:0\"\n")
}

#[tokio::test]
async fn peer_curl_and_dcmtk_are_not_told_that_there_is_nothing_while_who_may_have_it_hangs() {
    let mut archive = Archive::start("B", "redb").await;
    let unseen = objects(5_950, 2);
    send(&archive.station(), &unseen).await;
    let door = door(&[Behind::new("b", &archive.station(), "present")], webbed).await;
    let nobodys = head_of(&door, "/studies/2.25.404/metadata").await;
    assert!(nobodys.starts_with("http/1.1 404"), "the control: {nobodys}");
    let nobodys = end_of(&door, "2.25.404").await;
    assert!(nobodys.contains("0x0000: Success") && !nobodys.contains("0xa702"), "{nobodys}");
    archive.process().pause().unwrap();
    let study = study(&unseen[0]);
    for resource in ["", "/metadata", "/rendered", "/thumbnail"] {
        let answered = head_of(&door, &format!("/studies/{study}{resource}")).await;
        assert!(answered.starts_with("http/1.1 503") && answered.contains("retry-after: "), "{answered}");
    }
    let ended = end_of(&door, &study).await;
    assert!(ended.to_lowercase().contains("0xa702"), "{ended}\n{}", door.log());
}

/// Nobody stores and nobody asks: retrievals alone show that a member is dead, and its state says so.
#[tokio::test]
async fn peer_curl_is_told_that_a_dead_member_gives_nothing_and_so_is_its_state() {
    let mut archive = Archive::start("B", "redb").await;
    let priors = objects(5_960, 2);
    send(&archive.station(), &priors).await;
    let inventoried = |text: &str| webbed(&super::taken(text, 1_000));
    let door = door(&[Behind::new("b", &archive.station(), "present")], inventoried).await;
    complete(&door, "b").await;
    let state = async || {
        let status = door.json(&["status"]).await;
        (status["members"][0]["state"].clone(), status["reasons"].to_string())
    };
    let path = format!("/studies/{}", study(&priors[0]));
    let answered = head_of(&door, &path).await;
    assert!(answered.starts_with("http/1.1 200") && state().await.0 == "up", "the control: {answered}");
    archive.process().kill().unwrap();
    let answered = head_of(&door, &path).await;
    assert!(answered.starts_with("http/1.1 503"), "{answered}");
    let (state, reasons) = state().await;
    assert_eq!(state, "shaky", "{reasons}");
    assert!(reasons.contains("has not given objects that were asked for since"), "{reasons}");
}

/// Both members are inventoried: what came to one since may be there while it hangs, and what it showed surely is.
#[tokio::test]
async fn peer_curl_is_told_that_nothing_found_is_unsure_while_an_inventoried_member_hangs() {
    let (a, mut b) = (Archive::start("A", "redb").await, Archive::start("B", "redb").await);
    let before = objects(5_960, 1);
    for archive in [&a, &b] {
        send(&archive.station(), &before).await;
    }
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "present")];
    let inventoried =
        |text: &str| webbed(&text.replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000"));
    let door = door(&members, inventoried).await;
    complete(&door, "a").await;
    complete(&door, "b").await;
    let by_uid = |study: &str| format!("/studies?StudyInstanceUID={study}");
    let sure = head_of(&door, &by_uid("2.25.404")).await;
    assert!(!sure.contains("warning"), "the control: {sure}");
    let shown = objects(5_961, 1);
    send(&b.station(), &shown).await;
    assert_eq!(found_by(&door, &format!("0020,000d={}", study(&shown[0]))).await, 1);
    b.process().pause().unwrap();
    let answered = head_of(&door, &format!("/studies/{}/metadata", study(&shown[0]))).await;
    assert!(answered.starts_with("http/1.1 503"), "{answered}\n{}", door.log());
    for _ in 0..2 {
        let unsure = head_of(&door, &by_uid("2.25.404")).await;
        assert!(unsure.starts_with("http/1.1 200") || unsure.starts_with("http/1.1 204"), "{unsure}");
        assert!(unsure.contains("warning: 299") && unsure.contains("incomplete: b: "), "{unsure}");
    }
    let known = head_of(&door, "/studies/2.25.404/metadata").await;
    assert!(known.starts_with("http/1.1 404"), "the catalogue has what it held: {known}");
}
