//! Starting: what the last run put without a row, a lost catalogue, and listings that are stale.

use std::sync::Arc;

use outrigger_archive::Keeper;
use outrigger_model::with_causes;
use outrigger_runtime::RealDisk;

use super::Rig;
use super::proxy::Act;
use crate::setup::{Object, has, planned, small, spool_files, sqlite, store, try_open_keeping};

/// What was put and has no row is adopted by its mark; one that cannot be asked for now is adopted later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_what_was_put_without_a_row_is_adopted_and_no_listing_is_asked_for() {
    let rig = Rig::start().await;
    let late = Object { length: 2 << 20, ..small(2) };
    let archive = rig.open().await;
    store(&archive, small(1)).await.unwrap();
    archive.close().await;
    drop(archive);
    let before = rig.directory.path().join("before.db");
    std::fs::copy(rig.directory.path().join("catalogue.db"), &before).unwrap();
    let log = rig.directory.path().join("catalogue.db-wal");
    if log.exists() {
        std::fs::copy(log, rig.directory.path().join("before.db-wal")).unwrap();
    }
    let archive = rig.open().await;
    store(&archive, late).await.unwrap();
    archive.close().await;
    drop(archive);
    // As it is when the process dies between put and row: of one that was put, and of one that never was.
    let spool = rig.directory.path().join("archive/spool");
    for object in [late, small(3)] {
        std::fs::write(spool.join(format!("{}.put", object.sha256())), b"").unwrap();
    }
    let before = format!("sqlite:{}", before.display());
    rig.proxy.always("HEAD", Act::Unavailable);
    let archive = rig.open_with(&before).await;
    assert_eq!((archive.recovered().adopted, spool_files(rig.directory.path())), (0, 2));
    assert!(archive.trouble().await.is_some(), "it opens all the same, and says why not all is looked at");
    archive.close().await;
    drop(archive);
    rig.proxy.script(|asked| if asked.is_listing() { Act::Stale } else { Act::Pass });
    let archive = rig.open_with(&before).await;
    assert_eq!((archive.recovered().adopted, spool_files(rig.directory.path())), (1, 0));
    assert!(has(&archive, small(1)).await && has(&archive, late).await);
    assert_eq!(planned(&archive, small(3)).await, None);
    assert_eq!(rig.proxy.struck(Act::Stale), 0);
    archive.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_a_lost_catalogue_is_made_anew_and_a_stale_listing_loses_nothing() {
    let rig = Rig::start().await;
    let archive = rig.open().await;
    for number in 0..20 {
        store(&archive, small(number)).await.unwrap();
    }
    store(&archive, Object { content: 9, ..small(1) }).await.unwrap();
    archive.close().await;
    drop(archive);
    // Nothing is listed: nothing is found, and nothing is removed.
    rig.proxy.script(|asked| if asked.is_listing() { Act::Stale } else { Act::Pass });
    let fresh = |name: &str| format!("redb:{}", rig.directory.path().join(name).display());
    let archive = rig.open_with(&fresh("stale")).await;
    assert_eq!(archive.recovered().adopted, 0);
    assert_eq!(rig.proxy.struck(Act::Stale), 1, "the control: the listing was stale");
    assert!(rig.proxy.asked().iter().all(|(asked, _)| asked.method == "GET"));
    archive.close().await;
    drop(archive);
    rig.proxy.passing();
    let archive = rig.open_with(&fresh("whole")).await;
    assert_eq!(archive.recovered().adopted, 21);
    for number in 0..20 {
        assert!(has(&archive, small(number)).await, "{number}");
    }
    archive.close().await;
}

/// An empty catalogue before a store that cannot be listed is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_an_archive_that_cannot_know_whether_it_is_empty_does_not_open() {
    let rig = Rig::start().await;
    rig.proxy.always("GET", Act::Unavailable);
    let keeper = Keeper::S3(Box::new(rig.options()));
    let catalogue = sqlite(rig.directory.path());
    let opened = try_open_keeping(rig.directory.path(), &catalogue, Arc::new(RealDisk), keeper).await;
    let said = with_causes(&opened.unwrap_err());
    assert!(said.contains("looked through") && said.contains("503"), "{said}");
    rig.proxy.passing();
    let archive = rig.open().await;
    store(&archive, small(1)).await.unwrap();
    archive.close().await;
}
