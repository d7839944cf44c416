//! Retrievals from a source that is slow, hangs, or has a doubtful copy, and to a destination that is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use outrigger_dimse::{Association, Command, Incoming, SubOperations};
use outrigger_front::Provenance;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SeriesUid, Status};
use tokio::time::Instant;

use crate::destination::{ABORTS, DIES, Gate, Workstation};
use crate::retrieve::{counted, finished, getting, kept, moving, phantom, stocked};
use crate::shelf::Kept;
use crate::station::Station;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Some wait no longer for a sign of life.
const PENDING_WITHIN: Duration = Duration::from_secs(10);
/// How long the source gives nothing.
const SLOW_FOR: Duration = Duration::from_secs(60);

/// The peer is told how far it is as long as the source gives nothing, on a clock that is turned on whenever nobody has
/// anything to do.
async fn hears_of_it(association: &mut Association, remaining: u16) {
    tokio::time::pause();
    let until = Instant::now() + SLOW_FOR;
    let mut heard = Instant::now();
    while heard < until {
        let pending = association.receive().await.unwrap();
        let Incoming::Message {
            command:
                Command::CGetRsp { outcome, sub_operations, .. }
                | Command::CMoveRsp { outcome, sub_operations, .. },
            ..
        } = pending
        else {
            panic!("{pending:?}");
        };
        assert_eq!((outcome.status, sub_operations.remaining), (Status::PENDING, Some(remaining)));
        assert!(heard.elapsed() <= PENDING_WITHIN, "nothing was heard for {:?}", heard.elapsed());
        heard = Instant::now();
    }
    tokio::time::resume();
}

#[tokio::test]
async fn get_tells_of_a_slow_source_and_is_cancelled_at_once() {
    let station = stocked(9).await;
    station.shelf.gate.send_replace(Gate::Shut);
    let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
    hears_of_it(&mut association, 9).await;
    assert_eq!(station.shelf.asked.load(Ordering::Relaxed), 4, "opened ahead, and no more");
    association.send(1, &Command::CCancelRq { message_id: 5 }).await.unwrap();
    let (outcome, sub_operations, failed) = finished(&mut association).await;
    assert_eq!((outcome.status, failed), (Status::CANCEL, vec![]));
    assert_eq!(sub_operations, SubOperations { remaining: Some(9), ..counted(0, 0, 0) });
}

#[tokio::test]
async fn move_tells_of_a_slow_source_and_is_cancelled_at_once() {
    let station = stocked(9).await;
    station.shelf.gate.send_replace(Gate::Shut);
    let mut workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
    station.peers.send_replace(workstation.peers());
    let mut association = moving(&station, "WS1").await;
    hears_of_it(&mut association, 9).await;
    assert_eq!(station.shelf.asked.load(Ordering::Relaxed), 4, "opened ahead, and no more");
    association.send(1, &Command::CCancelRq { message_id: 5 }).await.unwrap();
    let (outcome, sub_operations, failed) = finished(&mut association).await;
    assert_eq!((outcome.status, failed), (Status::CANCEL, vec![]));
    assert_eq!(sub_operations, SubOperations { remaining: Some(9), ..counted(0, 0, 0) });
    assert!(workstation.came.try_recv().is_err());
}

/// Puts objects of one series there, of which some are known to be as accepted and some are not.
async fn of_versions(unproven: &[u32]) -> Station {
    let station = stocked(0).await;
    for instance in 0..4 {
        let keeper = "b".to_owned();
        let provenance =
            if unproven.contains(&instance) { Provenance::Unproven { keeper } } else { Provenance::Proven };
        let series = Some(SeriesUid::known("1.2.3.4"));
        station.shelf.put(Kept { provenance, series, ..kept(&station, &phantom(instance), CT) });
    }
    station
}

#[tokio::test]
async fn move_mixes_no_versions_in_a_series() {
    for (unproven, status, expected, failed) in [
        (&[][..], Status::SUCCESS, counted(4, 0, 0), &[][..]),
        (&[0, 1, 2, 3], Status::SUCCESS, counted(4, 0, 0), &[]),
        (&[2], Status::COERCED, counted(3, 1, 0), &[2]),
        (&[0], Status::COERCED, counted(1, 3, 0), &[1, 2, 3]),
    ] {
        let station = of_versions(unproven).await;
        let workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
        station.peers.send_replace(workstation.peers());
        let (outcome, sub_operations, named) = finished(&mut moving(&station, "WS1").await).await;
        assert_eq!((outcome.status, sub_operations), (status, expected), "{unproven:?}");
        let failed: Vec<_> = failed.iter().map(|instance| phantom(*instance).header.sop_instance).collect();
        assert_eq!(named, failed, "{unproven:?}");
    }
}

#[tokio::test]
async fn move_sends_an_object_again_that_a_lost_association_left_open() {
    let station = stocked(4).await;
    let mut workstation =
        Workstation::start(&[EXPLICIT_VR_LE], |count| if count == 2 { ABORTS } else { 0 }).await;
    station.peers.send_replace(workstation.peers());
    let (outcome, sub_operations, failed) = finished(&mut moving(&station, "WS1").await).await;
    assert_eq!((outcome.status, sub_operations, failed), (Status::SUCCESS, counted(4, 0, 0), vec![]));
    for instance in [0, 1, 1, 2, 3] {
        assert_eq!(workstation.came.recv().await.unwrap().instance, phantom(instance).header.sop_instance);
    }
}

#[tokio::test]
async fn move_goes_on_behind_an_object_at_which_the_destination_aborts() {
    let station = stocked(4).await;
    let aborts = |count| if [2, 3].contains(&count) { ABORTS } else { 0 };
    let workstation = Workstation::start(&[EXPLICIT_VR_LE], aborts).await;
    station.peers.send_replace(workstation.peers());
    let (outcome, sub_operations, failed) = finished(&mut moving(&station, "WS1").await).await;
    assert_eq!((outcome.status, sub_operations), (Status::COERCED, counted(3, 1, 0)));
    assert_eq!(failed, [phantom(1).header.sop_instance]);
}

#[tokio::test]
async fn move_gives_up_a_destination_that_died_and_names_what_it_has_not() {
    let station = stocked(20).await;
    let dies = |count| if count == 6 { DIES } else { 0 };
    let workstation = Workstation::start(&[EXPLICIT_VR_LE], dies).await;
    station.peers.send_replace(workstation.peers());
    let (outcome, sub_operations, failed) = finished(&mut moving(&station, "WS1").await).await;
    assert_eq!((outcome.status, sub_operations), (Status::COERCED, counted(5, 15, 0)));
    let expected: Vec<_> = (5..20).map(|instance| phantom(instance).header.sop_instance).collect();
    assert_eq!(failed, expected);
    assert!(
        station.shelf.asked.load(Ordering::Relaxed) < 12,
        "nothing is fetched for a destination that died"
    );
}

/// Losses between which something was taken are none in a row: the destination is there.
#[tokio::test]
async fn move_goes_on_with_a_destination_that_aborts_now_and_then() {
    let station = stocked(6).await;
    let aborts = |count| if [2, 4, 6, 7].contains(&count) { ABORTS } else { 0 };
    let workstation = Workstation::start(&[EXPLICIT_VR_LE], aborts).await;
    station.peers.send_replace(workstation.peers());
    let (outcome, sub_operations, failed) = finished(&mut moving(&station, "WS1").await).await;
    assert_eq!((outcome.status, sub_operations), (Status::COERCED, counted(5, 1, 0)));
    assert_eq!(failed, [phantom(3).header.sop_instance]);
}
