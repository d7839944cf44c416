//! STOW-RS: what is stored, what is answered, and what is refused.

use std::time::Duration;

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Phantom;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::{AuditEvent, RefusalKind, WebOptions, WebServer, WebTimers};
use outrigger_model::{SopClassUid, Tag};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::door::{Door, MULTIPART, Said, file, heard, multipart, options, phantoms};

over_both!(
    #[tokio::test]
    a_body_that_stops_coming_is_not_waited_for,
    what_is_no_store_request_is_told_what_is,
    each_object_that_is_refused_has_its_reason,
    objects_are_stored_as_they_came_and_named_in_their_order,
    one_object_may_be_the_body,
    objects_of_another_service_are_refused_as_over_dimse,
    the_study_of_the_url_is_that_of_every_object,
    where_there_is_no_room_it_is_to_be_tried_again,
    a_body_that_breaks_off_is_never_taken_for_a_whole_one,
);

const STUDIES: &str = "/dicomweb/studies";

/// The UIDs of a sequence of the answer.
fn uids(answer: &Value, sequence: &str) -> Vec<String> {
    let items = answer[sequence]["Value"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["00081155"]["Value"][0].as_str().unwrap_or("none").to_owned()).collect()
}

fn reasons(answer: &Value, sequence: &str) -> Vec<u64> {
    let items = answer[sequence]["Value"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["00081197"]["Value"][0].as_u64().unwrap()).collect()
}

async fn objects_are_stored_as_they_came_and_named_in_their_order(server: WebServer) {
    let mut door = Door::open(options(server)).await;
    let sent = phantoms(40);
    let files: Vec<_> = sent.iter().map(file).collect();
    let said = door.post(STUDIES, MULTIPART, &multipart(&files)).await;
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(said.fields("content-type"), ["application/dicom+json"]);
    let answer = said.json();
    let expected: Vec<String> =
        sent.iter().map(|phantom| phantom.header.sop_instance.as_str().to_owned()).collect();
    assert_eq!(uids(&answer, "00081199"), expected);
    assert_eq!(answer["00081198"], Value::Null);
    let study = sent[0].header.study.as_ref().unwrap();
    assert_eq!(answer["00081190"]["Value"], json!([format!("http://localhost/dicomweb/studies/{study}")]));
    let place = answer["00081199"]["Value"][0]["00081190"]["Value"][0].as_str().unwrap();
    assert!(place.ends_with(&format!("/instances/{}", expected[0])), "{place}");

    let mut kept = door.service.shelf.kept();
    assert_eq!(kept.len(), sent.len());
    for phantom in &sent {
        let at = kept.iter().position(|kept| kept.instance == phantom.header.sop_instance).unwrap();
        let one = kept.remove(at);
        assert_eq!((one.bytes, one.syntax), (phantom.data_set.clone(), phantom.transfer_syntax.clone()));
        assert_eq!(
            (one.origin.calling_ae.as_str(), one.origin.issuer.as_deref()),
            ("DICOMWEB", Some("HOSP"))
        );
    }
    let Some(AuditEvent::Stored { party, study: tally }) = door.audit.recv().await else { panic!() };
    assert!(party.address.is_loopback());
    assert_eq!(tally.study.as_ref(), Some(study));
    assert_eq!(tally.classes, [(SopClassUid::new("1.2.840.10008.5.1.4.1.1.2").unwrap(), 40)].into());
}

async fn one_object_may_be_the_body(server: WebServer) {
    let door = Door::open(options(server)).await;
    let phantom = &phantoms(1)[0];
    let study = phantom.header.study.as_ref().unwrap();
    let said = door.post(&format!("{STUDIES}/{study}"), "application/dicom", &file(phantom)).await;
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(door.service.shelf.kept()[0].bytes, phantom.data_set);
}

async fn each_object_that_is_refused_has_its_reason(server: WebServer) {
    let mut door = Door::open(WebOptions { object_bytes_max: 60_000, ..options(server) }).await;
    let sent = phantoms(3);
    let (mut cut, mut large) = (file(&sent[1]), file(&sent[2]));
    cut.truncate(30_000);
    large.extend_from_slice(&vec![0; 60_000]);
    let parts = [file(&sent[0]), cut, b"no file".to_vec(), large];
    let said = door.post(STUDIES, MULTIPART, &multipart(&parts)).await;
    assert_eq!(said.status, 202, "{said:?}");
    let answer = said.json();
    assert_eq!(uids(&answer, "00081199"), [sent[0].header.sop_instance.as_str()]);
    let failed = [sent[1].header.sop_instance.as_str(), sent[2].header.sop_instance.as_str()];
    assert_eq!(uids(&answer, "00081198"), failed);
    assert_eq!(reasons(&answer, "00081198"), [0xC000, 0xA700]);
    assert_eq!(reasons(&answer, "0008119A"), [0xC000]);
    // What could not be understood is kept and listed.
    let refused = door.refusals.recv().await.unwrap();
    assert_eq!(refused.sop_instance.as_ref(), Some(&sent[1].header.sop_instance));
    assert!(refused.kept.unwrap().starts_with(door.directory.path()));
}

/// A phantom of another class.
fn of_class(class: &str) -> Phantom {
    let mut phantom = phantoms(1).remove(0);
    let mut data_set = read_form(Form::ExplicitLittle, phantom.data_set.clone()).unwrap();
    data_set.put(Element::text(Tag::SOP_CLASS_UID, Vr::UI, class));
    phantom.header.sop_class = SopClassUid::new(class).unwrap();
    phantom.data_set = write(&data_set, Form::ExplicitLittle).into();
    phantom
}

/// What no context for storage is accepted for over DIMSE is no object here either; the controls are a class of a vendor and one
/// of the standard that nobody knows yet.
async fn objects_of_another_service_are_refused_as_over_dimse(server: WebServer) {
    let mut door = Door::open(options(server)).await;
    for class in [
        "1.2.840.10008.1.1",
        "1.2.840.10008.5.1.4.1.2.2.1",
        "1.2.840.10008.1.20.1",
        "1.2.840.10008.5.1.4.31",
        "1.2.840.10008.3.1.2.3.3",
        "1.2.840.10008.5.1.4.34.6.1",
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.5.1.1.1",
    ] {
        let phantom = of_class(class);
        let said = door.post(STUDIES, MULTIPART, &multipart(&[file(&phantom)])).await;
        assert_eq!(said.status, 409, "{class}: {said:?}");
        assert_eq!(reasons(&said.json(), "00081198"), [0x0122], "{class}");
        assert_eq!(uids(&said.json(), "00081198"), [phantom.header.sop_instance.as_str()]);
        // What the file says beside the object does not make it one.
        let mut hidden = phantom.clone();
        hidden.header.sop_class = SopClassUid::new("1.2.840.10008.5.1.4.1.1.2").unwrap();
        assert_eq!(door.post(STUDIES, MULTIPART, &multipart(&[file(&hidden)])).await.status, 409, "{class}");
    }
    assert!(door.service.shelf.kept().is_empty());
    assert!(door.refusals.try_recv().is_err(), "nothing is kept for diagnosis that could never be stored");
    for class in ["1.3.6.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.999.1"] {
        let said = door.post(STUDIES, MULTIPART, &multipart(&[file(&of_class(class))])).await;
        assert_eq!(said.status, 200, "{class}: {said:?}");
    }
}

async fn the_study_of_the_url_is_that_of_every_object(server: WebServer) {
    let door = Door::open(options(server)).await;
    let said = door.post("/dicomweb/studies/1.2.3", MULTIPART, &multipart(&[file(&phantoms(1)[0])])).await;
    assert_eq!(said.status, 409, "{said:?}");
    assert_eq!(reasons(&said.json(), "00081198"), [0xA900]);
    assert!(door.service.shelf.kept().is_empty());
}

async fn where_there_is_no_room_it_is_to_be_tried_again(server: WebServer) {
    let door = Door::open(options(server)).await;
    let body = multipart(&[file(&phantoms(1)[0])]);
    for (kind, status, reason, retry) in [
        (RefusalKind::OutOfResources, 503, 0xA700, true),
        (RefusalKind::Failed, 503, 0x0110, true),
        (RefusalKind::ClassNotSupported, 409, 0x0122, false),
        (RefusalKind::Rejected, 409, 0x0124, false),
    ] {
        door.service.shelf.refuse(Some(kind));
        let said = door.post(STUDIES, MULTIPART, &body).await;
        assert_eq!((said.status, !said.fields("retry-after").is_empty()), (status, retry), "{kind:?}");
        assert_eq!(reasons(&said.json(), "00081198"), [reason]);
    }
    assert!(door.service.shelf.kept().is_empty());
}

async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one(server: WebServer) {
    let door = Door::open(options(server)).await;
    let sent = phantoms(2);
    let whole = multipart(&[file(&sent[0]), file(&sent[1])]);
    let first = multipart(&[file(&sent[0])]);
    // Within the second object, and behind it but before the closing boundary.
    for end in [first.len() + 20_000, whole.len() - "--b--\r\n".len()] {
        let said = door.post(STUDIES, MULTIPART, &whole[..end]).await;
        assert_eq!(said.status, 202, "{said:?}");
        assert!(said.fields("warning")[0].contains("closing boundary"), "{said:?}");
        let answer = said.json();
        assert_eq!(uids(&answer, "00081199")[0], sent[0].header.sop_instance.as_str());
        assert_eq!(reasons(&answer, "0008119A"), [0xC000]);
    }
    for broken in [&first[..20_000], &b"--b\r\n\r\n"[..], b"--other\r\n\r\nx\r\n--other--", b""] {
        let said = door.post(STUDIES, MULTIPART, broken).await;
        assert_eq!(said.status, 400, "{said:?}");
    }
    let nothing = door.post(STUDIES, MULTIPART, b"--b--").await;
    assert_eq!((nothing.status, nothing.text().contains("no object")), (400, true), "{nothing:?}");
}

async fn what_is_no_store_request_is_told_what_is(server: WebServer) {
    let door = Door::open(WebOptions { request_bytes_max: 1 << 20, ..options(server) }).await;
    let body = multipart(&[file(&phantoms(1)[0])]);
    for (kind, status) in [
        ("application/json", 415),
        ("multipart/form-data; boundary=b", 415),
        ("multipart/related; type=\"application/dicom+json\"; boundary=b", 415),
        ("multipart/related; type=\"application/dicom\"", 400),
        ("multipart/related; type=\"application/dicom\"; boundary=\"\"", 400),
        ("multipart/related; boundary=\"b", 400),
    ] {
        let said = door.post(STUDIES, kind, &body).await;
        assert_eq!(said.status, status, "{kind}: {said:?}");
        assert!(said.text().contains("multipart/related"), "{said:?}");
    }
    let large = door.post(STUDIES, MULTIPART, &vec![0; (1 << 20) + 1]).await;
    assert_eq!(large.status, 413, "{large:?}");
    let head = format!(
        "POST {STUDIES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut endless = b"--b\r\n\r\n".to_vec();
    endless.resize(1 << 20, 0);
    let chunk = [format!("{:x}\r\n", endless.len()).as_bytes(), &endless, b"\r\n"].concat();
    let said = door.say(&head, &[chunk.clone(), chunk].concat()).await;
    assert_eq!(said.status, 413, "{said:?}");
    let xml = format!(
        "POST {STUDIES} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {MULTIPART}\r\n\
         Accept: application/dicom+xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(door.say(&xml, &body).await.status, 406);
    assert!(door.service.shelf.kept().is_empty());
}

async fn a_body_that_stops_coming_is_not_waited_for(server: WebServer) {
    let timers = WebTimers { inactivity: Duration::from_millis(200), ..options(server).timers };
    let door = Door::open(WebOptions { timers, ..options(server) }).await;
    let body = multipart(&[file(&phantoms(1)[0])]);
    let head = format!(
        "POST {STUDIES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = door.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..20_000]).await.unwrap();
    let said: Said = heard(stream).await;
    assert_eq!(said.status, 408, "{said:?}");
    assert!(door.service.shelf.kept().is_empty());
}
