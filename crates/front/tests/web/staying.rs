//! Connections that carry more than one request, and those whose other end goes or takes its time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use outrigger_front::{WebOptions, WebServer, WebTimers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::door::{Door, MULTIPART, file, multipart, options, phantoms};
use super::listed::{Ends, study};

over_both!(
    #[tokio::test]
    a_connection_carries_one_request_after_another,
    a_connection_without_a_further_request_is_not_waited_for,
    an_old_client_reads_to_the_end_of_the_connection,
    what_is_done_for_who_goes_is_done_no_further,
    no_more_is_taken_than_can_be_stored,
);

const PATIENCE: Duration = Duration::from_secs(20);
const GET: &str = "GET /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n";

async fn a_connection_carries_one_request_after_another(server: WebServer) {
    let door = Door::open(options(server)).await;
    door.service.answers.lock().unwrap().push(study(1, "20260101"));
    let mut stream = door.connect().await;
    let head = "HEAD /dicomweb/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // A body that nobody reads stands between two requests, and all are sent before any is answered.
    let post = "POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nx\r\n\r\n";
    let all = format!("{GET}\r\n{head}{post}{GET}Connection: close\r\n\r\n");
    stream.write_all(all.as_bytes()).await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut said)).await.unwrap().unwrap();
    let statuses: Vec<&str> =
        said.split("HTTP/1.1 ").skip(1).map(|answer| answer.get(..3).unwrap()).collect();
    assert_eq!(statuses, ["200", "404", "415", "200"], "{said}");
    let to_head = said.split("HTTP/1.1 ").nth(2).unwrap();
    let (head, body) = to_head.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("\ncontent-length: ") && body.is_empty(), "{to_head}");
}

async fn a_connection_without_a_further_request_is_not_waited_for(server: WebServer) {
    let timers = WebTimers { head: Duration::from_millis(300), ..options(server).timers };
    let door = Door::open(WebOptions { timers, ..options(server) }).await;
    for begun in ["", "GET /dicom"] {
        let mut stream = door.connect().await;
        stream.write_all(format!("{GET}\r\n{begun}").as_bytes()).await.unwrap();
        let mut said = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut said)).await.unwrap().unwrap();
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
    }
}

async fn an_old_client_reads_to_the_end_of_the_connection(server: WebServer) {
    let door = Door::open(options(server)).await;
    let long = (0..2000).map(|number| study(number, "20260101"));
    door.service.answers.lock().unwrap().extend(long);
    let said = door.say("GET /dicomweb/studies HTTP/1.0\r\nHost: localhost\r\n\r\n", b"").await;
    assert_eq!((said.status, said.fields("transfer-encoding")), (200, vec![]), "{}", said.head);
    assert_eq!(said.json().as_array().map(Vec::len), Some(2000));
}

async fn what_is_done_for_who_goes_is_done_no_further(server: WebServer) {
    let door = Door::open(options(server)).await;
    *door.service.ends.lock().unwrap() = Ends::Never;
    let waiting = async |count| {
        let is_so = async {
            while door.service.waiting.load(Ordering::SeqCst) != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_so).await.unwrap();
    };
    let mut stream = door.connect().await;
    stream.write_all(format!("{GET}\r\n").as_bytes()).await.unwrap();
    waiting(1).await;
    drop(stream);
    waiting(0).await;
}

/// Goal: where the commits take their time little is in memory, and the sender waits.
async fn no_more_is_taken_than_can_be_stored(server: WebServer) {
    const SENT: usize = 64 << 20;
    /// What sixteen small objects and the buffers of both ends of a connection hold.
    const TAKEN_MAX: usize = 24 << 20;
    let door = Door::open(options(server)).await;
    *door.service.ends.lock().unwrap() = Ends::Never;
    let part = multipart(&[file(&phantoms(1)[0])]);
    let part = part.strip_suffix(b"--b--\r\n").unwrap();
    let mut stream = door.connect().await;
    let head = format!(
        "POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\nContent-Length: {SENT}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut taken = 0;
    while taken < SENT {
        // Nobody takes a byte more once nothing is taken for so long.
        let Ok(wrote) = timeout(Duration::from_millis(500), stream.write(part)).await else { break };
        taken += wrote.unwrap();
    }
    assert!(taken < TAKEN_MAX, "{taken} bytes were taken");
}
