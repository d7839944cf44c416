//! A disk without a byte of room: what a person decides takes effect all the same, or the truth is said.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use outrigger_model::Status;
use outrigger_sim::peers::{Station, free_port};
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, configuration};
use crate::modality::{associated, objects, send, store};

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

async fn state(door: &Door) -> String {
    let status = door.json(&["status"]).await;
    status["members"][0]["state"].as_str().unwrap().to_owned()
}

/// Decisions take effect, objects are refused all the while and take none of the room that is kept for the ledger, and all is as it
/// was when there is room again.
#[tokio::test]
async fn fault_mount_decisions_take_effect_on_a_full_disk() {
    let directory = TempDir::new().unwrap();
    let small = Small::mount(directory.path().join("data"));
    let away = Station { ae_title: ae("AWAY"), port: free_port().unwrap() };
    let text = configuration(directory.path(), &[Behind::new("a", &away, "present")]);
    let door = Door::open_with(directory, &text).await;
    send(&door.station(), &objects(1, 6)).await;
    let filler = small.fill();
    let more = objects(2, 8);
    for round in 0..6 {
        for verb in ["resume", "hold"].into_iter().cycle().take(DECISIONS) {
            door.ask(&["member", verb, "a"]).await.exits(0);
        }
        assert_eq!(state(&door).await, "held");
        let mut session = associated(&door.station(), &more).await;
        for object in &more {
            let status = store(&mut *session, object).await;
            assert_eq!(status, Status::OUT_OF_RESOURCES, "round {round}");
        }
        session.release().await.unwrap();
    }
    fs::remove_file(filler).unwrap();
    send(&door.station(), &objects(3, 2)).await;
    door.ask(&["member", "resume", "a"]).await.exits(0);
    assert_ne!(state(&door).await, "held");
    let reserve = small.path.join("ledger.db-reserve");
    assert_eq!(fs::metadata(reserve).unwrap().len(), 1 << 20, "the reserve is whole");
}
