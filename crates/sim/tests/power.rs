//! The power cut loses what was not synced, and nothing else; a rig that lost nothing ever would prove nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use outrigger_sim::power::VolatileDisk;
use tokio::sync::mpsc;

#[derive(Clone, Copy)]
enum Sync {
    Each,
    Never,
}

fn content(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1000)
}

/// Writes one file as a careful program does, or without the syncs.
fn write_one(directory: &Path, number: u32, sync: Sync) -> std::io::Result<()> {
    let (draft, name) = (directory.join("draft"), directory.join(number.to_string()));
    let mut file = File::create(&draft)?;
    file.write_all(&content(number))?;
    match sync {
        Sync::Each => file.sync_all()?,
        Sync::Never => {}
    }
    fs::rename(&draft, &name)?;
    match sync {
        Sync::Each => File::open(directory)?.sync_all(),
        Sync::Never => Ok(()),
    }
}

/// Writes files until the power is cut after `count` of them; gives how many were acknowledged, and how many of those are lost.
async fn cut_after(count: u32, sync: Sync) -> (u32, u32) {
    let mut disk = VolatileDisk::create(128).await.unwrap();
    let (acknowledge, mut acknowledged) = mpsc::unbounded_channel();
    let directory: PathBuf = disk.path();
    let writer = tokio::task::spawn_blocking(move || {
        for number in 0..100_000 {
            if write_one(&directory, number, sync).is_err() || acknowledge.send(number).is_err() {
                return;
            }
        }
    });
    let mut acks = Vec::new();
    while acks.len() < count as usize {
        acks.push(acknowledged.recv().await.unwrap());
    }
    disk.cut().unwrap();
    // What the writer was told after the cut cannot have been flushed: those answers count too.
    while let Ok(number) = acknowledged.try_recv() {
        acks.push(number);
    }
    drop(acknowledged);
    writer.await.unwrap();
    disk.restore().await.unwrap();
    let survived = |number: &u32| {
        fs::read(disk.path().join(number.to_string())).is_ok_and(|found| found == content(*number))
    };
    let lost = acks.iter().filter(|number| !survived(number)).count();
    (u32::try_from(acks.len()).unwrap(), u32::try_from(lost).unwrap())
}

#[tokio::test]
async fn fault_power_rig_discriminates() {
    let (acked, lost) = cut_after(200, Sync::Each).await;
    assert_eq!(lost, 0, "of {acked} synced files");
    let (acked, lost) = cut_after(2000, Sync::Never).await;
    assert!(lost > 0, "none of {acked} files is lost, though none was synced");
    println!("without sync {lost} of {acked} are lost");
}
