//! Objects whose UIDs break the rules, from the door to a member and back; and requests that are none, as curl sends them.

use std::fs;

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, Tag};
use outrigger_sim::peers::{Nagle, ToolRun};
use serde_json::json;
use tempfile::TempDir;

use super::{PATIENCE, READ, WRITE, before_an_archive, body, curl, get, listener, post, web};
use crate::door::{Door, head, line};
use crate::modality::{Object, objects, send};
use crate::servers::WebServer;

over_both!(
    #[tokio::test]
    peer_curl_gets_objects_of_odd_uids_back_whichever_door_they_came_by,
    peer_curl_is_told_what_makes_no_sense,
    peer_curl_is_answered_under_our_own_name_alone_where_no_token_is_asked_for,
);

/// An object with another UID, in its bytes and in what is known of it.
fn renamed(mut object: Object, tag: Tag, uid: &str) -> Object {
    let mut data_set = read_form(Form::ExplicitLittle, object.bytes).unwrap();
    data_set.put(Element::text(tag, Vr::UI, uid));
    object.bytes = write(&data_set, Form::ExplicitLittle).into();
    match tag {
        Tag::STUDY_INSTANCE_UID => object.header.study = Some(StudyUid::new(uid).unwrap()),
        Tag::SERIES_INSTANCE_UID => object.header.series = Some(SeriesUid::new(uid).unwrap()),
        _ => object.header.sop_instance = SopInstanceUid::new(uid).unwrap(),
    }
    object
}

/// Objects of which each has one UID of a kind that devices in the field send.
fn odd(seed: u64) -> Vec<Object> {
    let tags = [Tag::SOP_INSTANCE_UID, Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID];
    let uids = [
        format!("1.02.00{seed}"),
        format!("1.2.{seed}.5 "),
        format!("{seed}.{}", "7".repeat(72)),
        format!("TEST-{seed}_a"),
    ];
    let each = tags.into_iter().flat_map(|tag| uids.iter().map(move |uid| (tag, uid)));
    objects(seed, 12).into_iter().zip(each).map(|(object, (tag, uid))| renamed(object, tag, uid)).collect()
}

pub(super) fn path(Object { header, .. }: &Object) -> String {
    let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
    format!("/studies/{study}/series/{series}/instances/{}", header.sop_instance)
}

async fn peer_curl_gets_objects_of_odd_uids_back_whichever_door_they_came_by(server: WebServer) {
    let (_away, archive, door) = before_an_archive(server).await;
    let url = web(&door.node);
    let (stowed, stored) = (odd(31), odd(32));
    let (status, answer) = post(&url, WRITE, &body(door.directory.path(), &stowed)).await;
    assert_eq!(status, 200, "{answer:#}\n{}", door.log());
    for (object, item) in stowed.iter().zip(answer["00081199"]["Value"].as_array().unwrap()) {
        assert_eq!(item["00081190"]["Value"], json!([format!("{url}{}", path(object))]));
    }
    send(&door.station(), &stored).await;
    let file = door.directory.path().join("got").display().to_string();
    let token = format!("Authorization: Bearer {READ}");
    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "archive")["confirmed"], stowed.len() + stored.len(), "{balance:#}");
    for root in [&url, &web(&archive)] {
        for object in stowed.iter().chain(&stored) {
            let (path, uid) = (path(object), &object.header.sop_instance);
            let (status, found) = get(root, &format!("/instances?SOPInstanceUID={uid}")).await;
            assert_eq!((status, found.as_array().map(Vec::len)), (200, Some(1)), "{root} {uid}: {found:#}");
            assert_eq!(found[0]["00081190"]["Value"], json!([format!("{root}{path}")]));
            let wanted = ["--header", &token, "--header", "Accept: application/dicom", "--output", &file];
            let (status, _) = curl(&[&wanted[..], &[&format!("{root}{path}")]].concat()).await;
            assert_eq!(status, 200, "{root}{path}\n{}", door.log());
            assert!(fs::read(&file).unwrap().ends_with(&object.bytes), "{root}{path}");
        }
    }
}

/// The head and the body of what curl is answered.
async fn said(arguments: &[&str]) -> String {
    let token = format!("Authorization: Bearer {READ}");
    let all = [&["--silent", "--show-error", "--max-time", "60", "--include", "--header", &token], arguments];
    ToolRun::of("curl", &all.concat(), Nagle::Off).await.unwrap().stdout
}

async fn peer_curl_is_told_what_makes_no_sense(server: WebServer) {
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "") + &listener(server, home.path());
    let door = Door::open_with(home, &text).await;
    let url = web(&door.node);
    let sent = objects(33, 2);
    let lost = renamed(sent[1].clone(), Tag::SOP_INSTANCE_UID, "2.25.1/../../x");
    let (status, answer) = post(&url, WRITE, &body(door.directory.path(), &[sent[0].clone(), lost])).await;
    assert_eq!(status, 202, "{answer:#}");
    let failed = &answer["00081198"]["Value"];
    assert_eq!(failed[0]["00081155"]["Value"], json!(["2.25.1/../../x"]), "{answer:#}");
    assert_eq!(failed[0]["00081197"]["Value"], json!([0xA900]), "{answer:#}");
    let refused = door.json(&["suspense", "list", "--refused"]).await;
    assert!(refused.to_string().contains("2.25.1/../../x"), "{refused:#}");

    for (path, status, words) in [
        ("/studies?StudyDate=20241399", "400", "no date"),
        ("/studies?StudyTime=0900-2400", "400", "no time"),
        ("/studies?limit=1&limit=2", "400", "twice"),
        ("/commitment-requests/abc", "400", "Transaction UID"),
        ("/studies?PixelData=x&SOPInstanceUID=1", "200", ": PixelData, SOPInstanceUID\""),
        ("/studies?StudyDate=20240131-", "200", ""),
    ] {
        let said = said(&[&format!("{url}{path}")]).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && said.contains(words), "{path}: {said}");
        assert_eq!(said.to_lowercase().contains("\nwarning:"), words.starts_with(':'), "{path}: {said}");
    }
    let body = json!({"00081199": {"vr": "SQ", "Value": [
        {"00081150": {"vr": "UI", "Value": ["1.2"]}, "00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}});
    let token = format!("Authorization: Bearer {WRITE}");
    let kind = "Content-Type: application/dicom+json";
    let asking = ["--header", &token, "--header", kind, "--data-binary", &body.to_string()];
    let (status, _) = curl(&[&asking[..], &[&format!("{url}/commitment-requests/abc")]].concat()).await;
    assert_eq!(status, 400);
    for encoding in ["gzip", "deflate"] {
        let (kind, encoded) = (super::TYPE, format!("Content-Encoding: {encoding}"));
        let bomb = ["--header", &token, "--header", kind, "--header", &encoded, "--data-binary", "x"];
        let (status, _) = curl(&[&bomb[..], &[&format!("{url}/studies")]].concat()).await;
        assert_eq!(status, 415, "{encoding}");
    }
}

/// A page of another site whose name was made to lead here must not read what a door without tokens gives.
async fn peer_curl_is_answered_under_our_own_name_alone_where_no_token_is_asked_for(server: WebServer) {
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "") + &server.listener();
    let door = Door::open_with(home, &text).await;
    let studies = format!("{}/studies", web(&door.node));
    for (arguments, status) in [
        (&[][..], 200),
        (&["--request-target", "http://127.0.0.1/dicomweb/studies", "--header", "Host: 127.0.0.1"], 200),
        (&["--header", "Host: rebound.example"], 403),
        (&["--header", "Host: 127.0.0.1:80@rebound.example"], 403),
        (&["--request-target", "http://rebound.example/dicomweb/studies"], 400),
        (
            &[
                "--request-target",
                "http://rebound.example/dicomweb/studies",
                "--header",
                "Host: rebound.example",
            ],
            403,
        ),
    ] {
        assert_eq!(curl(&[arguments, &[&studies]].concat()).await.0, status, "{arguments:?}");
    }
}
