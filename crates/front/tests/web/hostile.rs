//! What nobody sends in good faith: each is refused, bounded in time and memory, and the door stays open.

use std::time::Duration;

use outrigger_front::{Limits, WebOptions, WebServer, WebTimers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::door::{Door, MULTIPART, heard, options};
use super::listed::study;

over_both!(
    #[tokio::test]
    a_connection_too_many_is_told_so,
    who_takes_nothing_of_an_answer_is_not_waited_for,
    who_says_nothing_or_too_slowly_is_not_waited_for,
    heads_without_end_are_cut_off,
    tricks_in_paths_lead_nowhere,
    where_no_viewer_is_installed_the_page_says_so,
    no_path_leads_out_of_the_viewers_files,
    bodies_that_lie_are_refused,
    what_is_no_http_is_closed,
    a_request_under_way_is_answered_when_the_door_closes,
);

const PATIENCE: Duration = Duration::from_secs(20);

async fn is_open(door: &Door) {
    assert_eq!(door.get("/dicomweb/studies").await.status, 200);
}

async fn heads_without_end_are_cut_off(server: WebServer) {
    let door = Door::open(options(server)).await;
    let many: String = (0..500).map(|number| format!("X-{number}: y\r\n")).collect();
    let said =
        door.say(&format!("GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), b"").await;
    assert_eq!(said.status, 431, "{said:?}");
    let long = "a".repeat(1 << 20);
    for head in [
        format!("GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET /dicomweb/studies/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /dicomweb/studies?PatientID={long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ] {
        let said = door.say(&head, b"").await;
        assert!([414, 431].contains(&said.status), "{said:?}");
    }
    is_open(&door).await;
}

async fn who_says_nothing_or_too_slowly_is_not_waited_for(server: WebServer) {
    let timers = WebTimers { head: Duration::from_millis(200), ..options(server).timers };
    let door = Door::open(WebOptions { timers, ..options(server) }).await;
    for begun in ["", "GET /dicomweb/studies HTTP/1.1\r\nHost: loc"] {
        let mut stream = door.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    }
    is_open(&door).await;
}

async fn who_takes_nothing_of_an_answer_is_not_waited_for(server: WebServer) {
    let timers = WebTimers { inactivity: Duration::from_millis(300), ..options(server).timers };
    let mut door = Door::open(WebOptions { timers, ..options(server) }).await;
    // More than the sockets of both ends hold.
    let long = |number| {
        let mut answer = study(number, "20260101");
        answer.attributes.push((outrigger_model::Tag::INSTITUTION_NAME, "x".repeat(5000)));
        answer
    };
    *door.service.answers.lock().unwrap() = (0..10_000).map(long).collect();
    let mut stream = door.connect().await;
    stream.write_all(b"GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    // It ends by itself, well before the drain cuts what is left.
    door.guard.stop();
    timeout(PATIENCE, door.guard.all_gone()).await.unwrap();
    drop(stream);
}

async fn tricks_in_paths_lead_nowhere(server: WebServer) {
    let door = Door::open(options(server)).await;
    let long = "1".repeat(5000);
    for path in [
        "/dicomweb/studies/%2e%2e%2f%2e%2e/series",
        "/dicomweb/studies/1.2%00/series",
        "/dicomweb/studies/1.2%2F..%2F3/series",
        "/dicomweb/studies/*/series",
        "/dicomweb/studies/1.%3F/series",
        "/dicomweb/studies/1.2'%20OR%201=1--/series",
        "/dicomweb/studies/%ff%fe/series",
        "/dicomweb/studies/1.2/series/%5c%5c/instances",
        &format!("/dicomweb/studies/{long}/series"),
    ] {
        let said = door.get(path).await;
        assert_eq!(said.status, 400, "{path}: {said:?}");
    }
    for path in [
        "/dicomweb/../etc/passwd",
        "/dicomweb/studies/../../x",
        "/dicomweb//studies",
        "/etc/passwd",
        "/dicomweb/nothing",
        "/%2e%2e/x",
    ] {
        let said = door.get(path).await;
        assert!([400, 404].contains(&said.status), "{path}: {said:?}");
    }
    assert!(door.service.queries.lock().unwrap().is_empty());
    is_open(&door).await;
}

/// A person who looks for the viewer is told why there is none.
async fn where_no_viewer_is_installed_the_page_says_so(server: WebServer) {
    let door = Door::open(options(server)).await;
    for path in ["/viewer", "/viewer/", "/viewer/viewer?StudyInstanceUIDs=1.2"] {
        let said = door.get(path).await;
        assert_eq!(said.status, 404, "{path}");
        assert!(said.text().contains("no viewer is installed here"), "{path}: {said:?}");
    }
}

/// Nothing beside the viewer's files is to be had through them.
async fn no_path_leads_out_of_the_viewers_files(server: WebServer) {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("viewer");
    std::fs::create_dir(&files).unwrap();
    for (path, text) in
        [("secret", "SECRET"), ("viewer/index.html", "the page"), ("viewer/app.js", "the code")]
    {
        std::fs::write(directory.path().join(path), text).unwrap();
    }
    let secret = directory.path().join("secret").display().to_string();
    let door = Door::with_viewer(server, directory).await;
    assert_eq!(door.get("/viewer/app.js").await.text(), "the code");
    assert_eq!(door.get("/viewer/viewer?StudyInstanceUIDs=1.2").await.text(), "the page");
    let mut tricks: Vec<String> = [
        "../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        "..\\secret",
        "./../secret",
        "a/../../secret",
        "a/%2e%2e/%2e%2e/secret",
        "..;/secret",
        "....//secret",
        "%252e%252e/secret",
        "..%00/secret",
        "%c0%ae%c0%ae/secret",
        "app.js/../../secret",
        "..%ef%bc%8fsecret",
    ]
    .map(str::to_owned)
    .into();
    tricks.extend([secret.clone(), secret.replace('/', "%2f"), format!("file:{secret}")]);
    for trick in tricks {
        let said = door.get(&format!("/viewer/{trick}")).await;
        let is_page = said.status == 200 && said.text() == "the page";
        assert!(is_page || (400..500).contains(&said.status), "{trick}: {said:?}");
    }
    is_open(&door).await;
}

async fn bodies_that_lie_are_refused(server: WebServer) {
    let door = Door::open(options(server)).await;
    let post = |fields: &str| {
        format!(
            "POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\n{fields}\r\n\r\n"
        )
    };
    for (fields, body, statuses) in [
        ("Content-Encoding: gzip\r\nContent-Length: 4", &b"\x1f\x8b\x08\x00"[..], &[415][..]),
        ("Content-Encoding: deflate\r\nContent-Length: 4", b"\x78\x9c\x00\x00", &[415]),
        ("Content-Length: 99999999999999999999999", b"", &[400, 413]),
        ("Content-Length: 9999999999999", b"", &[413]),
        ("Content-Length: 10\r\nContent-Length: 20", b"0123456789", &[400]),
        ("Content-Length: -1", b"", &[400]),
    ] {
        let said = door.say(&post(fields), body).await;
        assert!(statuses.contains(&said.status), "{fields}: {said:?}");
    }
    for chunk in [&b"FFFFFFFFFFFFFFFFFF\r\nx"[..], b"zz\r\nx"] {
        let mut stream = door.connect().await;
        stream.write_all(post("Transfer-Encoding: chunked").as_bytes()).await.unwrap();
        stream.write_all(chunk).await.unwrap();
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said).await);
        // actix takes what is no chunk for the end of the connection.
        let expected = if server == WebServer::Axum { &b"HTTP/1.1 400 "[..] } else { b"" };
        assert_eq!(said.get(..13).unwrap_or_default(), expected, "{}", String::from_utf8_lossy(&said));
    }
    let endless = [&b"--b\r\nX: "[..], &vec![b'a'; 1 << 20]].concat();
    let said = door.post("/dicomweb/studies", MULTIPART, &endless).await;
    assert_eq!((said.status, said.text().contains("header of a part")), (400, true), "{said:?}");
    assert!(door.service.shelf.kept().is_empty());
    is_open(&door).await;
}

async fn what_is_no_http_is_closed(server: WebServer) {
    let door = Door::open(options(server)).await;
    for bytes in [
        &b"\x01\x00\x00\x00\x00\xcd DICOM\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = door.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4") || ended.is_err(), "{rest:?}");
    }
    is_open(&door).await;
}

async fn a_connection_too_many_is_told_so(server: WebServer) {
    let limits = Limits { associations: 2, associations_per_address: 2 };
    let door = Door::open(WebOptions { limits, ..options(server) }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = door.connect().await;
        stream.write_all(b"GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        held.push(stream);
    }
    let said = door.get("/dicomweb/studies").await;
    assert_eq!((said.status, said.fields("retry-after").len()), (503, 1), "{said:?}");
    held.clear();
    // The places are free as soon as the ends are seen.
    timeout(PATIENCE, async { while door.get("/dicomweb/studies").await.status != 200 {} }).await.unwrap();
}

async fn a_request_under_way_is_answered_when_the_door_closes(server: WebServer) {
    let mut door = Door::open(options(server)).await;
    let mut stream = door.connect().await;
    stream.write_all(b"GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nX: ").await.unwrap();
    let mut idle = door.connect().await;
    idle.write_all(b"GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut begin = [0; 12];
    idle.read_exact(&mut begin).await.unwrap();
    let body = super::door::multipart(&[super::door::file(&super::door::phantoms(1)[0])]);
    let mut storing = door.connect().await;
    let head = format!(
        "POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    storing.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    storing.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    door.guard.stop();
    storing.write_all(&body).await.unwrap();
    assert_eq!(heard(storing).await.status, 200);
    drop(stream);
    timeout(PATIENCE, door.guard.all_gone()).await.unwrap();
}
