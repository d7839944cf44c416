//! Moving an archive: cut off at any call to the disk, gone on with, compared; never opened before it is done.

use std::path::Path;

use outrigger_archive::{
    Archive, ArchiveOptions, Keeper, MigrateError, MigrateWorld, Moved, OpenError, migrate,
};

use outrigger_model::Level;
use outrigger_model::Tag;
use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk};
use outrigger_runtime::{Clock, Random, Threads};

use crate::setup::{Object, answers, blob_files, fetched, has, open, planned, small, store};

/// Objects of two studies, one with other bytes too, and a large one.
fn objects() -> Vec<Object> {
    let large = Object { length: (2 << 20) + 5, ..small(12) };
    vec![small(1), small(2), small(11), large, small(3)]
}

async fn filled(directory: &Path) -> Archive {
    let archive = open(directory).await;
    for object in objects() {
        store(&archive, object).await.unwrap();
    }
    store(&archive, Object { content: 7, ..small(1) }).await.unwrap();
    archive
}

fn target(catalogue: &Path) -> ArchiveOptions {
    ArchiveOptions {
        directory: "/new".into(),
        keeper: Keeper::Files,
        catalogue: format!("redb:{}", catalogue.display()),
        object_bytes_max: 64 << 20,
        holder: "new archive".to_owned(),
    }
}

fn world(disk: ArcDisk) -> MigrateWorld {
    MigrateWorld { disk, clock: Clock::System, random: Random::System, threads: Threads::System }
}

async fn opened(catalogue: &Path, disk: ArcDisk) -> Result<Archive, OpenError> {
    let (clock, random) = (Clock::System, Random::System);
    Archive::open(target(catalogue), disk, clock, random, Threads::System).await
}

/// What the catalogue says, by instance.
async fn said(archive: &Archive) -> Vec<outrigger_model::Answer> {
    let keys = [Tag::PATIENT_ID, Tag::PATIENT_NAME, Tag::ISSUER_OF_PATIENT_ID, Tag::SOP_INSTANCE_UID];
    let mut said = answers(archive, Level::Image, &keys.map(|tag| (tag, ""))).await;
    said.sort_by_key(|answer| answer.attributes.clone());
    said
}

/// What a move that was cut off left.
#[derive(Debug, PartialEq, Eq)]
enum AfterCut {
    /// An archive that is closed, or one with nothing in it, as before.
    Begun,
    /// All of it: only the end of the command was cut off.
    Whole,
}

async fn after_a_cut(catalogue: &Path, disk: &SimDisk, call: u64) -> AfterCut {
    let new = match opened(catalogue, disk.shared()).await {
        Ok(new) => new,
        Err(error) => {
            assert!(matches!(error, OpenError::Unfinished { .. }), "call {call}: {error:?}");
            return AfterCut::Begun;
        }
    };
    let there = said(&new).await.len();
    new.close().await;
    if there == objects().len() {
        return AfterCut::Whole;
    }
    assert_eq!(there, 0, "call {call}: half an archive");
    AfterCut::Begun
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_cut_off_at_any_call_is_closed_until_it_is_finished_and_then_whole() {
    let directory = tempfile::tempdir().unwrap();
    let archive = filled(directory.path()).await;
    let before = blob_files(directory.path());
    let (mut call, mut cut) = (0, 0);
    loop {
        call += 3;
        let catalogue = directory.path().join(format!("new-{call}"));
        let disk = SimDisk::new(call, 1 << 30);
        let fault = FaultAt { call, fault: Fault::Crash, lasting: Lasting::FromThenOn };
        disk.plan(Some(fault));
        let moved = migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await;
        let struck = disk.struck().is_some();
        disk.crash(if call.is_multiple_of(2) { Loss::Everything } else { Loss::Some });
        disk.plan(None);
        if struck {
            cut += 1;
            assert!(moved.is_err(), "call {call}");
            if after_a_cut(&catalogue, &disk, call).await == AfterCut::Whole {
                continue;
            }
            migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await.unwrap();
        } else {
            let all = Moved { copied: 6, there: 0, verified: 6 };
            assert_eq!(moved.unwrap(), all);
        }
        let new = opened(&catalogue, disk.shared()).await.unwrap();
        assert_eq!(new.recovered().unreadable, Vec::<String>::new());
        assert_eq!(said(&new).await, said(&archive).await, "call {call}");
        for object in objects() {
            assert!(has(&new, object).await, "call {call}");
        }
        // The second version is there, and the first stands.
        let again = store(&new, Object { content: 7, ..small(1) }).await.unwrap();
        assert_eq!(again, outrigger_front::Stored::Repeated);
        assert_eq!(fetched(&new, small(1)).await.unwrap(), small(1).bytes());
        new.close().await;
        if !struck {
            break;
        }
    }
    assert!(cut > 15, "{cut}");
    assert_eq!(blob_files(directory.path()), before, "the old one is as it was");
    archive.close().await;
}

/// The control: what is damaged or missing on either side ends a move, and is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_of_damaged_objects_fails_by_name_and_goes_on_when_they_are_healed() {
    let directory = tempfile::tempdir().unwrap();
    let archive = filled(directory.path()).await;
    let catalogue = directory.path().join("new");
    let disk = SimDisk::new(1, 1 << 30);
    let file =
        blob_files(directory.path()).into_iter().find(|file| file.ends_with(small(2).sha256())).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let error = migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains(small(2).uid().as_str()), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await.unwrap_err();
    assert!(matches!(error, MigrateError::Counts { .. }), "{error:?}");
    assert!(matches!(opened(&catalogue, disk.shared()).await, Err(OpenError::Unfinished { .. })));
    store(&archive, small(2)).await.unwrap();
    migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await.unwrap();
    let new = opened(&catalogue, disk.shared()).await.unwrap();
    assert!(has(&new, small(2)).await && planned(&new, small(2)).await.is_some());
    new.close().await;
    drop(new);
    // An archive that has objects is no place to move to.
    let error = migrate(&archive, target(&catalogue), world(disk.shared()), |_| {}).await.unwrap_err();
    assert!(matches!(error, MigrateError::NotEmpty { instances: 5 }), "{error:?}");
    archive.close().await;
}
