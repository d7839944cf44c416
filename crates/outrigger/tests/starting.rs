//! Starting and stopping: the ready line, what keeps a node from starting, signals.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use outrigger_member::Member;
use outrigger_model::Status;
use outrigger_sim::peers::{EchoScu, Nagle, Station, ToolRun};
use outrigger_sim::scripted::Scripted;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, configuration, written};
use crate::modality::{associated, objects, reached, send, store};
use crate::program::{Ran, program, run};

const PATIENCE: Duration = Duration::from_secs(40);

/// A node whose end is looked at.
struct Started {
    child: Child,
    ready: String,
}

impl Started {
    async fn serve(config: &Path) -> Self {
        Self::run("serve", config).await
    }

    async fn run(role: &str, config: &Path) -> Self {
        let mut child = Command::new(program())
            .args([role, "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        Self { child, ready }
    }

    fn station(&self) -> Station {
        let ready: serde_json::Value = serde_json::from_str(&self.ready).unwrap();
        let address = ready["ready"]["dimse"][0].as_str().unwrap();
        Station { ae_title: ae("OUTRIGGER"), port: address.rsplit_once(':').unwrap().1.parse().unwrap() }
    }

    fn admin(&self) -> String {
        let ready: serde_json::Value = serde_json::from_str(&self.ready).unwrap();
        ready["ready"]["admin"].as_str().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }
}

async fn serve(config: &Path) -> Ran {
    run(&["serve", "--config", config.to_str().unwrap()]).await
}

/// A quiet node in a directory of its own: what it says is why it does not start.
fn quiet() -> (TempDir, PathBuf, String) {
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), &[]).replace("level = \"debug\"", "level = \"error\"");
    let config = written(directory.path(), &text);
    (directory, config, text)
}

/// The first segment of the journal of a node that ran.
fn segment(data: &Path) -> PathBuf {
    let listed = fs::read_dir(data.join("journal/segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        listed.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort();
    segments.swap_remove(0)
}

/// A full disk behind the output: said once, and no success.
#[tokio::test]
async fn output_that_cannot_be_written_is_a_failure_and_said_once() {
    let archive = Archive::start("A", "sqlite").await;
    let door = Door::open(&[Behind::new("a", &archive.station(), "present")]).await;
    for command in ["status", "balance", "status --json"] {
        let line = format!("{} {command} --admin {} >/dev/full", program().display(), door.admin());
        let ran = ToolRun::of("sh", ["-c", &line], Nagle::Off).await.unwrap();
        assert_eq!(ran.status.code(), Some(1), "{command}: {ran:?}");
        assert_eq!(ran.stderr.matches("the output could not be written").count(), 1, "{command}: {ran:?}");
    }
}

#[tokio::test]
async fn the_ready_line_names_the_ports_really_bound() {
    let (_directory, config, _) = quiet();
    let started = Started::serve(&config).await;
    let ready: serde_json::Value = serde_json::from_str(&started.ready).unwrap();
    for pointer in ["/ready/dimse/0", "/ready/members", "/ready/admin"] {
        let address = ready.pointer(pointer).and_then(|address| address.as_str()).unwrap();
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{ready}");
    }
    assert_eq!(
        (&ready["ready"]["web"], &ready["ready"]["hl7"]),
        (&"[]".parse().unwrap(), &"[]".parse().unwrap())
    );
    reached(&started.station(), None).health().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_keeps_a_node_from_starting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (directory, _, text) = quiet();
    for table in ["[admin]", "[members]", "[[front.dimse]]"] {
        let listen = format!("{table}\nlisten = ");
        let mistaken = text.replace(&format!("{listen}\"127.0.0.1:0\""), &format!("{listen}\"{address}\""));
        assert_ne!(mistaken, text, "{table}");
        serve(&written(directory.path(), &mistaken)).await.exits(1).says(&[&address]);
    }
    serve(&directory.path().join("none.toml")).await.exits(2).says(&["none.toml"]);
}

#[tokio::test]
async fn a_data_directory_serves_one_node_at_a_time() {
    let (directory, config, _) = quiet();
    let first = Started::serve(&config).await;
    let data = directory.path().join("data").display().to_string();
    serve(&config).await.exits(1).says(&[&data, "in use"]);
    let rebuild = run(&["rebuild", "--config", config.to_str().unwrap()]).await;
    rebuild.exits(1).says(&[&data, "in use"]);
    first.signal(Signal::TERM);
    assert!(first.ended().await.success());
    Started::serve(&config).await;
}

#[tokio::test]
async fn books_of_a_newer_version_are_left_alone() {
    let (directory, config, _) = quiet();
    let started = Started::serve(&config).await;
    send(&started.station(), &objects(1, 2)).await;
    // Killed, its last segment has no seal that repeats what the opening says.
    started.signal(Signal::KILL);
    assert!(!started.ended().await.success());
    let data = directory.path().join("data");

    let ledger = rusqlite::Connection::open(data.join("ledger.db")).unwrap();
    ledger.pragma_update(None, "user_version", 9_000).unwrap();
    serve(&config).await.exits(1).says(&["ledger.db", "9000", "newer version"]);
    ledger.pragma_update(None, "user_version", 1).unwrap();
    drop(ledger);

    let segment = segment(&data);
    let mut bytes = fs::read(&segment).unwrap();
    raise_format(&mut bytes);
    fs::write(&segment, bytes).unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    serve(&config).await.exits(1).says(&[&name, "newer version"]);
}

/// Makes the opening of a segment say that it is of format 9, and seals it again (docs/journal-format.md).
fn raise_format(bytes: &mut [u8]) {
    let length = u32::from_le_bytes(bytes[48..52].try_into().unwrap()) as usize;
    let header = &mut bytes[64..64 + length];
    let text = String::from_utf8(header.to_vec()).unwrap();
    let raised = text.replace("\"format\":1", "\"format\":9");
    assert_ne!(raised, text);
    header.copy_from_slice(raised.as_bytes());
    let end = 64 + length + 60;
    let crc = crc32c::crc32c(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

#[tokio::test]
async fn sigterm_lets_open_associations_finish_and_takes_no_new_ones() {
    let (_directory, config, _) = quiet();
    let started = Started::serve(&config).await;
    let station = started.station();
    let sent = objects(2, 3);
    let mut session = associated(&station, &sent).await;
    assert_eq!(store(&mut *session, &sent[0]).await, Status::SUCCESS);
    started.signal(Signal::TERM);
    let late = async { while reached(&station, None).health().await.is_ok() {} };
    timeout(PATIENCE, late).await.unwrap();
    for object in &sent[1..] {
        assert_eq!(store(&mut *session, object).await, Status::SUCCESS);
    }
    session.release().await.unwrap();
    assert!(started.ended().await.success());

    let again = Started::serve(&config).await;
    let answers = store_all_again(&again.station(), &sent).await;
    assert_eq!(answers, [Status::SUCCESS; 3], "what was acknowledged while draining is here");
}

async fn store_all_again(station: &Station, sent: &[crate::modality::Object]) -> Vec<Status> {
    let mut session = associated(station, sent).await;
    let mut answers = Vec::new();
    for object in sent {
        answers.push(store(&mut *session, object).await);
    }
    session.release().await.unwrap();
    answers
}

/// A head that is not finished, and answers that are not taken: neither keeps a node from its end.
#[tokio::test]
async fn sigterm_ends_a_node_whatever_its_admin_connections_do() {
    let (directory, config, _) = quiet();
    let data = directory.path().join("archive");
    let text = format!(
        "[node]\nname = \"archive\"\ndata = \"{data}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n\
         [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"sqlite:{data}/catalogue\"\n",
        data = data.display()
    );
    let archive = directory.path().join("archive.toml");
    fs::write(&archive, text).unwrap();
    let asked = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20_000);
    for (role, config) in [("serve", &config), ("archive", &archive)] {
        for said in ["", "GET /heal", &asked] {
            let started = Started::run(role, config).await;
            let mut stream = TcpStream::connect(started.admin()).await.unwrap();
            // As much as is taken of one who reads nothing.
            drop(timeout(Duration::from_secs(1), stream.write_all(said.as_bytes())).await);
            started.signal(Signal::TERM);
            let ended = timeout(Duration::from_secs(15), started.ended()).await;
            assert!(ended.is_ok_and(|status| status.success()), "{role}, {} bytes said", said.len());
        }
    }
}

#[tokio::test]
async fn a_configuration_is_read_again_while_a_node_runs() {
    let member = Scripted::start(&ae("A")).await.unwrap();
    let door = Door::open(&[Behind::new("a", member.station(), "present")]).await;
    let text = fs::read_to_string(&door.config).unwrap();
    assert!(door.ask(&["reload"]).await.exits(0).stdout.contains("nothing has changed"));

    let changed = text.replace("level = \"debug\"", "level = \"info\"\nformat = \"json\"");
    let changed = changed.replace("reserve = \"16MiB\"", "reserve = \"17MiB\"");
    let changed = changed.replace("enabled = false", "rate = 3");
    let added = "[query]\ntimeout = \"3s\"\n[[peer]]\nae_title = \"CT9\"\n";
    fs::write(&door.config, format!("{changed}{added}")).unwrap();
    let answer = door.ask(&["reload", "--json"]).await.exits(0).json();
    assert_eq!(answer["applied"], serde_json::json!(["log.level", "peer"]), "{answer}");
    assert_eq!(
        answer["needs_restart"],
        serde_json::json!(["log.format", "journal", "query", "inventory", "crosscheck"]),
        "{answer}"
    );
    reached(&door.station(), None).health().await.unwrap_err();
    let again = door.ask(&["reload", "--json"]).await.exits(0).json();
    assert_eq!(again["applied"], serde_json::json!([]), "{again}");
    assert_eq!(again["needs_restart"], answer["needs_restart"], "it still waits for a restart");

    fs::write(&door.config, "[node]\nname = \"x\"\n").unwrap();
    let ran = door.ask(&["reload"]).await.exits(2);
    assert!(ran.stderr.contains("outrigger.toml:1: ") && ran.stderr.contains("stays in force"), "{ran:?}");
    let status = door.ask(&["status", "--json"]).await.exits(3).json();
    assert!(status["config_mistakes"].as_str().unwrap().contains("`node.data`"), "{status:#}");

    fs::write(&door.config, &text).unwrap();
    let id = i32::try_from(door.node.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::HUP).unwrap();
    door.until(&["status"], PATIENCE, |status| status["state"] == "healthy").await;
    reached(&door.station(), None).health().await.unwrap();
}

#[tokio::test]
async fn peer_dcmtk_is_answered_while_nobody_else_may_call() {
    let (_directory, config, _) = quiet();
    let started = Started::serve(&config).await;
    let echo = EchoScu::run(&ae("ANY"), &started.station()).await.unwrap();
    assert!(echo.success(), "{}", echo.said());
    let mut elsewhere = started.station();
    elsewhere.ae_title = ae("NOT_US");
    let refused = EchoScu::run(&ae("ANY"), &elsewhere).await.unwrap();
    assert!(
        !refused.success() && refused.said().contains("Called AE Title Not Recognized"),
        "{}",
        refused.said()
    );
}
