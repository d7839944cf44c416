//! Storage commitment by the web (PS3.18 section 13).

use std::sync::atomic::Ordering;

use outrigger_dataset::commitment::Request;
use outrigger_dataset::form::Form;
use outrigger_front::{AuditEvent, RefusalKind, WebServer};
use outrigger_model::TransactionUid;
use serde_json::{Value, json};

use super::door::{
    ADMIN, Door, MULTIPART, READ, Said, WRITE, file, multipart, options, phantoms, with_tokens,
};

over_both!(
    #[tokio::test]
    a_request_is_answered_with_its_result_and_what_failed_says_why,
    a_request_by_study_is_answered_by_study,
    a_request_that_waits_is_accepted_and_looked_at_by_who_asked_alone,
    what_is_no_request_is_refused_clearly_and_nothing_is_asked,
);

const JSON: &str = "application/dicom+json";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const PATH: &str = "/dicomweb/commitment-requests/1.2.9.1";

fn reference(sop_class: &str, sop_instance: &str) -> Value {
    json!({"00081150": {"vr": "UI", "Value": [sop_class]}, "00081155": {"vr": "UI", "Value": [sop_instance]}})
}

fn module(instances: &[&str]) -> Vec<u8> {
    let items: Vec<Value> = instances.iter().map(|instance| reference(CT, instance)).collect();
    json!({"00081199": {"vr": "SQ", "Value": items}}).to_string().into_bytes()
}

async fn post_as(door: &Door, token: &str, body: &[u8]) -> Said {
    let length = body.len();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {JSON}\r\nContent-Length: {length}\r\n\r\n"
    );
    door.say(&head, body).await
}

async fn a_request_is_answered_with_its_result_and_what_failed_says_why(server: WebServer) {
    let mut door = Door::open(options(server)).await;
    let stored = phantoms(1).remove(0);
    door.post("/dicomweb/studies", MULTIPART, &multipart(&[file(&stored)])).await;
    door.service.decides.store(true, Ordering::SeqCst);
    let here = stored.header.sop_instance.as_str();
    let items = [reference(stored.header.sop_class.as_str(), here), reference(CT, "1.2.3")];
    let body = json!({"00081199": {"vr": "SQ", "Value": items}}).to_string();
    let said = door.post(PATH, JSON, body.as_bytes()).await;
    let mut failed = items[1].clone();
    failed["00081197"] = json!({"vr": "US", "Value": [0x0112]});
    let result = json!({
        "00081198": {"vr": "SQ", "Value": [failed]}, "00081199": {"vr": "SQ", "Value": [items[0]]},
    });
    assert_eq!((said.status, said.json()), (200, result.clone()), "{said:?}");
    assert_eq!(said.fields("content-type"), [JSON]);
    let said = door.get(PATH).await;
    assert_eq!((said.status, said.json()), (200, result), "as often as it is looked at");

    let mut asked = Vec::new();
    while let Ok(event) = door.audit.try_recv() {
        if let AuditEvent::Queried { sop_class, identifier, .. } = event {
            let of = Request::read(Form::ExplicitLittle, &identifier).unwrap();
            asked.push((sop_class.to_string(), of.transaction));
        }
    }
    let one = ("1.2.840.10008.1.20.1".to_owned(), TransactionUid::known("1.2.9.1"));
    assert_eq!(asked, [one.clone(), one], "the request and the look are on record");
}

/// PS3.18 tables J.1-1 and J.2-1: what is named by study is answered by study, however often it is looked at.
async fn a_request_by_study_is_answered_by_study(server: WebServer) {
    let door = Door::open(options(server)).await;
    let stored = phantoms(1).remove(0);
    door.post("/dicomweb/studies", MULTIPART, &multipart(&[file(&stored)])).await;
    door.service.decides.store(true, Ordering::SeqCst);
    let header = &stored.header;
    let uid = |uid: &str| json!({"vr": "UI", "Value": [uid]});
    let here = json!({"00081155": uid(header.sop_instance.as_str())});
    let mut missing = json!({"00081155": uid("1.2.3")});
    let study = |items: Vec<&Value>| {
        let classes =
            json!([{"00081150": uid(header.sop_class.as_str()), "0008114A": {"vr": "SQ", "Value": items}}]);
        let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
        let series = json!([{"0020000E": uid(series.as_str()), "00081112": {"vr": "SQ", "Value": classes}}]);
        json!({"vr": "SQ", "Value": [{"0020000D": uid(study.as_str()), "00081115": {"vr": "SQ", "Value": series}}]})
    };
    let body = json!({"00081110": study(vec![&here, &missing])}).to_string();
    let said = door.post(PATH, JSON, body.as_bytes()).await;
    missing["00081197"] = json!({"vr": "US", "Value": [0x0112]});
    let result = json!({"00081110": study(vec![&here]), "0008119B": study(vec![&missing])});
    assert_eq!((said.status, said.json()), (200, result.clone()), "{said:?}");
    let said = door.get(PATH).await;
    assert_eq!((said.status, said.json()), (200, result));
    let both =
        json!({"00081110": study(vec![&here]), "00081199": {"vr": "SQ", "Value": [reference(CT, "1.2")]}});
    let said = door.post(PATH, JSON, both.to_string().as_bytes()).await;
    assert!(said.status == 400 && said.text().contains("both"), "{said:?}");
}

async fn a_request_that_waits_is_accepted_and_looked_at_by_who_asked_alone(server: WebServer) {
    let door = Door::open(with_tokens(server)).await;
    let body = module(&["1.2.3"]);
    assert_eq!(post_as(&door, READ, &body).await.status, 403);
    let said = post_as(&door, WRITE, &body).await;
    assert_eq!((said.status, said.body.len()), (202, 0), "{said:?}");
    assert_eq!(said.fields("retry-after"), ["5"]);
    for (token, status) in [(WRITE, 202), (READ, 404), (ADMIN, 404), ("nobody-knows-this", 401)] {
        let said = door.get_with(PATH, &format!("Authorization: Bearer {token}\r\n")).await;
        assert_eq!(
            (said.status, said.fields("retry-after").len()),
            (status, usize::from(status == 202)),
            "{said:?}"
        );
    }
    door.service.decides.store(true, Ordering::SeqCst);
    let said = door.get_with(PATH, &format!("Authorization: Bearer {WRITE}\r\n")).await;
    assert_eq!(said.json()["00081198"]["Value"][0]["00081155"]["Value"], json!(["1.2.3"]), "{said:?}");
    for (token, body, status) in
        [(WRITE, module(&["1.2.3"]), 200), (WRITE, module(&["1.2.4"]), 409), (ADMIN, module(&["1.2.3"]), 409)]
    {
        assert_eq!(post_as(&door, token, &body).await.status, status, "{token}");
    }
}

async fn what_is_no_request_is_refused_clearly_and_nothing_is_asked(server: WebServer) {
    let door = Door::open(options(server)).await;
    let good = module(&["1.2.3"]);
    let many = format!(
        "{{\"00081199\":{{\"Value\":[{}]}}}}",
        vec![reference(CT, "1.2").to_string(); 10_001].join(",")
    );
    let large = vec![b' '; (8 << 20) + 1];
    for (path, kind, body, status, words) in [
        (PATH, "application/dicom+xml", &good[..], 415, "application/dicom+json"),
        (PATH, MULTIPART, &good, 415, "application/dicom+json"),
        (PATH, "nonsense", &good, 400, "application/dicom+json"),
        (PATH, JSON, b"", 400, "cannot be read"),
        (PATH, JSON, b"[", 400, "cannot be read"),
        (PATH, JSON, b"{}", 400, "names no instance"),
        (PATH, JSON, &module(&[]), 400, "names no instance"),
        (PATH, JSON, &module(&[""]), 400, "Referenced SOP Instance UID"),
        (PATH, JSON, &module(&["1.2.3", "../../x"]), 400, "instance 2"),
        (PATH, JSON, &module(&["1.2*"]), 400, "Referenced SOP Instance UID"),
        (PATH, JSON, many.as_bytes(), 413, "more than 10000 instances"),
        (PATH, JSON, &large, 413, "larger than"),
        ("/dicomweb/commitment-requests/1.2%2f..%2f3", JSON, &good, 400, "Transaction UID"),
        ("/dicomweb/commitment-requests/1.2*", JSON, &good, 400, "Transaction UID"),
        ("/dicomweb/commitment-requests/abc", JSON, &good, 400, "Transaction UID"),
        ("/dicomweb/commitment-requests/1..2", JSON, &good, 400, "Transaction UID"),
        ("/dicomweb/commitment-requests/", JSON, &good, 404, "no such resource"),
        ("/dicomweb/commitment-requests", JSON, &good, 404, "no such resource"),
    ] {
        let said = door.post(path, kind, body).await;
        assert!(said.status == status && said.text().contains(words), "{path} {kind}: {said:?}");
    }
    let unlike = format!("Accept: image/jpeg\r\nContent-Type: {JSON}\r\nContent-Length: {}", good.len());
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{unlike}\r\n\r\n");
    assert_eq!(door.say(&head, &good).await.status, 406);
    // Less than was promised, and the end.
    let cut = format!(
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n",
        good.len() + 1
    );
    let mut stream = door.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[cut.as_bytes(), &good].concat()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    drop(stream);
    assert_eq!(door.get(PATH).await.status, 404);
    assert_eq!(door.get("/dicomweb/commitment-requests/abc").await.status, 400);
    assert_eq!(*door.service.asked.lock().unwrap(), []);
    door.service.shelf.refuse(Some(RefusalKind::Failed));
    door.service.decides.store(true, Ordering::SeqCst);
    assert_eq!(door.post(PATH, JSON, &good).await.status, 409, "as the service says");
}
