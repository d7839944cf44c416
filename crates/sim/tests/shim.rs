//! The shim sees every call of the real disk, and each fault is what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};

use outrigger_sim::shim::{Fault, FaultKind, Lasting, Shim};
use tempfile::TempDir;

/// What the writer does, in the kernel's words; before the last of them, its file is there.
#[rustfmt::skip]
const CALLS: [&str; 10] = [
    "mkdir", "fsync", "open64", "fallocate64", "pwritev64", "ftruncate64", "fdatasync", "rename", "fsync", "unlink",
];

struct Ran {
    status: ExitStatus,
    said: String,
    calls: Vec<String>,
    directory: TempDir,
}

impl Ran {
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.path().join("inner").join(name)).ok()
    }
}

fn run(shim: &Shim, fault: Option<(usize, FaultKind, Lasting)>) -> Ran {
    let directory = TempDir::new().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let fault = fault.map(|(at, kind, lasting)| Fault { at, kind, lasting });
    let variables = shim.variables(&path, fault).unwrap();
    let output = writer(&path).envs(variables).output().unwrap();
    Ran {
        status: output.status,
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        calls: shim.calls().unwrap().into_iter().map(|call| call.name).collect(),
        directory,
    }
}

fn writer(directory: &Path) -> Command {
    let mut writer = Command::new(env!("CARGO_BIN_EXE_disk-writer"));
    writer.arg(directory);
    writer
}

#[tokio::test]
async fn fault_shim_sees_every_call_of_the_real_disk() {
    let shim = Shim::build().await.unwrap();
    let ran = run(&shim, None);
    assert!(ran.status.success(), "{}", ran.said);
    assert_eq!(ran.calls, CALLS);
}

#[tokio::test]
async fn fault_shim_kills_before_each_call() {
    let shim = Shim::build().await.unwrap();
    for at in 1..=CALLS.len() {
        let ran = run(&shim, Some((at, FaultKind::Crash, Lasting::Once)));
        assert_eq!((ran.status.success(), ran.calls.len()), (false, at));
        assert_eq!(ran.file("draft").is_some(), (4..=8).contains(&at), "draft, killed before call {at}");
        assert_eq!(ran.file("name").is_some(), (9..=10).contains(&at), "name, killed before call {at}");
    }
    assert!(run(&shim, Some((CALLS.len() + 1, FaultKind::Crash, Lasting::Once))).status.success());
}

#[tokio::test]
async fn fault_shim_fails_any_call_in_the_words_of_the_system() {
    let shim = Shim::build().await.unwrap();
    for (kind, words) in [(FaultKind::Eio, "os error 5"), (FaultKind::Enospc, "os error 28")] {
        for at in 1..=CALLS.len() {
            let ran = run(&shim, Some((at, kind, Lasting::Once)));
            assert_eq!(ran.status.code(), Some(1), "call {at}");
            assert!(ran.said.contains(words), "call {at}: {}", ran.said);
        }
    }
}

#[tokio::test]
async fn fault_shim_writes_half_once_or_from_then_on() {
    let shim = Shim::build().await.unwrap();
    let at = 1 + CALLS.iter().position(|call| *call == "pwritev64").unwrap();
    let torn = run(&shim, Some((at, FaultKind::Torn, Lasting::Once)));
    assert_eq!(torn.file("draft").unwrap()[..7], *b"first \0");
    let short = run(&shim, Some((at, FaultKind::Short, Lasting::Once)));
    assert!(short.status.success(), "{}", short.said);
    assert_eq!(short.calls.len(), CALLS.len() + 1, "the rest is written by one more call");
    let shorter = run(&shim, Some((at, FaultKind::Short, Lasting::On)));
    assert!(shorter.status.success(), "{}", shorter.said);
    assert!(shorter.calls.len() > short.calls.len(), "the rest is halved again and again");
}
