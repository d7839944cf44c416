//! The web door of the whole program: stored there is stored, found at once, delivered, and on record.

mod bombs;
mod client;
mod odd;

use std::fs;
use std::path::Path;
use std::time::Duration;

use outrigger_dataset::part10;
use outrigger_model::Tag;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{Nagle, Station, ToolRun};
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, head, line, written};
use crate::modality::{Object, objects, same_at};
use crate::program::{program, run};
use crate::servers::WebServer;

over_both!(
    #[tokio::test]
    peer_curl_stores_finds_at_once_and_the_member_gets_it,
    peer_curl_finds_after_a_kill_what_was_answered_as_stored,
);

const PATIENCE: Duration = Duration::from_secs(60);
const READ: &str = "0123456789abcdef-read";
const WRITE: &str = "0123456789abcdef-write";
const TYPE: &str = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=b";

/// A web listener with tokens, as its table is written; the file of tokens lies in the directory.
fn listener(server: WebServer, directory: &Path) -> String {
    let tokens = directory.join("tokens");
    fs::write(&tokens, format!("# viewers\nread {READ}\nwrite {WRITE}\n")).unwrap();
    format!("{}tokens_file = \"{}\"\n", server.listener(), tokens.display())
}

/// An archive with both doors.
async fn archive(server: WebServer, directory: &Path) -> Node {
    let data = directory.display();
    let text = format!(
        "[node]\nname = \"archive\"\ndata = \"{data}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"ARCHIVE\"]\n{}\
         [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"redb:{data}/catalogue\"\n",
        listener(server, directory)
    );
    let config = written(directory, &text);
    Node::start(program(), Role::Archive, &config, directory, Vec::new()).await.unwrap()
}

fn web(node: &Node) -> String {
    format!("http://{}/dicomweb", node.listening().unwrap().web[0])
}

/// A store request of these objects, in a file.
fn body(directory: &Path, objects: &[Object]) -> String {
    let mut body = Vec::new();
    for Object { header, transfer_syntax, bytes } in objects {
        body.extend_from_slice(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(part10::file(&header.sop_class, &header.sop_instance, transfer_syntax, bytes));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let path = directory.join("body");
    fs::write(&path, body).unwrap();
    path.display().to_string()
}

/// What curl got: the status and the body.
async fn curl(arguments: &[&str]) -> (u16, Value) {
    let mut all = vec!["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"];
    all.extend(arguments);
    let ran = ToolRun::of("curl", &all, Nagle::Off).await.unwrap();
    let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or_else(|| panic!("{ran:?}"));
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn post(url: &str, token: &str, body: &str) -> (u16, Value) {
    let (token, body) = (format!("Authorization: Bearer {token}"), format!("@{body}"));
    curl(&["--header", TYPE, "--header", &token, "--data-binary", &body, &format!("{url}/studies")]).await
}

async fn get(url: &str, path: &str) -> (u16, Value) {
    let token = format!("Authorization: Bearer {READ}");
    curl(&["--header", &token, &format!("{url}{path}")]).await
}

fn dimse(archive: &Node) -> Station {
    Station { ae_title: ae("ARCHIVE"), port: archive.listening().unwrap().dimse[0].port() }
}

/// An archive with a web door of its own, in a directory of its own, and a door before it that shares no web server with it.
async fn before_an_archive(server: WebServer) -> (TempDir, Node, Door) {
    let (home, away) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let archive = archive(server.other(), away.path()).await;
    let member = Behind::new("archive", &dimse(&archive), "verified");
    let text = head(home.path(), 0, "") + &listener(server, home.path()) + &member.text();
    let door = Door::open_with(home, &text).await;
    (away, archive, door)
}

async fn peer_curl_stores_finds_at_once_and_the_member_gets_it(server: WebServer) {
    let (_away, archive, door) = before_an_archive(server).await;
    let url = web(&door.node);
    let sent = objects(1, 12);
    let body = body(door.directory.path(), &sent);

    assert_eq!(post(&url, READ, &body).await.0, 403);
    assert_eq!(post(&url, "nobody-knows-this-one", &body).await.0, 401);
    assert_eq!(curl(&[&format!("{url}/studies")]).await.0, 401);
    let (status, answer) = post(&url, WRITE, &body).await;
    assert_eq!(status, 200, "{answer:#}\n{}", door.log());
    assert_eq!(answer["00081199"]["Value"].as_array().unwrap().len(), sent.len());

    let (status, found) = get(&url, "/instances?includefield=all").await;
    assert_eq!((status, found.as_array().map(Vec::len)), (200, Some(sent.len())), "{found:#}");
    let study = sent[0].header.study.as_ref().unwrap();
    let (_, studies) =
        get(&url, &format!("/studies?StudyInstanceUID={study}&includefield=StudyDescription")).await;
    assert_eq!(studies[0]["00081190"]["Value"][0], format!("{url}/studies/{study}"), "{studies:#}");

    assert_eq!(get(&url, &format!("/studies/{study}/metadata")).await.0, 200);
    assert_eq!(get(&url, "/studies/1.2.3/metadata").await.0, 404);

    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "archive")["confirmed"], sent.len(), "{balance:#}");
    same_at(&dimse(&archive), &sent).await;
    let (status, there) = get(&web(&archive), "/instances").await;
    assert_eq!((status, there.as_array().map(Vec::len)), (200, Some(sent.len())), "{there:#}");

    let trail = fs::read_to_string(door.directory.path().join("data/audit.log")).unwrap();
    for (code, user) in [("110104", "token:"), ("110112", "token:"), ("110113", "DICOMWEB")] {
        assert!(trail.lines().any(|line| line.contains(code) && line.contains(user)), "{code}: {trail}");
    }
    let patient = sent[0].header.attribute(Tag::PATIENT_ID).unwrap();
    let (of_study, of_patient) = (format!("ID=\"{study}\""), format!("ID=\"{patient}\""));
    let given = |line: &str| line.contains("EventActionCode=\"R\"") && line.contains("token:");
    assert!(
        trail.lines().any(|line| given(line) && line.contains(&of_study) && line.contains(&of_patient)),
        "{trail}"
    );
    let refused = ["EventOutcomeIndicator=\"4\"", "ID=\"1.2.3\""];
    assert!(
        trail.lines().any(|line| given(line) && refused.iter().all(|part| line.contains(part))),
        "{trail}"
    );
    for secret in [READ, WRITE, "nobody-knows"] {
        assert!(!trail.contains(secret) && !door.log().contains(secret), "{secret}");
    }
}

async fn peer_curl_finds_after_a_kill_what_was_answered_as_stored(server: WebServer) {
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "") + &listener(server, home.path());
    let mut door = Door::open_with(home, &text).await;
    let sent = objects(2, 8);
    let body = body(door.directory.path(), &sent);
    let (status, answer) = post(&web(&door.node), WRITE, &body).await;
    door.node.process().kill().unwrap();
    assert_eq!(status, 200, "{answer:#}");
    door.node.process().restart().await.unwrap();
    let (status, found) = get(&web(&door.node), "/instances").await;
    assert_eq!((status, found.as_array().map(Vec::len)), (200, Some(sent.len())), "{found:#}");
}

#[tokio::test]
async fn a_door_that_anybody_could_use_is_a_mistake_in_the_configuration() {
    let home = TempDir::new().unwrap();
    let tokens = home.path().join("tokens");
    fs::write(&tokens, "read short\n").unwrap();
    let tokens = tokens.display();
    for (keys, key, words) in [
        ("listen = \"0.0.0.0:0\"".to_owned(), "front.web[].listen", "tokens_file"),
        ("listen = \"[::]:0\"".to_owned(), "front.web[].listen", "client_ca_file"),
        (
            format!("listen = \"127.0.0.1:0\"\ntokens_file = \"{tokens}\""),
            "front.web[].tokens_file",
            "line 1",
        ),
        ("listen = \"127.0.0.1:0\"\ntokens_file = \"/none\"".to_owned(), "front.web[].tokens_file", "/none"),
        ("listen = \"127.0.0.1:0\"\ncors_origins = [\"*\"]".to_owned(), "front.web[].cors_origins", "tokens"),
        (
            "listen = \"127.0.0.1:0\"\ncors_origins = [\"viewer\"]".to_owned(),
            "front.web[].cors_origins",
            "viewer",
        ),
        ("listen = \"127.0.0.1:0\"\nurl = \"pacs\"".to_owned(), "front.web[].url", "pacs"),
        (
            "listen = \"127.0.0.1:0\"\nserver = \"apache\"".to_owned(),
            "front.web[].server",
            "`axum` or `actix`",
        ),
    ] {
        let text = head(home.path(), 0, "") + "[[front.web]]\n" + &keys + "\n";
        let config = written(home.path(), &text);
        let ran = run(&["check", "--config", config.to_str().unwrap()]).await;
        assert_eq!(ran.status, 2, "{keys}: {ran:?}");
        assert!(ran.stderr.contains(key) && ran.stderr.contains(words), "{keys}: {ran:?}");
    }
}
