//! Storing: what is acknowledged is in the store, whatever happens on the way.

use std::sync::Arc;
use std::time::Duration;

use outrigger_archive::{Health, probe};
use outrigger_front::{RefusalKind, Stored};
use outrigger_model::with_causes;
use outrigger_runtime::{Random, RealDisk};

use super::proxy::Act;
use super::{Rig, open};
use crate::setup::{Object, fetched, has, planned, small, spool_files, sqlite, store, try_open_keeping};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_every_size_comes_back_byte_for_byte_after_a_restart_too() {
    let rig = Rig::start().await;
    let lengths = [0, 1, 3000, MIB - 1, MIB, MIB + 1, 3 * MIB + 5, 8 * MIB, 8 * MIB + 1, 17 * MIB + 7];
    for kind in ["sqlite", "redb"] {
        let catalogue = format!("{kind}:{}", rig.directory.path().join(kind).display());
        let opened = || async {
            let (directory, keeper) = (rig.directory.path(), rig.keeping_below(kind));
            try_open_keeping(directory, &catalogue, Arc::new(RealDisk), keeper).await.unwrap()
        };
        let archive = opened().await;
        for (number, length) in (0..).zip(lengths) {
            let object = Object { number, content: 0, length };
            assert_eq!(store(&archive, object).await.unwrap(), Stored::New, "{kind} {length}");
            assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes(), "{kind} {length}");
            assert_eq!(store(&archive, object).await.unwrap(), Stored::Repeated, "{kind} {length}");
        }
        archive.close().await;
        drop(archive);
        let opened = || async {
            let (directory, keeper) = (rig.directory.path(), rig.keeping_below(kind));
            try_open_keeping(directory, &catalogue, Arc::new(RealDisk), keeper).await.unwrap()
        };
        let archive = opened().await;
        for (number, length) in (0..).zip(lengths) {
            assert!(has(&archive, Object { number, content: 0, length }).await, "{kind} {length}");
        }
        assert_eq!(spool_files(rig.directory.path()), 0, "{kind}");
        archive.close().await;
    }
}

/// Whether the store fails so that a try of the archive's own helps, at once or by asking again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_a_failure_that_passes_is_not_noticed_by_the_sender() {
    let rig = Rig::start().await;
    let archive = rig.open().await;
    let acts = [(2, Act::Unavailable), (2, Act::Reset), (1, Act::OtherTag)];
    for (number, (times, act)) in (0..).zip(acts) {
        for (more, length) in [(0, 3000), (10, 9 * MIB)] {
            // A part whose tag is another cannot be put together: that object is refused, below.
            if act == Act::OtherTag && length > MIB {
                continue;
            }
            let object = Object { number: number + more, content: 1, length };
            rig.proxy.first(times, "PUT", act);
            store(&archive, object).await.unwrap();
            assert_eq!(rig.proxy.struck(act), times, "{act:?} {length}");
            assert_eq!(archive.trouble().await, None, "{act:?} {length}");
            rig.proxy.passing();
            let kept = Rig::kept_through(rig.moto.port(), object).unwrap();
            assert!(kept.starts_with(&object.bytes()), "{act:?} {length}");
        }
    }
    archive.close().await;
}

/// The store fails for as long as it takes: nothing is acknowledged, the reason is told, and all goes on when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_a_failure_that_lasts_refuses_says_why_and_ends_by_itself() {
    let rig = Rig::start().await;
    let mut options = rig.options();
    options.timeout = Duration::from_millis(300);
    let archive = open(rig.directory.path(), &sqlite(rig.directory.path()), options).await;
    let earlier = small(1000);
    store(&archive, earlier).await.unwrap();
    let acts =
        [(Act::Unavailable, "503"), (Act::Silence, "nothing came"), (Act::Reset, "the connection broke")];
    for (number, (act, words)) in (0..).zip(acts) {
        for (more, length) in [(0, 3000), (10, 2 * MIB)] {
            let object = Object { number: number + more, content: 1, length };
            rig.proxy.always("PUT", act);
            let refused = store(&archive, object).await.unwrap_err();
            assert!(rig.proxy.struck(act) > 1, "{act:?}: tried once");
            assert_eq!(refused.kind, RefusalKind::OutOfResources, "{act:?}");
            let trouble = archive.trouble().await.unwrap();
            assert!(trouble.why.contains(words), "{act:?}: {}", trouble.why);
            assert!(!trouble.why.contains("not-to-be-seen"), "{}", trouble.why);
            assert_eq!(archive.health(), Health::Good, "{act:?}");
            assert!(Rig::kept_through(rig.moto.port(), object).is_none(), "{act:?}: it was not kept");
            assert_eq!(
                fetched(&archive, earlier).await.unwrap(),
                earlier.bytes(),
                "{act:?}: reading goes on"
            );
            rig.proxy.passing();
            assert_eq!(archive.trouble().await, None, "{act:?}: it is over, and nobody stored anything");
            store(&archive, object).await.unwrap();
            assert!(has(&archive, object).await, "{act:?}");
        }
    }
    archive.close().await;
}

/// What is altered on the way into the store is not acknowledged, although the store says 200.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_what_is_altered_on_the_way_is_refused() {
    let rig = Rig::start().await;
    let archive = rig.open().await;
    for (number, length) in [(1, 3000), (2, 9 * MIB)] {
        let object = Object { number, content: 3, length };
        rig.proxy.always("PUT", Act::Alter);
        let refused = store(&archive, object).await.unwrap_err();
        assert!(rig.proxy.struck(Act::Alter) > 0);
        assert_eq!(planned(&archive, object).await, None, "{length}");
        rig.proxy.passing();
        // The control: the store did take it and keeps it so, and who trusts its status has lost the object.
        let kept = Rig::kept_through(rig.moto.port(), object).map(|kept| kept.starts_with(&object.bytes()));
        assert_ne!(kept, Some(true), "{length}: {}", refused.text);
        store(&archive, object).await.unwrap();
        assert!(has(&archive, object).await, "{length}");
    }
    archive.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_a_probe_puts_gives_and_removes_or_says_what_is_wrong() {
    let rig = Rig::start().await;
    probe(&rig.options(), &Random::System).await.unwrap();
    let methods: Vec<_> = rig.proxy.asked().into_iter().map(|(asked, _)| asked.method).collect();
    assert_eq!(methods, ["PUT", "GET", "DELETE"]);
    let mut elsewhere = rig.options();
    elsewhere.bucket = "nobodys".to_owned();
    let said = with_causes(&probe(&elsewhere, &Random::System).await.unwrap_err());
    assert!(said.contains("NoSuchBucket") && !said.contains("not-to-be-seen"), "{said}");
    rig.proxy.always("PUT", Act::Unavailable);
    let said = with_causes(&probe(&rig.options(), &Random::System).await.unwrap_err());
    assert!(said.contains("503"), "{said}");
}
