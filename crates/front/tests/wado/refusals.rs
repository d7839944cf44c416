//! Paths and header fields that make no sense.

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::transcode::transcode;
use outrigger_dataset::write::write;
use outrigger_front::{AuditEvent, Unserved, WebServer};
use outrigger_model::{StudyUid, Tag};

use super::phantom;
use super::rack::{Counter, Lying};

over_both!(
    #[tokio::test]
    paths_that_lead_nowhere_are_refused,
    what_cannot_be_accepted_is_refused,
    accept_may_be_written_with_a_bare_plus_in_the_query,
    bombs_are_refused_before_they_go_off,
);

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// The ends of those paths of the next test that name a resource by UIDs.
const SAYS_SOMETHING: &[&str] = &[
    "/studies/1.2.3",
    "/studies/1.2.3/metadata",
    "/bulkdata/00100010/1/00100010",
    "/bulkdata/00091010",
    "/bulkdata/PatientName",
    "/bulkdata/..%2F..%2Fetc%2Fpasswd",
    "/bulkdata/../../../etc/passwd",
];

async fn paths_that_lead_nowhere_are_refused(server: WebServer) {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let other = Lying::of(phantom(Shape::SmallCt, 1, 0));
    let mut counter = Counter::with(server, &[lying.clone(), other.clone()]).await;
    let instance = lying.path();
    let (series, uid) = instance.rsplit_once("/instances/").unwrap();
    let misplaced = format!("{}/instances/{uid}", other.path().rsplit_once("/instances/").unwrap().0);
    for (path, status) in [
        ("/studies/1.2.3".to_owned(), 404),
        ("/studies/1.2.3/metadata".to_owned(), 404),
        (misplaced.clone(), 404),
        (format!("{instance}/nothing"), 404),
        (format!("{instance}/bulkdata/00100010/1/00100010"), 404),
        (format!("{instance}/bulkdata/00091010"), 404),
        (format!("{instance}/bulkdata/PatientName"), 400),
        (format!("{instance}/bulkdata/..%2F..%2Fetc%2Fpasswd"), 400),
        (format!("{instance}/bulkdata/../../../etc/passwd"), 400),
        ("/studies/..%2F..%2Fetc%2Fpasswd".to_owned(), 400),
        ("/studies/%00".to_owned(), 400),
        ("/studies/%FF".to_owned(), 400),
        ("/studies/%20".to_owned(), 400),
        ("/studies/1.2'%20OR%201=1".to_owned(), 400),
        ("/studies/*".to_owned(), 400),
        (format!("/studies/{}", "1".repeat(129)), 400),
        (format!("{series}/instances/1%5C2"), 400),
    ] {
        let response = counter.get(&path).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert!(!response.text().trim().is_empty(), "{path}");
        // Whoever tries UIDs is on record, with the patient of a study that is here; a path that says nothing is not.
        let tried = counter.audit.try_recv().ok();
        match path.strip_prefix("/studies/").and_then(|path| path.split('/').next()) {
            Some(study) if SAYS_SOMETHING.iter().any(|part| path.ends_with(part)) || path == misplaced => {
                let Some(AuditEvent::Unserved { what: Unserved::Retrieval(of), reason, .. }) = tried else {
                    panic!("{path}: {tried:?}")
                };
                assert_eq!(of.study.as_ref().map(StudyUid::as_str), Some(study), "{path}");
                assert_eq!(of.patient_id.is_some(), study != "1.2.3", "{path}");
                assert!(of.classes.is_empty() && reason.contains(&status.to_string()), "{path}: {reason}");
            }
            _ => assert_eq!(tried, None, "{path}"),
        }
    }
}

async fn what_cannot_be_accepted_is_refused(server: WebServer) {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    for (accept, status) in [
        ("text/html", 406),
        ("multipart/related; type=\"application/dicom+xml\"", 406),
        ("application/dicom;q=0", 406),
        ("multipart/*;q=0, application/dicom;q=0, */*", 406),
        ("multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.4.80", 406),
        ("nonsense", 400),
        ("application/dicom;q=7", 400),
        ("a/b; c=\"", 400),
        (&"a/b,".repeat(1000), 400),
    ] {
        let response = counter.get_as(&lying.path(), accept).await;
        assert_eq!(response.status, status, "{accept}: {}", response.text());
        assert!(!response.text().trim().is_empty());
    }
}

async fn accept_may_be_written_with_a_bare_plus_in_the_query(server: WebServer) {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    for (accept, status) in [
        ("application/dicom+json", 200),
        ("application/dicom%2Bjson", 200),
        ("application/dicom+json;+q=0.5", 200),
        ("application/dicom+xml", 406),
    ] {
        let path = format!("{}/metadata?accept={accept}", lying.path());
        let response = counter.get_as(&path, "text/html").await;
        assert_eq!(response.status, status, "{accept}: {}", response.text());
    }
}

/// Goal: a few kilobytes that claim to be gigabytes are told by their size, and never held. The control is an object of
/// the same kind that is what it says.
async fn bombs_are_refused_before_they_go_off(server: WebServer) {
    let sound = Lying::transcoded(phantom(Shape::SmallCt, 0, 0), DEFLATED);
    let mut deflated = Lying::transcoded(phantom(Shape::SmallCt, 0, 1), DEFLATED);
    let mut tree = read_form(Form::ExplicitLittle, deflated.phantom.data_set.clone()).unwrap();
    tree.put(Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![0; 300 << 20]));
    let to = deflated.transfer_syntax.clone();
    let written = write(&tree, Form::ExplicitLittle).into();
    deflated.bytes = transcode(written, &deflated.phantom.transfer_syntax, &to).unwrap().into();
    assert!(deflated.bytes.len() < 2 << 20);

    let mut decoded = Lying::transcoded(phantom(Shape::SmallCt, 0, 2), super::RLE);
    let mut tree = read_form(Form::ExplicitLittle, decoded.bytes.clone()).unwrap();
    tree.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "13000"));
    decoded.bytes = write(&tree, Form::ExplicitLittle).into();

    let counter = Counter::with(server, &[sound.clone(), deflated.clone(), decoded.clone()]).await;
    let status =
        async |lying: &Lying, rest: &str| counter.get(&format!("{}{rest}", lying.path())).await.status;
    assert_eq!((status(&sound, "/metadata").await, status(&sound, "/frames/1").await), (200, 200));
    assert_eq!((status(&deflated, "/metadata").await, status(&deflated, "/frames/1").await), (413, 413));
    for bomb in [&deflated, &decoded] {
        // The user agent takes what cannot be decoded as it is.
        let parts = counter.get(&bomb.path()).await.whole_parts();
        let content_type = format!("application/dicom; transfer-syntax={}", bomb.transfer_syntax);
        assert_eq!(parts[0].fields["content-type"], content_type);
        let explicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";
        assert_eq!(counter.get_as(&bomb.path(), explicit).await.status, 406);
    }
}
