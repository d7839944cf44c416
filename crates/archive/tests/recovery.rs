//! What a start does with what the last run left.

use std::path::Path;
use std::sync::Arc;

use outrigger_archive::Recovered;
use outrigger_model::{Level, Tag, with_causes};
use outrigger_runtime::RealDisk;

use crate::setup::{
    Object, answers, blob_files, has, open, open_over, small, spool_files, sqlite, store, try_open_over,
};

/// Everything the catalogue says of patients, studies and instances.
async fn said(directory: &Path, catalogue: &str) -> (Recovered, Vec<outrigger_model::Answer>) {
    let archive = open_over(directory, catalogue, Arc::new(RealDisk)).await;
    let keys = [Tag::PATIENT_ID, Tag::PATIENT_NAME, Tag::ISSUER_OF_PATIENT_ID, Tag::SOP_INSTANCE_UID];
    let mut found = answers(&archive, Level::Image, &keys.map(|tag| (tag, ""))).await;
    found.sort_by_key(|answer| answer.attributes.clone());
    let recovered = archive.recovered().clone();
    archive.close().await;
    (recovered, found)
}

#[tokio::test]
async fn leftovers_in_the_spool_go_and_strange_files_stay() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    store(&archive, small(1)).await.unwrap();
    archive.close().await;
    drop(archive);
    std::fs::write(directory.path().join("archive/spool/half.part"), b"half").unwrap();
    let blob = blob_files(directory.path()).pop().unwrap();
    std::fs::write(blob.with_file_name("notes.txt"), b"of somebody").unwrap();
    let torn = blob.with_file_name("0".repeat(64));
    std::fs::write(&torn, &std::fs::read(&blob).unwrap()[..100]).unwrap();
    let archive = open(directory.path()).await;
    let recovered = archive.recovered();
    assert_eq!((recovered.removed, recovered.adopted, recovered.duplicates), (1, 0, 0));
    let strange = [torn.clone(), blob.with_file_name("notes.txt")].map(|path| path.display().to_string());
    assert_eq!(recovered.unreadable, strange);
    assert_eq!(spool_files(directory.path()), 0);
    assert!(torn.exists());
    assert!(has(&archive, small(1)).await);
}

#[tokio::test]
async fn an_object_without_a_row_is_adopted_and_a_second_copy_goes() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    store(&archive, small(1)).await.unwrap();
    archive.close().await;
    drop(archive);
    // The catalogue as it was before the second object.
    let before = directory.path().join("before.db");
    std::fs::copy(directory.path().join("catalogue.db"), &before).unwrap();
    // Two connections that close at the same moment may each leave it to the other to empty the write-ahead log.
    let log = directory.path().join("catalogue.db-wal");
    if log.exists() {
        std::fs::copy(log, directory.path().join("before.db-wal")).unwrap();
    }
    let archive = open(directory.path()).await;
    let second = Object { length: 2 << 20, ..small(2) };
    store(&archive, second).await.unwrap();
    archive.close().await;
    drop(archive);
    let first = blob_files(directory.path()).into_iter().next().unwrap();
    let copy = directory.path().join("archive/blobs/00000002").join(first.file_name().unwrap());
    std::fs::copy(&first, &copy).unwrap();

    let before = format!("sqlite:{}", before.display());
    let archive = open_over(directory.path(), &before, Arc::new(RealDisk)).await;
    let recovered = archive.recovered();
    assert_eq!((recovered.adopted, recovered.duplicates), (1, 1));
    assert!(!copy.exists());
    assert!(has(&archive, small(1)).await && has(&archive, second).await);
}

#[tokio::test]
async fn a_lost_catalogue_is_made_anew_from_the_files() {
    let directory = tempfile::tempdir().unwrap();
    for part in 0..4 {
        let archive = open(directory.path()).await;
        for number in part * 20..part * 20 + 20 {
            store(&archive, small(number)).await.unwrap();
        }
        store(&archive, Object { content: 9, ..small(part) }).await.unwrap();
        archive.close().await;
    }
    let original = said(directory.path(), &sqlite(directory.path())).await;
    assert_eq!((original.0, original.1.len()), (Recovered::default(), 80));
    for kind in ["sqlite", "redb"] {
        let fresh = format!("{kind}:{}", directory.path().join(format!("fresh.{kind}")).display());
        let rebuilt = said(directory.path(), &fresh).await;
        assert_eq!(rebuilt.0.adopted, 84, "{kind}");
        assert_eq!(rebuilt.1, original.1, "{kind}");
        let archive = open_over(directory.path(), &fresh, Arc::new(RealDisk)).await;
        for number in 0..80 {
            assert!(has(&archive, small(number)).await, "{kind} {number}");
        }
        archive.close().await;
    }
}

/// Whoever starts an archive with a damaged catalogue is told what to do, and it does.
#[tokio::test]
async fn a_damaged_catalogue_is_refused_with_advice_that_helps() {
    for (kind, keeps) in [("sqlite", 1000), ("redb", 1000), ("redb", 200), ("redb", 10_000)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("catalogue");
        let catalogue = format!("{kind}:{}", file.display());
        let archive = open_over(directory.path(), &catalogue, Arc::new(RealDisk)).await;
        for number in 0..5 {
            store(&archive, small(number)).await.unwrap();
        }
        archive.close().await;
        drop(archive);
        let mut kept = std::fs::read(&file).unwrap();
        kept.truncate(keeps);
        std::fs::write(&file, kept).unwrap();
        // Two connections that close at the same moment may each leave it to the other to empty it, and it would heal the file.
        let log = directory.path().join("catalogue-wal");
        if log.exists() {
            std::fs::remove_file(log).unwrap();
        }
        let refused = try_open_over(directory.path(), &catalogue, Arc::new(RealDisk)).await;
        let said = with_causes(&refused.err().unwrap());
        for words in ["is damaged", "move its file away", "archive/blobs"] {
            assert!(said.contains(words), "{kind} of {keeps} bytes: {said}");
        }
        std::fs::rename(&file, directory.path().join("away")).unwrap();
        let archive = open_over(directory.path(), &catalogue, Arc::new(RealDisk)).await;
        assert_eq!(archive.recovered().adopted, 5, "{kind}");
        archive.close().await;
    }
}

/// The file of one object lies under the name of another, and the catalogue is lost: the one in its place is what is entered, and no
/// file goes as the second of an object that is nowhere else.
#[tokio::test]
async fn the_file_of_another_object_is_not_entered_and_costs_that_object_nothing() {
    for kind in ["sqlite", "redb"] {
        let directory = tempfile::tempdir().unwrap();
        for number in [1, 2] {
            let archive = open(directory.path()).await;
            store(&archive, small(number)).await.unwrap();
            archive.close().await;
        }
        let files = blob_files(directory.path());
        let [replaced, moved] = files.as_slice() else { panic!("{files:?}") };
        std::fs::copy(moved, replaced).unwrap();

        let fresh = format!("{kind}:{}", directory.path().join(format!("fresh.{kind}")).display());
        let archive = open_over(directory.path(), &fresh, Arc::new(RealDisk)).await;
        let recovered = archive.recovered();
        assert_eq!((recovered.adopted, recovered.duplicates), (1, 0), "{kind}");
        assert_eq!(recovered.unreadable, [replaced.display().to_string()], "{kind}");
        assert!(has(&archive, small(2)).await && !has(&archive, small(1)).await, "{kind}");
        assert_eq!(blob_files(directory.path()), files, "{kind}");
        archive.close().await;
    }
}
