//! Storage commitment to what members held before anything came through the front door.

use std::collections::BTreeMap;

use outrigger_model::{InstanceHeader, SopClassUid};
use outrigger_sim::peers::{Orthanc, OrthancSetup, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::web::{ONE, Said, curl, result};
use super::{Asking, PATIENCE, Site, taken};
use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, configuration};
use crate::modality::{Object, objects, send};

/// A front door whose inventory of its members is complete.
async fn door(members_port: u16, members: &[Behind], commit: &str) -> Door {
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), members)
        .replace(
            "[members]\nlisten = \"127.0.0.1:0\"",
            &format!("[members]\nlisten = \"127.0.0.1:{members_port}\""),
        )
        .replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000");
    let door = Door::open_with(
        directory,
        &format!("{text}[[front.web]]\nlisten = \"127.0.0.1:0\"\n[commit]\n{commit}\n"),
    )
    .await;
    let complete = |status: &Value| {
        let members = status["members"].as_array().unwrap();
        members.iter().all(|member| member["inventory"]["state"] == "complete")
    };
    door.until(&["status"], PATIENCE, complete).await;
    door
}

/// The same object with another pixel.
fn altered(object: &Object) -> Object {
    let mut bytes = object.bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    Object { bytes: bytes.into(), ..object.clone() }
}

/// What a client of the web is told in the end.
async fn told(site: &Site, transaction: &str, asked: &[&InstanceHeader]) -> Said {
    let said = curl(site, ONE, transaction, asked).await;
    if said.status == 202 { result(site, ONE, transaction).await } else { said }
}

/// Both archives have it and give it: it is safe. One alone has it, or each has another content: it is not.
#[tokio::test]
async fn peer_curl_is_told_that_what_all_required_members_held_before_and_give_is_safe_and_nothing_else_of_theirs()
 {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let (both, alone, contradicted) = (objects(90, 5), objects(91, 1).remove(0), objects(92, 1).remove(0));
    send(&a.station(), &both).await;
    send(&b.station(), &both).await;
    send(&a.station(), &[alone.clone(), contradicted.clone()]).await;
    send(&b.station(), &[altered(&contradicted)]).await;
    let members = [Behind::new("a", &a.station(), "present"), Behind::new("b", &b.station(), "present")];
    let door = door(0, &members, "wait = \"6s\"").await;
    let site = Site { door, archive: a, port: 1 };

    let headers: Vec<&InstanceHeader> = both.iter().map(|object| &object.header).collect();
    assert_eq!(told(&site, "1.2.9.1", &headers).await, Said::all(&both), "{}", site.door.log());

    let unknown = objects(93, 1).remove(0).header;
    let mut of_other_class = both[0].header.clone();
    of_other_class.sop_class = SopClassUid::known("1.2.840.10008.5.1.4.1.1.4");
    let mut asked = headers[1..].to_vec();
    let failing = [
        (&alone.header, 0x0110),
        (&contradicted.header, 0x0110),
        (&unknown, 0x0112),
        (&of_other_class, 0x0119),
    ];
    asked.extend(failing.map(|(header, _)| header));
    let failed = failing.map(|(header, reason)| (header.sop_instance.to_string(), reason));
    let expected = Said { failed: BTreeMap::from(failed), ..Said::all(&both[1..]) };
    assert_eq!(told(&site, "1.2.9.2", &asked).await, expected, "{}", site.door.log());
}

/// A policy of numbers counts every member, and one that is away gives nothing.
#[tokio::test]
async fn peer_curl_is_told_that_one_member_is_enough_where_the_policy_says_so_as_long_as_it_gives() {
    let a = Archive::start("A", "redb").await;
    let held = objects(94, 3);
    send(&a.station(), &held).await;
    let door = door(0, &[Behind::new("a", &a.station(), "present")], "policy = \"1\"\nwait = \"4s\"").await;
    let mut site = Site { door, archive: a, port: 1 };
    let headers: Vec<&InstanceHeader> = held.iter().map(|object| &object.header).collect();
    assert_eq!(told(&site, "1.2.9.1", &headers[..2]).await, Said::all(&held[..2]), "{}", site.door.log());
    site.archive.process().kill().unwrap();
    let failed = BTreeMap::from([(headers[2].sop_instance.to_string(), 0x0110)]);
    let expected = Said { failed, ..Said::only(200) };
    assert_eq!(told(&site, "1.2.9.2", &headers[2..]).await, expected, "{}", site.door.log());
}

/// An Orthanc and an embedded archive, and a modality in another language.
#[tokio::test]
async fn peer_orthancs_priors_are_committed_to_pynetdicom_where_another_member_has_them_too() {
    let ours = answers();
    let orthanc =
        Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    let other = Archive::start("B", "sqlite").await;
    let (both, alone) = (objects(95, 4), objects(96, 1));
    send(orthanc.station(), &both).await;
    send(&other.station(), &both).await;
    send(orthanc.station(), &alone).await;
    let members =
        [Behind::new("orthanc", orthanc.station(), "present"), Behind::new("b", &other.station(), "present")];
    let port = free_port().unwrap();
    let peer = format!("wait = \"5s\"\n[[peer]]\nae_title = \"CT1\"\naddress = \"127.0.0.1:{port}\"");
    let door = door(ours.port, &members, &peer).await;
    let site = Site { door, archive: other, port };
    assert_eq!(
        site.ask(Asking::of(&["1.2.9.1"], &both)).await,
        [taken(), super::all("same", "1.2.9.1", &both)]
    );
    let all: Vec<Object> = both.iter().chain(&alone).cloned().collect();
    let told = site.ask(Asking::of(&["1.2.9.2"], &all)).await;
    assert_eq!(told[1]["event"], 2, "{told:?}");
    assert_eq!(told[1]["failed"], json!([[alone[0].header.sop_instance.to_string(), 0x0110]]), "{told:?}");
}
