//! Scrubs: what is damaged or missing is found, stays found over a restart, and is healed by the same bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outrigger_archive::{Archive, Scrub, ScrubEnded, ScrubOptions};
use outrigger_runtime::Shutdown;

use crate::setup::{Object, blob_files, has, open, small, store};

const ASKED_FOR: ScrubOptions = ScrubOptions { every: Duration::ZERO, bytes_per_second: 1 << 30 };

async fn scrubbed(archive: &Arc<Archive>) -> ScrubEnded {
    let (_guard, shutdown) = Shutdown::pair();
    let scrub = Scrub::start(archive.clone(), ASKED_FOR, shutdown).await;
    let number = scrub.ask().await.unwrap();
    scrub.ended(number).await.last.unwrap()
}

/// The SOP Instance UIDs of what stands found, and what is said of each.
fn found(archive: &Archive) -> Vec<(String, String)> {
    let findings = archive.findings().into_iter();
    let mut found: Vec<_> =
        findings.map(|finding| (finding.sop_instance.to_string(), finding.what)).collect();
    found.sort();
    found
}

/// Objects of two studies and another version of one; the file of each is found by its digest.
fn objects() -> Vec<Object> {
    let large = Object { length: (2 << 20) + 5, ..small(12) };
    vec![small(1), small(2), small(11), large, Object { content: 7, ..small(1) }]
}

fn file_of(directory: &Path, object: Object) -> std::path::PathBuf {
    let files = blob_files(directory);
    files.into_iter().find(|file| file.ends_with(object.sha256())).unwrap()
}

#[tokio::test]
async fn one_flipped_bit_or_a_missing_file_is_found_by_name_and_healed_by_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(open(directory.path()).await);
    for object in objects() {
        store(&archive, object).await.unwrap();
    }
    let sound = scrubbed(&archive).await;
    assert_eq!((sound.objects, sound.failed, found(&archive)), (5, None, Vec::new()));
    let length: usize = objects().iter().map(|object| object.length).sum();
    assert_eq!(sound.bytes, length as u64);
    for object in objects() {
        let file = file_of(directory.path(), object);
        let whole = std::fs::read(&file).unwrap();
        for place in [0, object.length / 2, object.length - 1, object.length + 1, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 8;
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(scrubbed(&archive).await.failed, None);
            let [(uid, what)] = &found(&archive)[..] else { panic!("byte {place}: {:?}", found(&archive)) };
            assert_eq!(*uid, object.uid().to_string());
            assert!(what.contains(&object.sha256()), "{what}");
            store(&archive, object).await.unwrap();
            assert_eq!(found(&archive), Vec::new(), "byte {place}: stored again");
        }
        std::fs::remove_file(&file).unwrap();
        scrubbed(&archive).await;
        assert_eq!(found(&archive).len(), 1);
        std::fs::write(&file, whole).unwrap();
        scrubbed(&archive).await;
        assert_eq!(found(&archive), Vec::new(), "it is back in its place");
    }
}

/// A finding stands after a restart before anything is read again, and a scrub that was under way goes on where it was.
#[tokio::test]
async fn findings_and_the_place_of_a_scrub_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(open(directory.path()).await);
    for number in 0..200 {
        store(&archive, small(number)).await.unwrap();
    }
    let file = file_of(directory.path(), small(3));
    std::fs::remove_file(file).unwrap();
    {
        // A study takes 30 KB: so slow that only some are looked at before the stop.
        let (mut guard, shutdown) = Shutdown::pair();
        let slow = ScrubOptions { bytes_per_second: 300_000, ..ASKED_FOR };
        let scrub = Scrub::start(archive.clone(), slow, shutdown).await;
        scrub.ask().await.unwrap();
        while scrub.seen().running.is_none_or(|running| running.objects < 50) {
            tokio::task::yield_now().await;
        }
        guard.stop();
        guard.all_gone().await;
    }
    archive.close().await;
    drop(archive);
    let archive = Arc::new(open(directory.path()).await);
    let (_guard, shutdown) = Shutdown::pair();
    let scrub = Scrub::start(archive.clone(), ASKED_FOR, shutdown).await;
    assert_eq!(found(&archive).len(), 1, "it stands at once");
    let number = scrub.ask().await.unwrap();
    let ended = scrub.ended(number).await.last.unwrap();
    // What was looked at and not yet written down is looked at again: no more than a study.
    assert!(ended.objects >= 200 && ended.objects <= 210, "{ended:?}");
    let again = scrub.ask().await.unwrap();
    assert_eq!(scrub.ended(again).await.last.unwrap().objects, 200, "the next begins anew");
    assert_eq!(found(&archive).len(), 1);
    store(&archive, small(3)).await.unwrap();
    assert!(found(&archive).is_empty() && has(&archive, small(3)).await);
}
