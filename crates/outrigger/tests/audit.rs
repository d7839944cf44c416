//! The audit trail at a collector in another language: every message is held against the schema of PS3.15 section A.5.1.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use outrigger_member::Member;
use outrigger_model::{Level, QueryRoot};
use outrigger_sim::certificates::{Authority, Identity};
use outrigger_sim::peers::{FindScu, Launch, Process, Ready, Station, free_port};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, head};
use crate::modality::{objects, reached, send};
use crate::workstation::get;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Codes of PS3.16 Annex D.
const ACTIVITY: &str = "110100";
const BEGIN_TRANSFERRING: &str = "110102";
const TRANSFERRED: &str = "110104";
const QUERY: &str = "110112";
const SECURITY_ALERT: &str = "110113";
const SOURCE: &str = "110153";
const DESTINATION: &str = "110152";
const STUDY: &str = "110180";

/// What carries messages to a collector.
enum Over<'a> {
    Tcp,
    Udp,
    /// With its certificate, and the authority of the client certificates that it demands.
    Tls(&'a Identity, Option<&'a Authority>),
}

/// A running collector.
struct Collector {
    _process: Process,
    directory: TempDir,
    port: u16,
}

impl Collector {
    async fn start(over: &Over<'_>, port: u16) -> Self {
        let directory = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/collector.py");
        let mut arguments: Vec<OsString> = vec![script.into(), directory.path().join("messages").into()];
        arguments.extend(["--port".into(), port.to_string().into()]);
        match over {
            Over::Tcp => {}
            Over::Udp => arguments.push("--udp".into()),
            Over::Tls(identity, clients) => {
                let [certificate, key] = [&identity.certificate, &identity.key].map(OsString::from);
                arguments.extend(["--tls".into(), certificate, key]);
                if let Some(authority) = clients {
                    arguments.extend(["--clients".into(), authority.certificate().into()]);
                }
            }
        }
        let process = Process::start(Launch {
            program: "python3".into(),
            arguments,
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

/// A door before one archive, whose `[audit]` has these lines.
async fn door_with(audit: &str, archive: &Archive) -> Door {
    let directory = TempDir::new().unwrap();
    let behind = Behind::new("a", &archive.station(), "verified");
    let text = format!("{}[audit]\n{audit}\n{}", head(directory.path(), 0, ""), behind.text());
    Door::open_with(directory, &text).await
}

/// The lines of `[audit]` for TLS to a port of this machine.
fn tls_lines(port: u16, authority: &Authority, identity: Option<&Identity>) -> String {
    let mut lines =
        format!("syslog = \"tls://127.0.0.1:{port}\"\nca_file = \"{}\"\n", authority.certificate().display());
    if let Some(Identity { certificate, key }) = identity {
        let (certificate, key) = (certificate.display(), key.display());
        lines += &format!("certificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n");
    }
    lines
}

/// The messages in a door's audit file.
fn in_file(door: &Door) -> usize {
    fs::read_to_string(door.directory.path().join("data/audit.log")).unwrap().lines().count()
}

/// Lets a door work, and looks whether all of it is at the collector, and good.
async fn assert_collected(collector: &Collector, audit: &str) {
    let archive = Archive::start("A", "sqlite").await;
    let door = door_with(audit, &archive).await;
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
    if audit.contains("udp://") {
        assert!(messages.iter().all(|message| message["octets"].as_u64() <= Some(2048)), "{messages:#?}");
    }
    let events = |event: &str| messages.iter().filter(|message| message["event"] == event).count();
    assert_eq!((events(ACTIVITY), events(BEGIN_TRANSFERRING) > 0), (1, true), "{messages:#?}");
    assert!(events(TRANSFERRED) < sent.len(), "a message for each object: {messages:#?}");
    let first = |event: &str| {
        messages
            .iter()
            .position(|message| message["event"] == event && in_role(message, DESTINATION) == ["A"])
    };
    assert!(first(BEGIN_TRANSFERRING) < first(TRANSFERRED), "{messages:#?}");
    let healthy = |status: &Value| status["audit"]["state"] == "up" && status["audit"]["unsent"] == 0;
    door.until(&["status"], PATIENCE, healthy).await;
}

/// Queries and retrievals by DIMSE and over the web, what is refused among them.
#[tokio::test]
async fn peer_dcmtk_and_others_ask_at_both_doors_and_all_of_it_is_collected() {
    let collector = Collector::start(&Over::Tcp, 0).await;
    let directory = TempDir::new().unwrap();
    let head = head(directory.path(), 0, "");
    let audit = format!("[audit]\nsyslog = \"tcp://127.0.0.1:{}\"\n", collector.port);
    let door =
        Door::open_with(directory, &format!("{head}{audit}[[front.web]]\nlisten = \"127.0.0.1:0\"\n")).await;
    let sent = objects(6, 12);
    send(&door.station(), &sent).await;
    let study = sent[0].header.study.as_ref().unwrap().to_string();
    let keys = format!("0020,000d={study}");
    let (calling, station, keys) = (ae("WS1"), door.station(), [keys.as_str()]);
    let (root, level) = (QueryRoot::Study, Level::Study);
    let find = FindScu { calling: &calling, called: &station, root, level, keys: &keys };
    assert_eq!(find.run().await.unwrap().answers.len(), 1);
    assert_eq!(get(&door.station(), &sent, &watch::Sender::new(0)).await.wrong(&sent), [""; 0]);
    let web = format!("http://{}/dicomweb/studies", door.node.listening().unwrap().web[0]);
    let of_study = format!("{web}/{study}");
    let asked = [
        (format!("{web}?StudyInstanceUID={study}"), 200),
        (of_study.clone(), 200),
        (format!("{of_study}/metadata"), 200),
        (format!("{web}/1.2.3.4"), 404),
        (format!("{web}?StudyDate=yesterday"), 400),
    ];
    let statuses = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        asked.map(|(url, expected)| {
            let mut answer = agent.get(&url).call().unwrap();
            // What is not read to its end is not transferred to its end.
            answer.body_mut().read_to_vec().unwrap();
            (answer.status().as_u16(), expected, url)
        })
    });
    for (status, expected, url) in statuses.await.unwrap() {
        assert_eq!(status, expected, "{url}");
    }
    let of = |messages: &[Value], event: &str, user: &str, outcome: &str| {
        let is_so = |message: &&Value| {
            let users = message["participants"].as_array().unwrap().iter().map(|by| &by["user"]);
            message["event"] == event
                && message["outcome"] == outcome
                && users.into_iter().any(|by| by == user)
        };
        messages.iter().filter(is_so).count()
    };
    let messages = collector
        .until(|messages| {
            of(messages, QUERY, "DICOMWEB", "4") == 1 && of(messages, TRANSFERRED, "DICOMWEB", "4") == 1
        })
        .await;
    let wrong: Vec<_> =
        messages.iter().filter(|message| message["wrong"] != Value::Array(Vec::new())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(of(&messages, QUERY, "WS1", "0"), 1, "{messages:#?}");
    assert_eq!(moved(&messages, TRANSFERRED, &study, "OUTRIGGER", "WS1"), 12, "{messages:#?}");
    assert_eq!(of(&messages, QUERY, "DICOMWEB", "0"), 1, "{messages:#?}");
    assert_eq!(moved(&messages, TRANSFERRED, &study, "OUTRIGGER", "DICOMWEB"), 24, "{messages:#?}");
}

#[tokio::test]
async fn peer_python_collects_an_audit_trail_that_holds_to_the_schema_over_tcp() {
    let collector = Collector::start(&Over::Tcp, 0).await;
    assert_collected(&collector, &format!("syslog = \"127.0.0.1:{}\"", collector.port)).await;
}

#[tokio::test]
async fn peer_python_collects_an_audit_trail_that_holds_to_the_schema_over_udp() {
    let collector = Collector::start(&Over::Udp, 0).await;
    assert_collected(&collector, &format!("syslog = \"udp://127.0.0.1:{}\"", collector.port)).await;
}

#[tokio::test]
async fn peer_python_collects_an_audit_trail_that_holds_to_the_schema_over_tls() {
    let authority = Authority::new().unwrap();
    let (server, ours) = (authority.issue("collector").unwrap(), authority.issue("door").unwrap());
    let collector = Collector::start(&Over::Tls(&server, Some(&authority)), 0).await;
    assert_collected(&collector, &tls_lines(collector.port, &authority, Some(&ours))).await;
}

/// The control: a collector that is not trusted gets nothing, one that does not trust us takes nothing, and both are said.
#[tokio::test]
async fn peer_python_control_nothing_goes_to_whom_tls_does_not_prove() {
    let (authority, strangers) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (server, stranger) = (authority.issue("collector").unwrap(), strangers.issue("stranger").unwrap());
    let archive = Archive::start("A", "sqlite").await;
    for (clients, trusted, identity, why) in [
        (None, &strangers, None, "certificate"),
        (Some(&authority), &authority, None, "CertificateRequired"),
        (Some(&authority), &authority, Some(&stranger), "fatal alert"),
    ] {
        let collector = Collector::start(&Over::Tls(&server, clients), 0).await;
        let door = door_with(&tls_lines(collector.port, trusted, identity), &archive).await;
        send(&door.station(), &objects(1, 2)).await;
        door.balance_exits(0, PATIENCE).await;
        let away = |status: &Value| status["audit"]["state"] == "away";
        let status = door.until(&["status"], PATIENCE, away).await;
        let said = status["audit"]["error"].as_str().unwrap();
        assert!(said.contains(why), "{why}: {said}");
        assert!(status["audit"]["unsent"].as_u64().unwrap() > 0, "{status:#}");
        let ran = door.ask(&["status"]).await.exits(3);
        for words in ["the audit collector tls://127.0.0.1", "is away", "not sent so far: "] {
            assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
        }
        assert!(door.log().contains("the audit collector is away"), "{}", door.log());
        assert_eq!(collector.messages(), [Value::Null; 0]);
        assert!(in_file(&door) > 2);
    }
}

/// A collector that comes late gets everything; until then all is in the file, and it is said how much was not sent.
#[tokio::test]
async fn peer_python_a_collector_that_comes_late_gets_everything() {
    let authority = Authority::new().unwrap();
    let server = authority.issue("collector").unwrap();
    let archive = Archive::start("A", "sqlite").await;
    for over in [Over::Tcp, Over::Udp, Over::Tls(&server, None)] {
        let port = free_port().unwrap();
        let lines = match over {
            Over::Tcp => format!("syslog = \"tcp://127.0.0.1:{port}\""),
            Over::Udp => format!("syslog = \"udp://127.0.0.1:{port}\""),
            Over::Tls(..) => tls_lines(port, &authority, None),
        };
        let door = door_with(&lines, &archive).await;
        send(&door.station(), &objects(3, 6)).await;
        door.balance_exits(0, PATIENCE).await;
        let all_unsent = |status: &Value| {
            status["audit"]["state"] == "away" && status["audit"]["unsent"] == in_file(&door) as u64
        };
        let status = door.until(&["status"], PATIENCE, all_unsent).await;
        assert!(status["audit"]["error"].as_str().unwrap().contains("refused"), "{status:#}");

        let collector = Collector::start(&over, port).await;
        let back = |status: &Value| status["audit"]["state"] == "up" && status["audit"]["unsent"] == 0;
        door.until(&["status"], PATIENCE, back).await;
        collector.until(|messages| messages.len() == in_file(&door)).await;
        assert!(door.log().contains("the audit collector is back"), "{}", door.log());
    }
}

/// The control: the collector finds what is wrong with a message.
#[tokio::test]
async fn peer_python_control_sees_what_breaks_the_schema() {
    let collector = Collector::start(&Over::Tcp, 0).await;
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
