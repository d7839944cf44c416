//! A disk without a byte of room: what a person decides takes effect all the same, or the truth is said.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use outrigger_sim::peers::{Station, free_port};
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, configuration};
use crate::modality::{objects, send};
use crate::program::Ran;

/// Decisions made on the full disk: each writes some pages of the database.
const DECISIONS: usize = 20;
/// Size of the file system.
const SIZE: &str = "size=96m";

/// A small file system of its own under a node's `data`.
struct Small {
    path: PathBuf,
}

impl Small {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let ran = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&path).status();
        assert!(ran.unwrap().success(), "mounting {}", path.display());
        Self { path }
    }

    /// Takes every byte that is left.
    fn fill(&self) -> PathBuf {
        let filler = self.path.join("filler");
        let mut file = File::create(&filler).unwrap();
        for length in [1 << 20, 1 << 12, 1] {
            let bytes = vec![1; length];
            loop {
                match file.write(&bytes) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        filler
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let ran = Command::new("umount").arg("--lazy").arg(&self.path).status();
        assert!(ran.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// What came of decisions on a full disk, and the node with room again.
struct Decided {
    ran: Vec<Ran>,
    /// The state of the member while the disk was full.
    state: String,
    door: Door,
    small: Small,
}

/// Holds and resumes a member on a full disk in turn, and holds it at last.
async fn decide_without_room(reserve: &str) -> Decided {
    let directory = TempDir::new().unwrap();
    let small = Small::mount(directory.path().join("data"));
    let away = Station { ae_title: ae("AWAY"), port: free_port().unwrap() };
    let text = configuration(directory.path(), &[Behind::new("a", &away, "present")]);
    let text = text.replace("reserve = \"16MiB\"", &format!("reserve = \"{reserve}\""));
    let door = Door::open_with(directory, &text).await;
    send(&door.station(), &objects(1, 6)).await;
    let filler = small.fill();
    let mut ran = Vec::new();
    for verb in ["resume", "hold"].into_iter().cycle().take(DECISIONS) {
        ran.push(door.ask(&["member", verb, "a"]).await);
    }
    let now = state(&door).await;
    fs::remove_file(filler).unwrap();
    Decided { ran, state: now, door, small }
}

async fn state(door: &Door) -> String {
    let status = door.json(&["status"]).await;
    status["members"][0]["state"].as_str().unwrap().to_owned()
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[tokio::test]
async fn fault_mount_decisions_take_effect_on_a_full_disk() {
    let Decided { ran, state, door, small } = decide_without_room("16MiB").await;
    assert_eq!(state, "held");
    for ran in ran {
        ran.exits(0);
    }
    let reserve = small.path.join("ledger.db-reserve");
    assert!(length(&reserve) < 1 << 20, "nothing was taken from the reserve: {}", length(&reserve));
    send(&door.station(), &objects(2, 2)).await;
    door.ask(&["member", "resume", "a"]).await.exits(0);
    assert_eq!(length(&reserve), 1 << 20, "the reserve is whole again");
}

/// Without a reserve worth the name a decision is recorded and not yet in force, and the command says just that.
#[tokio::test]
async fn fault_mount_control_without_a_reserve_says_that_decisions_wait() {
    let Decided { ran, door, small: _small, .. } = decide_without_room("64KiB").await;
    let waits = |ran: &&Ran| ran.stderr.contains("it is recorded, and takes effect as soon as");
    let waiting: Vec<_> = ran.iter().filter(waits).collect();
    assert!(!waiting.is_empty(), "{ran:?}");
    for ran in waiting {
        assert_eq!(ran.status, 1, "{ran:?}");
    }
    send(&door.station(), &objects(2, 2)).await;
    door.ask(&["member", "resume", "a"]).await.exits(0);
}
