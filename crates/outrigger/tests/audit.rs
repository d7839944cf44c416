//! The audit trail at a collector in another language: every message is held against the schema of PS3.15 section A.5.1.

use std::fs;
use std::path::Path;
use std::time::Duration;

use outrigger_member::Member;
use outrigger_sim::peers::{Launch, Process, Ready, Station};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, head};
use crate::modality::{objects, reached, send};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Codes of PS3.16 Annex D.
const ACTIVITY: &str = "110100";
const BEGIN_TRANSFERRING: &str = "110102";
const TRANSFERRED: &str = "110104";
const SECURITY_ALERT: &str = "110113";
const SOURCE: &str = "110153";
const DESTINATION: &str = "110152";
const STUDY: &str = "110180";

/// A running collector.
struct Collector {
    _process: Process,
    directory: TempDir,
    port: u16,
}

impl Collector {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/collector.py");
        let process = Process::start(Launch {
            program: "python3".into(),
            arguments: vec![script.into(), directory.path().join("messages").into()],
            variables: Vec::new(),
            directory: directory.path().to_owned(),
            ready: vec![Ready::Line("port ")],
        })
        .await
        .unwrap();
        let line = process.line("port ").unwrap().unwrap();
        let port = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
        Self { _process: process, directory, port }
    }

    fn messages(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join("messages")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until what was collected holds something.
    async fn until(&self, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let messages = self.messages();
            if holds(&messages) {
                return messages;
            }
            assert!(Instant::now() < give_up, "collected: {messages:#?}");
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Who takes part in a role.
fn in_role<'m>(message: &'m Value, role: &str) -> Vec<&'m str> {
    let participants = message["participants"].as_array().unwrap();
    let has =
        |participant: &&Value| participant["roles"].as_array().unwrap().iter().any(|known| known == role);
    participants.iter().filter(has).map(|participant| participant["user"].as_str().unwrap()).collect()
}

/// How many instances of a study messages of a kind say went from one to another.
fn moved(messages: &[Value], event: &str, study: &str, from: &str, to: &str) -> u64 {
    let about = |message: &&Value| {
        message["event"] == event
            && in_role(message, SOURCE) == [from]
            && in_role(message, DESTINATION) == [to]
    };
    let objects = messages.iter().filter(about).flat_map(|message| message["objects"].as_array().unwrap());
    objects
        .filter(|object| object["type"] == STUDY && object["id"] == study)
        .map(|object| object["instances"].as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn peer_python_collects_an_audit_trail_that_holds_to_the_schema() {
    let collector = Collector::start().await;
    let archive = Archive::start("A", "sqlite").await;
    let behind = Behind::new("a", &archive.station(), "verified");
    let directory = TempDir::new().unwrap();
    let audit = format!("[audit]\nsyslog = \"127.0.0.1:{}\"\n", collector.port);
    let text = head(directory.path(), 0, "") + &audit + &behind.text();
    let door = Door::open_with(directory, &text).await;
    let sent = objects(5, 12);
    send(&door.station(), &sent).await;
    let stranger = Station { ae_title: ae("NOBODY"), ..door.station() };
    assert!(reached(&stranger, None).health().await.is_err());
    door.balance_exits(0, PATIENCE).await;

    let study = sent[0].header.study.as_ref().unwrap().as_str();
    let of = sent.iter().filter(|object| object.header.study == sent[0].header.study).count() as u64;
    let all = |messages: &[Value]| {
        moved(messages, TRANSFERRED, study, "CT1", "OUTRIGGER") == of
            && moved(messages, TRANSFERRED, study, "OUTRIGGER_M", "A") == of
            && moved(messages, TRANSFERRED, study, "A", "OUTRIGGER_M") == of
            && messages.iter().any(|message| message["event"] == SECURITY_ALERT && message["outcome"] == "8")
    };
    let messages = collector.until(all).await;
    let wrong: Vec<_> =
        messages.iter().filter(|message| message["wrong"] != Value::Array(Vec::new())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let events = |event: &str| messages.iter().filter(|message| message["event"] == event).count();
    assert_eq!((events(ACTIVITY), events(BEGIN_TRANSFERRING) > 0), (1, true), "{messages:#?}");
    assert!(events(TRANSFERRED) < sent.len(), "a message for each object: {messages:#?}");
}

/// The control: the collector finds what is wrong with a message.
#[tokio::test]
async fn peer_python_control_sees_what_breaks_the_schema() {
    let collector = Collector::start().await;
    let event = "<EventIdentification EventDateTime=\"2026-11-27T23:00:00Z\" EventOutcomeIndicator=\"0\">\
                 <EventID csd-code=\"110100\" codeSystemName=\"DCM\" originalText=\"Application Activity\"/>\
                 </EventIdentification>";
    let participant = "<ActiveParticipant UserID=\"a\" UserIsRequestor=\"true\"/>";
    let source = "<AuditSourceIdentification AuditSourceID=\"a\"/>";
    let object = "<ParticipantObjectIdentification ParticipantObjectID=\"1\"><ParticipantObjectIDTypeCode \
                  csd-code=\"2\" codeSystemName=\"RFC-3881\" originalText=\"Patient Number\"/>\
                  <ParticipantObjectName/></ParticipantObjectIdentification>";
    let mut stream = TcpStream::connect(("127.0.0.1", collector.port)).await.unwrap();
    for parts in
        [[event, participant, source, object], [event, participant, object, source], [event, "", source, ""]]
    {
        let message = format!(
            "<85>1 2026-11-27T23:00:00Z door outrigger 1 DICOM+RFC3881 - \u{FEFF}<AuditMessage>{}</AuditMessage>",
            parts.concat()
        );
        stream.write_all(format!("{} {message}", message.len()).as_bytes()).await.unwrap();
    }
    let messages = collector.until(|messages| messages.len() == 3).await;
    let wrong: Vec<_> = messages.iter().map(|message| message["wrong"].as_array().unwrap().len()).collect();
    assert_eq!(wrong[0], 0, "{messages:#?}");
    assert!(wrong[1] > 0 && wrong[2] > 0, "{messages:#?}");
}
