//! QIDO-RS: pages, warnings, and what makes no sense.

use outrigger_front::{AuditEvent, WebServer};
use outrigger_model::{Level, Tag};
use serde_json::json;

use super::door::{Door, options};
use super::listed::{Ends, study};

over_both!(
    #[tokio::test]
    pages_are_in_one_order_and_say_what_is_left,
    keys_reach_the_service_and_the_audit_trail,
    fuzzy_matching_is_answered_literally_with_a_warning,
    keys_that_restrict_nothing_are_named_in_a_warning,
    an_answer_that_breaks_off_is_no_answer,
    an_answer_that_may_lack_something_is_one_with_a_warning,
    accept_may_be_written_with_a_bare_plus,
    what_makes_no_sense_is_refused_in_words_and_asks_nobody,
);

async fn pages_are_in_one_order_and_say_what_is_left(server: WebServer) {
    let door = Door::open(options(server)).await;
    let studies = (0..10).map(|number| study(number, if number % 2 == 0 { "20260101" } else { "20260601" }));
    *door.service.answers.lock().unwrap() = studies.collect();
    let mut seen = Vec::new();
    for offset in [0, 4, 8, 12] {
        let said = door.get(&format!("/dicomweb/studies?limit=4&offset={offset}")).await;
        assert_eq!(said.status, 200, "{said:?}");
        assert_eq!(said.fields("content-type"), ["application/dicom+json"]);
        let left = 10_usize.saturating_sub(offset + 4);
        let warning = format!("299 outrigger \"There are {left} additional results that can be requested\"");
        assert_eq!(said.fields("warning"), if left > 0 { vec![warning.as_str()] } else { vec![] });
        seen.extend(said.json().as_array().unwrap().clone());
        // Whoever is asked first the next time.
        door.service.answers.lock().unwrap().reverse();
    }
    let uids: Vec<_> = seen.iter().map(|study| study["0020000D"]["Value"][0].as_str().unwrap()).collect();
    let newest_first = ["1", "3", "5", "7", "9", "0", "2", "4", "6", "8"].map(|last| format!("1.2.{last}"));
    assert_eq!(uids, newest_first);
    assert_eq!(seen[0]["00081190"]["Value"], json!(["http://localhost/dicomweb/studies/1.2.1"]));
    assert_eq!(seen[0]["00080054"], json!(null));
    assert_eq!(seen[0]["00100020"], json!({"vr": "LO"}));
    assert_eq!(seen[0]["00100010"]["Value"][0]["Alphabetic"], "M\u{fc}ller^J\u{f6}rg");
}

async fn keys_reach_the_service_and_the_audit_trail(server: WebServer) {
    let mut door = Door::open(options(server)).await;
    let path = "/dicomweb/studies/1.2/series/1.2.3/instances?00080018=1.5,1.6&includefield=ContentDate&PatientName=%4A%2A";
    let said = door.get(path).await;
    assert_eq!((said.status, said.json()), (200, json!([])), "{said:?}");
    let query = door.service.queries.lock().unwrap().pop().unwrap();
    assert_eq!(query.level, Level::Image);
    for (tag, value) in [
        (Tag::STUDY_INSTANCE_UID, "1.2"),
        (Tag::SERIES_INSTANCE_UID, "1.2.3"),
        (Tag::SOP_INSTANCE_UID, "1.5\\1.6"),
        (Tag::PATIENT_NAME, "J*"),
        (Tag::CONTENT_DATE, ""),
        (Tag::ROWS, ""),
    ] {
        assert!(query.keys.iter().any(|key| key.tag == tag && key.value == value), "{tag}: {query:?}");
    }
    let Some(AuditEvent::Queried { party, identifier, .. }) = door.audit.recv().await else { panic!() };
    assert!(party.address.is_loopback());
    assert!(identifier.windows(2).any(|bytes| bytes == b"J*"));
}

async fn fuzzy_matching_is_answered_literally_with_a_warning(server: WebServer) {
    let door = Door::open(options(server)).await;
    let said = door.get("/dicomweb/studies?fuzzymatching=true&PatientName=Mueller").await;
    assert_eq!(said.status, 200);
    assert!(said.fields("warning")[0].starts_with("299 "), "{said:?}");
    assert!(door.get("/dicomweb/studies?fuzzymatching=false").await.fields("warning").is_empty());
}

async fn keys_that_restrict_nothing_are_named_in_a_warning(server: WebServer) {
    let door = Door::open(options(server)).await;
    *door.service.answers.lock().unwrap() = vec![study(1, "20260101"), study(2, "20260101")];
    let said = door.get("/dicomweb/studies?SOPInstanceUID=1.2&PixelData=x&PatientID=1&limit=1").await;
    assert_eq!((said.status, said.json().as_array().unwrap().len()), (200, 1), "{said:?}");
    let warnings = said.fields("warning");
    assert_eq!(warnings.len(), 2, "{said:?}");
    assert!(
        warnings[0].starts_with("299 ") && warnings[0].ends_with(": SOPInstanceUID, PixelData\""),
        "{said:?}"
    );
    let many: String = (0x10..0x1B).map(|element| format!("&001040{element:X}=x")).collect();
    let said = door.get(&format!("/dicomweb/studies?{many}")).await;
    assert!(said.fields("warning")[0].ends_with(", 00104019 and 1 more\""), "{said:?}");
    for good in [
        "/studies?PatientID=1&includefield=PixelData",
        "/instances?SOPInstanceUID=1.2&Modality=CT",
        "/studies?SOPInstanceUID=",
        "/studies/1.2/series?Modality=CT",
    ] {
        let said = door.get(&format!("/dicomweb{good}")).await;
        assert_eq!((said.status, said.fields("warning").len()), (200, 0), "{good}: {said:?}");
    }
}

async fn an_answer_that_breaks_off_is_no_answer(server: WebServer) {
    let door = Door::open(options(server)).await;
    *door.service.answers.lock().unwrap() = vec![study(1, "20260101")];
    *door.service.ends.lock().unwrap() = Ends::Failed;
    let said = door.get("/dicomweb/studies").await;
    assert_eq!((said.status, said.fields("retry-after").len()), (503, 1), "{said:?}");
}

async fn an_answer_that_may_lack_something_is_one_with_a_warning(server: WebServer) {
    let door = Door::open(options(server)).await;
    *door.service.answers.lock().unwrap() = vec![study(1, "20260101")];
    *door.service.ends.lock().unwrap() = Ends::Incomplete;
    let said = door.get("/dicomweb/studies").await;
    assert_eq!((said.status, said.json().as_array().unwrap().len()), (200, 1), "{said:?}");
    assert_eq!(said.fields("warning"), ["299 outrigger \"The results may be incomplete: b is away\""]);
}

/// Goal: a `+` stands for itself in `accept` (RFC 3986), and for a blank where forms put one.
async fn accept_may_be_written_with_a_bare_plus(server: WebServer) {
    let door = Door::open(options(server)).await;
    for (accept, status) in [
        ("application/dicom+json", 200),
        ("application/dicom%2Bjson", 200),
        ("application/dicom+json;+q=0.5,+text/html", 200),
        ("application/dicom+xml", 406),
    ] {
        let said = door.get(&format!("/dicomweb/studies?accept={accept}")).await;
        assert_eq!(said.status, status, "{accept}: {said:?}");
    }
}

async fn what_makes_no_sense_is_refused_in_words_and_asks_nobody(server: WebServer) {
    let door = Door::open(options(server)).await;
    for (path, word) in [
        ("/studies?Nonsense=1", "Nonsense"),
        ("/studies?0010=1", "0010"),
        ("/studies?limit=-1", "limit"),
        ("/studies?limit=1e9", "limit"),
        ("/studies?offset=x", "offset"),
        ("/studies?limit=1&limit=2", "`limit` is given twice"),
        ("/studies?offset=1&limit=2&offset=2", "`offset` is given twice"),
        ("/studies?fuzzymatching=maybe", "fuzzymatching"),
        ("/studies?StudyDate=20241399", "no date"),
        ("/studies?StudyDate=2024051", "no date"),
        ("/studies?StudyDate=20240101-20240132", "no date"),
        ("/studies?StudyTime=9999", "no time"),
        ("/studies?StudyTime=2400", "no time"),
        ("/series?RequestAttributesSequence.00400002=20240001", "no date"),
        ("/studies?includefield=Nonsense", "Nonsense"),
        ("/studies?00400275.00400008.00080100=1", "sequence"),
        ("/studies?PatientID=1&00100020=2", "twice"),
        ("/studies?PatientID=%00", "PatientID"),
        ("/studies?PatientID=%zz", "escapes"),
        ("/studies?PatientID=%C3", "escapes"),
        ("/studies?%27%20OR%201%3D1%3B--=1", "OR 1=1"),
    ] {
        let said = door.get(&format!("/dicomweb{path}")).await;
        assert_eq!(said.status, 400, "{path}: {said:?}");
        assert!(said.text().contains(word), "{path}: {said:?}");
    }
    let many = "includefield=PatientID&".repeat(300);
    assert_eq!(door.get(&format!("/dicomweb/studies?{many}")).await.status, 400);
    assert_eq!(door.get("/dicomweb/studies?offset=9999999").await.status, 413);
    let xml = "Accept: multipart/related; type=\"application/dicom+xml\"";
    assert_eq!(door.get_with("/dicomweb/studies", xml).await.status, 406);
    assert!(door.service.queries.lock().unwrap().is_empty());
    for excluded in ["application/dicom+json;q=0, */*", "application/*;q=0, */*"] {
        let said = door.get_with("/dicomweb/studies", &format!("Accept: {excluded}")).await;
        assert_eq!(said.status, 406, "{excluded}");
    }
    // The control: what does make sense asks.
    assert_eq!(door.get_with("/dicomweb/studies", "Accept: application/json").await.status, 200);
    assert_eq!(door.service.queries.lock().unwrap().len(), 1);
}
