//! What is asked for and not given is in the audit trail, where it can be said what it was.

use outrigger_front::{AuditEvent, Unserved, WebServer};

use super::door::{Door, MULTIPART, READ, options, with_tokens};

over_both!(
    #[tokio::test]
    what_is_refused_is_on_record_and_what_says_nothing_is_not,
);

/// The next event, as the kind of what was asked for, what it names, and the words.
fn unserved(door: &mut Door) -> Option<(&'static str, String, String)> {
    let AuditEvent::Unserved { what, reason, .. } = door.audit.try_recv().ok()? else {
        panic!("something was served")
    };
    Some(match what {
        Unserved::Retrieval(of) => ("retrieval", of.study.unwrap().to_string(), reason),
        Unserved::Store(of) => ("store", of.study.map(|of| of.to_string()).unwrap_or_default(), reason),
        Unserved::Query { sop_class, asked } => {
            let asked = std::str::from_utf8(&asked).unwrap();
            ("query", format!("{sop_class} {asked}"), reason)
        }
    })
}

async fn what_is_refused_is_on_record_and_what_says_nothing_is_not(server: WebServer) {
    const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
    const COMMIT: &str = "1.2.840.10008.1.20.1";
    let mut door = Door::open(options(server)).await;
    let said = door.get("/dicomweb/studies?StudyDate=99").await;
    assert_eq!(said.status, 400, "{said:?}");
    let reason = "answered with 400 Bad Request".to_owned();
    let asked = format!("{FIND} /studies?StudyDate=99");
    assert_eq!(unserved(&mut door), Some(("query", asked, reason.clone())));
    let said = door.get("/dicomweb/studies/1.2/series?limit=x").await;
    assert_eq!(said.status, 400, "{said:?}");
    let asked = format!("{FIND} /studies/1.2/series?limit=x");
    assert_eq!(unserved(&mut door), Some(("query", asked, reason.clone())));
    for (path, study) in [("/dicomweb/studies", ""), ("/dicomweb/studies/1.2.3", "1.2.3")] {
        assert_eq!(door.post(path, MULTIPART, b"--b--").await.status, 400);
        assert_eq!(unserved(&mut door), Some(("store", study.to_owned(), reason.clone())));
    }
    assert_eq!(
        door.post("/dicomweb/commitment-requests/1.2", "application/dicom+json", b"{}").await.status,
        400
    );
    let asked = format!("{COMMIT} /commitment-requests/1.2");
    assert_eq!(unserved(&mut door), Some(("query", asked, reason)));

    for path in ["/dicomweb/nothing", "/dicomweb/studies/%2F/series", "/dicomweb/commitment-requests/a", "/x"]
    {
        assert!([400, 404].contains(&door.get(path).await.status), "{path}");
        assert_eq!(unserved(&mut door), None, "{path}");
    }
    // What is no matter of the request but of access is a security alert, and that alone.
    let mut door = Door::open(with_tokens(server)).await;
    assert_eq!(door.get("/dicomweb/studies?StudyDate=99").await.status, 401);
    assert!(matches!(door.audit.try_recv(), Ok(AuditEvent::AssociationRejected { .. })));
    assert!(door.audit.try_recv().is_err());
    let read = format!("Authorization: Bearer {READ}\r\n");
    assert_eq!(door.get_with("/dicomweb/studies?StudyDate=99", &read).await.status, 400);
    assert_eq!(unserved(&mut door).unwrap().0, "query");
}
