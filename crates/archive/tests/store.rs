//! Storing: every size, again, with other bytes, many at once.

use std::sync::Arc;

use outrigger_archive::{Archive, ArchiveOptions, Keeper, OpenError};
use outrigger_front::{RefusalKind, Stored};
use outrigger_model::Level;
use outrigger_model::Tag;
use outrigger_runtime::{Clock, Random, RealDisk, Threads};

use crate::setup::{
    Object, answers, blob_files, fetched, has, open, open_over, planned, small, spool_files, store,
};

#[tokio::test]
async fn every_size_comes_back_byte_for_byte_from_both_catalogues() {
    for kind in ["sqlite", "redb"] {
        let directory = tempfile::tempdir().unwrap();
        let catalogue = format!("{kind}:{}", directory.path().join("c").display());
        let archive = open_over(directory.path(), &catalogue, Arc::new(RealDisk)).await;
        let mib = 1 << 20;
        let lengths = [0, 1, 3000, mib - 1, mib, mib + 1, 2 * mib, 3 * mib + 5];
        for (number, length) in (0..).zip(lengths) {
            let object = Object { number, content: 0, length };
            assert_eq!(store(&archive, object).await.unwrap(), Stored::New, "{kind} {length}");
            assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes(), "{kind} {length}");
        }
        archive.close().await;
        drop(archive);
        let archive = open_over(directory.path(), &catalogue, Arc::new(RealDisk)).await;
        for (number, length) in (0..).zip(lengths) {
            assert!(
                has(&archive, Object { number, content: 0, length }).await,
                "{kind} {length} after a restart"
            );
        }
        assert_eq!(spool_files(directory.path()), 0);
    }
}

#[tokio::test]
async fn the_same_bytes_are_repeated_other_bytes_are_a_version_and_the_first_stays() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    let first = small(1);
    let other = Object { content: 2, ..first };
    for (object, stored) in [
        (first, Stored::New),
        (first, Stored::Repeated),
        (other, Stored::NewVersion),
        (other, Stored::Repeated),
        (first, Stored::Repeated),
    ] {
        assert_eq!(store(&archive, object).await.unwrap(), stored);
    }
    assert_eq!(fetched(&archive, first).await.unwrap(), first.bytes());
    assert_eq!(blob_files(directory.path()).len(), 2);
    assert_eq!(answers(&archive, Level::Image, &[(Tag::SOP_INSTANCE_UID, "")]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_each_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(open(directory.path()).await);
    let sent = (0..400).map(|place| {
        let archive = archive.clone();
        // Every object comes twice.
        tokio::spawn(async move { store(&archive, small(place / 2)).await.unwrap() })
    });
    let sent: Vec<_> = sent.collect();
    let mut new = 0;
    for stored in sent {
        match stored.await.unwrap() {
            Stored::New => new += 1,
            Stored::Repeated => {}
            Stored::NewVersion => panic!("the bytes are the same"),
        }
    }
    assert_eq!(new, 200);
    assert_eq!(blob_files(directory.path()).len(), 200);
    assert_eq!(spool_files(directory.path()), 0);
    for number in 0..200 {
        assert!(has(&archive, small(number)).await, "{number}");
    }
}

#[tokio::test]
async fn directories_are_filled_one_after_another() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(open(directory.path()).await);
    let mut sent = Vec::new();
    // A directory takes 1,024 and what is left of a batch of at most 256.
    for number in 0..1400 {
        let archive = archive.clone();
        sent.push(tokio::spawn(async move { store(&archive, Object { length: 10, ..small(number) }).await }));
    }
    for stored in sent {
        assert_eq!(stored.await.unwrap().unwrap(), Stored::New);
    }
    let buckets = std::fs::read_dir(directory.path().join("archive/blobs")).unwrap().count();
    assert_eq!(buckets, 2);
    assert_eq!(blob_files(directory.path()).len(), 1400);
}

#[tokio::test]
async fn a_closed_archive_refuses_and_a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    store(&archive, small(1)).await.unwrap();
    let options = ArchiveOptions {
        directory: directory.path().join("archive"),
        keeper: Keeper::Files,
        catalogue: "memory:".to_owned(),
        object_bytes_max: 1,
        holder: "archive second".to_owned(),
    };
    let second =
        Archive::open(options, Arc::new(RealDisk), Clock::System, Random::System, Threads::System).await;
    let error = second.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    let said = outrigger_model::with_causes(&error);
    let shared = directory.path().join("archive").display().to_string();
    assert!(said.contains(&shared) && said.ends_with("archive test has it"), "{said}");
    archive.close().await;
    let refused = store(&archive, small(2)).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::OutOfResources);
    drop(archive);
    let archive = open(directory.path()).await;
    assert!(planned(&archive, small(2)).await.is_none());
    assert!(has(&archive, small(1)).await);
}
