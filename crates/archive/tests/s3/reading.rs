//! Reading: never a wrong byte, whatever the store or the way to it gives.

use std::time::Duration;

use outrigger_front::Service;

use super::proxy::Act;
use super::{Rig, open};
use crate::setup::{Object, fetched, planned, small, sqlite, store};

/// Objects of one block, of some, and of many.
fn objects() -> [Object; 3] {
    [small(1), Object { length: (1 << 20) + 50_000, ..small(2) }, Object { length: 9 << 20, ..small(3) }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_an_answer_that_is_cut_or_altered_is_never_served() {
    let rig = Rig::start().await;
    let archive = rig.open().await;
    for object in objects() {
        store(&archive, object).await.unwrap();
        for act in [Act::Cut, Act::Shorten, Act::Flip, Act::Unavailable] {
            rig.proxy.always("GET", act);
            let given = fetched(&archive, object).await;
            assert!(given.is_err(), "{act:?} {}: something was served", object.length);
            assert!(rig.proxy.struck(act) > 0, "{act:?}");
            // The control: who checks nothing is served something else, or nothing.
            let unchecked = Rig::kept_through(rig.proxy.port(), object);
            assert!(unchecked.is_none_or(|bytes| !bytes.starts_with(&object.bytes()) || act == Act::Flip));
            rig.proxy.passing();
            assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes(), "{act:?}: not over");
        }
    }
    archive.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_an_answer_that_is_cut_once_is_asked_for_again() {
    let rig = Rig::start().await;
    let mut options = rig.options();
    options.timeout = Duration::from_millis(500);
    let archive = open(rig.directory.path(), &sqlite(rig.directory.path()), options).await;
    for object in objects() {
        store(&archive, object).await.unwrap();
        for act in [Act::Cut, Act::Shorten, Act::Unavailable, Act::Reset, Act::Silence] {
            rig.proxy.first(1, "GET", act);
            assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes(), "{act:?}");
            assert_eq!(rig.proxy.struck(act), 1, "{act:?}");
            assert_eq!(archive.trouble().await, None, "{act:?}");
        }
    }
    archive.close().await;
}

/// What the store itself damages is found, and healed when the object comes again; what is missing too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_a_damaged_or_missing_object_is_not_served_and_healed_by_the_same_bytes() {
    let rig = Rig::start().await;
    let archive = rig.open().await;
    for object in objects() {
        store(&archive, object).await.unwrap();
        let url = format!("http://127.0.0.1:{}/objects/site/blobs/{}", rig.moto.port(), object.sha256());
        let whole = Rig::kept_through(rig.moto.port(), object).unwrap();
        for place in [0, object.length / 2, object.length, whole.len() - 30, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 4;
            ureq::put(&url).header("Authorization", "AWS a:b").send(&damaged).unwrap();
            assert!(fetched(&archive, object).await.is_err(), "byte {place}");
            store(&archive, object).await.unwrap();
            assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes(), "byte {place}");
        }
        ureq::delete(&url).header("Authorization", "AWS a:b").call().unwrap();
        let instance = planned(&archive, object).await.unwrap();
        let refused = archive.open(&instance).await.unwrap_err();
        assert!(refused.text.contains("cannot be read"), "{}", refused.text);
        store(&archive, object).await.unwrap();
        assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes());
    }
    archive.close().await;
}
