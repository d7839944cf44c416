use std::sync::Arc;
use std::time::Duration;

use outrigger_model::{SopClassUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Content};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use super::*;

fn uid(number: usize) -> SopInstanceUid {
    SopInstanceUid::new(&format!("1.2.{number}")).unwrap()
}

fn instance(number: usize, length: u64) -> CameBack {
    CameBack {
        sop_class: SopClassUid::known("1.2"),
        sop_instance: uid(number),
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2"),
        body: Body { length, sha256: [0; 32], block_crcs: Vec::new(), content: Content::Memory(Vec::new()) },
    }
}

fn shelf(wanted: usize) -> Arc<Shelf> {
    Arc::new(Shelf::new((0..wanted).map(uid).collect()))
}

fn taking(shelf: &Arc<Shelf>, number: usize) -> JoinHandle<Option<SopInstanceUid>> {
    let shelf = Arc::clone(shelf);
    tokio::spawn(async move { shelf.take(&uid(number)).await.map(|came| came.sop_instance) })
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[tokio::test]
async fn each_gets_what_it_waits_for_whatever_the_order() {
    let shelf = shelf(6);
    let waiting: Vec<_> = (0..6).map(|number| taking(&shelf, number)).collect();
    settle().await;
    for number in [3, 0, 5, 1, 4, 2] {
        assert_eq!(shelf.next(), Next::Read);
        shelf.put(instance(number, BYTES_MAX));
        settle().await;
    }
    for (number, waiting) in waiting.into_iter().enumerate() {
        assert_eq!(waiting.await.unwrap(), Some(uid(number)));
    }
    assert_eq!(shelf.next(), Next::Stop, "all are taken");
    assert!(shelf.take(&uid(3)).await.is_none(), "nothing twice");
}

#[tokio::test(start_paused = true)]
async fn one_who_reads_waits_while_there_is_no_room() {
    for (count, length) in [(2, BYTES_MAX / 2), (COUNT_MAX, 1)] {
        let shelf = shelf(COUNT_MAX + 1);
        for number in 0..count {
            assert_eq!(shelf.next(), Next::Read);
            shelf.put(instance(number, length));
        }
        assert_eq!(shelf.next(), Next::Wait);
        assert!(timeout(Duration::from_secs(1), shelf.room()).await.is_err());
        let taker = taking(&shelf, 1);
        timeout(Duration::from_secs(1), shelf.room()).await.unwrap();
        assert_eq!(taker.await.unwrap(), Some(uid(1)));
    }
}

#[tokio::test]
async fn who_waits_for_what_has_no_room_is_told_to_go_elsewhere() {
    let shelf = shelf(1000);
    for number in 100..100 + COUNT_MAX {
        shelf.put(instance(number, 1));
    }
    for number in 0..MISSES_MAX {
        assert!(shelf.take(&uid(number)).await.is_none());
        assert_eq!(shelf.next(), Next::Wait, "{number}");
    }
    // One who takes what is there makes room for the others.
    let waiting = taking(&shelf, 500);
    assert!(waiting.await.unwrap().is_none());
    assert_eq!(shelf.next(), Next::Stop, "the order is another one");
    assert_eq!(
        shelf.take(&uid(100)).await.map(|came| came.sop_instance),
        Some(uid(100)),
        "what came is kept"
    );
}

#[tokio::test]
async fn who_waits_stays_while_another_takes_what_is_there() {
    let shelf = shelf(10);
    let (one, two) = (taking(&shelf, 1), taking(&shelf, 2));
    settle().await;
    shelf.put(instance(1, BYTES_MAX));
    settle().await;
    assert_eq!(one.await.unwrap(), Some(uid(1)));
    shelf.put(instance(2, BYTES_MAX));
    assert_eq!(two.await.unwrap(), Some(uid(2)));
}

#[tokio::test]
async fn nobody_waits_behind_the_end() {
    let shelf = shelf(10);
    shelf.put(instance(1, 1));
    let waiting = taking(&shelf, 2);
    settle().await;
    shelf.end();
    assert_eq!(timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap(), None);
    assert_eq!(shelf.take(&uid(1)).await.map(|came| came.sop_instance), Some(uid(1)));
}

#[tokio::test]
async fn a_series_of_which_most_is_wanted_by_nobody_is_not_read_on() {
    let shelf = shelf(10);
    shelf.put(instance(1, 1));
    for number in 0..=UNWANTED_MAX {
        shelf.put(instance(100 + number, 1));
        assert_eq!(shelf.next(), Next::Read, "{number}");
    }
    shelf.put(instance(50, 1));
    assert_eq!(shelf.next(), Next::Stop);
}

#[tokio::test(start_paused = true)]
async fn what_was_had_elsewhere_takes_no_room() {
    let shelf = shelf(10);
    shelf.put(instance(1, BYTES_MAX));
    assert_eq!(shelf.next(), Next::Wait);
    shelf.pass(&uid(1));
    shelf.pass(&uid(2));
    assert_eq!(shelf.next(), Next::Read);
    shelf.put(instance(2, BYTES_MAX));
    assert_eq!(shelf.next(), Next::Read);
    shelf.put(instance(3, 1));
    assert_eq!(shelf.next(), Next::Read, "what is there is little");
    sleep(Duration::from_millis(1)).await;
    assert!(shelf.take(&uid(2)).await.is_none());
}

#[tokio::test]
async fn one_who_has_gone_is_not_waited_for() {
    let shelf = shelf(10);
    let gone = taking(&shelf, 1);
    settle().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    shelf.put(instance(1, BYTES_MAX));
    let elsewhere = timeout(Duration::from_secs(5), shelf.take(&uid(2))).await.unwrap();
    assert!(elsewhere.is_none(), "nobody takes what is there");
}
