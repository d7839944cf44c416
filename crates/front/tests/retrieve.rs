//! C-GET and C-MOVE.

use std::sync::Arc;

use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_failed, write_selection};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{
    Association, Command, Incoming, Outcome, Priority, RoleSelection, Roles, SubOperations,
};
use outrigger_front::{AuditEvent, Peers, Provenance, StudyTally};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    Selection, SopClassUid, SopInstanceUid, Status, StudyUid, TransferSyntaxUid, sop_class,
};
use tokio::time::timeout;

use crate::destination::{Gate, SOON, Workstation};
use crate::shelf::{Elsewhere, Kept};
use crate::station::{Station, ae, options, proposal};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";

pub(crate) fn phantom(instance: u32) -> Phantom {
    Phantom::new(1, Place { instance, ..Place::default() }, Shape::SmallCt)
}

/// A front that has `count` CT objects.
pub(crate) async fn stocked(count: u32) -> Station {
    let station = Station::start(options()).await;
    for instance in 0..count {
        let phantom = phantom(instance);
        station.shelf.put(kept(&station, &phantom, CT));
    }
    station
}

pub(crate) fn kept(station: &Station, phantom: &Phantom, class: &'static str) -> Kept {
    Kept {
        class: SopClassUid::known(class),
        instance: phantom.header.sop_instance.clone(),
        syntax: phantom.transfer_syntax.clone(),
        origin: station.origin(),
        bytes: phantom.data_set.clone(),
        provenance: Provenance::Proven,
        series: None,
    }
}

fn study() -> Vec<u8> {
    write_selection(Form::ExplicitLittle, &Selection::Studies(vec![StudyUid::known("1.2.3")]))
}

/// The final response.
pub(crate) async fn finished(association: &mut Association) -> (Outcome, SubOperations, Vec<SopInstanceUid>) {
    loop {
        let Incoming::Message { command, data_set, .. } = association.receive().await.unwrap() else {
            panic!("a response expected");
        };
        let (Command::CGetRsp { outcome, sub_operations, .. }
        | Command::CMoveRsp { outcome, sub_operations, .. }) = command
        else {
            panic!("a response expected: {command:?}");
        };
        if outcome.status == Status::PENDING {
            continue;
        }
        let failed = match data_set {
            outrigger_dimse::DataSet::Absent => Vec::new(),
            outrigger_dimse::DataSet::Follows => {
                read_failed(Form::ExplicitLittle, &association.data_set(1 << 20).await.unwrap()).unwrap()
            }
        };
        return (outcome, sub_operations, failed);
    }
}

pub(crate) fn counted(completed: u16, failed: u16, warning: u16) -> SubOperations {
    SubOperations {
        remaining: None,
        completed: Some(completed),
        failed: Some(failed),
        warning: Some(warning),
    }
}

pub(crate) async fn getting(station: &Station, syntaxes: &[&str]) -> Association {
    let mut proposal = proposal("CT1", &[(sop_class::STUDY_ROOT_GET, &[EXPLICIT_VR_LE]), (CT, syntaxes)]);
    let roles = Roles { scu: false, scp: true };
    proposal.roles = vec![RoleSelection { sop_class: SopClassUid::known(CT), roles }];
    let mut association = station.call_as(proposal).await.unwrap();
    let command = Command::CGetRq {
        message_id: 5,
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_GET),
        priority: Priority::Medium,
    };
    association.send_with(1, &command, study().into()).await.unwrap();
    association
}

/// Takes the next object of a C-GET and answers it.
async fn take(
    association: &mut Association,
    status: Status,
) -> (SopInstanceUid, TransferSyntaxUid, bytes::Bytes) {
    let (context, response, bytes) = object(association, status).await;
    association.send(context, &response).await.unwrap();
    let Command::CStoreRsp { sop_instance, .. } = response else { panic!("{response:?}") };
    (sop_instance.unwrap(), association.context(context).unwrap().transfer_syntax.clone(), bytes)
}

/// The next object of a C-GET, and the answer to it on its context.
async fn object(association: &mut Association, status: Status) -> (u8, Command, bytes::Bytes) {
    let Incoming::Message { context, command, .. } = association.receive().await.unwrap() else {
        panic!("an object expected");
    };
    let Command::CStoreRq { message_id, sop_class, sop_instance, .. } = command else {
        panic!("an object expected: {command:?}");
    };
    let bytes = association.data_set(1 << 28).await.unwrap();
    let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
    let outcome = Outcome::of(status);
    (context, Command::CStoreRsp { message_id, sop_class, sop_instance, outcome }, bytes)
}

#[tokio::test]
async fn get_gives_the_bytes_as_they_are_kept() {
    let mut station = stocked(3).await;
    let mut association = getting(&station, &[IMPLICIT_VR_LE, EXPLICIT_VR_LE]).await;
    for instance in 0..3 {
        let (uid, syntax, bytes) = take(&mut association, Status::SUCCESS).await;
        assert_eq!(uid, phantom(instance).header.sop_instance);
        assert_eq!((syntax.as_str(), bytes), (EXPLICIT_VR_LE, phantom(instance).data_set));
    }
    let (outcome, sub_operations, failed) = finished(&mut association).await;
    assert_eq!((outcome.status, sub_operations, failed), (Status::SUCCESS, counted(3, 0, 0), vec![]));
    association.release().await.unwrap();
    let told = [station.audit.recv().await.unwrap(), station.audit.recv().await.unwrap()];
    let AuditEvent::Retrieved { study: StudyTally { classes, .. }, destination: None, .. } = &told[1] else {
        panic!("{told:?}")
    };
    assert_eq!(classes.values().copied().collect::<Vec<_>>(), [3]);
}

/// Goal: what cannot be read here is taken from somebody else before any of it goes out, in one block or in many. The
/// control: where nobody else has it, it is the one that failed.
#[tokio::test]
async fn get_and_move_give_what_cannot_be_read_here_from_somebody_else() {
    for (shape, block) in [(Shape::SmallCt, 0), (Shape::Us { frames: 2 }, 0), (Shape::Us { frames: 2 }, 1)] {
        for (elsewhere, status, counters) in [
            (Elsewhere::Whole, Status::SUCCESS, counted(2, 0, 0)),
            (Elsewhere::Nowhere, Status::COERCED, counted(1, 1, 0)),
        ] {
            let station = Station::start(options()).await;
            let phantoms =
                [0, 1].map(|instance| Phantom::new(1, Place { instance, ..Place::default() }, shape));
            for phantom in &phantoms {
                station.shelf.put(kept(&station, phantom, CT));
            }
            station.shelf.scratched.lock().unwrap().insert(0, (block, elsewhere));
            let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
            let came = &phantoms[usize::from(elsewhere == Elsewhere::Nowhere)..];
            for phantom in came {
                let (uid, _, bytes) = take(&mut association, Status::SUCCESS).await;
                assert_eq!((uid, bytes), (phantom.header.sop_instance.clone(), phantom.data_set.clone()));
            }
            let (outcome, sub_operations, failed) = finished(&mut association).await;
            assert_eq!((outcome.status, sub_operations, failed.len()), (status, counters, 2 - came.len()));

            let mut workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
            station.peers.send_replace(workstation.peers());
            let mut association = moving(&station, "WS1").await;
            let (outcome, sub_operations, _) = finished(&mut association).await;
            assert_eq!((outcome.status, sub_operations), (status, counters));
            for phantom in came {
                assert_eq!(workstation.came.recv().await.unwrap().bytes, phantom.data_set);
            }
        }
    }
}

/// Goal: damage behind what is read before the first byte goes out, of a large object, is met on the way: the rest comes from
/// somebody else over the same association. The control: where nobody else has it, the association ends.
#[tokio::test]
async fn get_and_move_go_on_from_somebody_else_in_the_middle_of_a_large_object() {
    const BLOCK: usize = 1 << 20;
    let of_block = |index: u8| vec![index; BLOCK];
    let large: bytes::Bytes = (0..66).flat_map(of_block).chain([1, 2]).collect::<Vec<_>>().into();
    for elsewhere in [Elsewhere::Whole, Elsewhere::Nowhere] {
        let station = stocked(2).await;
        let damaged = Kept { bytes: large.clone(), ..kept(&station, &phantom(7), CT) };
        station.shelf.put(damaged);
        station.shelf.scratched.lock().unwrap().insert(2, (65, elsewhere));

        let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
        for _ in 0..2 {
            take(&mut association, Status::SUCCESS).await;
        }
        if elsewhere == Elsewhere::Nowhere {
            assert!(matches!(association.receive().await, Ok(Incoming::Message { .. })), "it is begun");
            assert!(association.data_set(1 << 28).await.is_err());
            continue;
        }
        assert_eq!(take(&mut association, Status::SUCCESS).await.2, large);
        let (outcome, sub_operations, failed) = finished(&mut association).await;
        assert_eq!((outcome.status, sub_operations, failed), (Status::SUCCESS, counted(3, 0, 0), vec![]));

        let mut workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
        station.peers.send_replace(workstation.peers());
        let mut association = moving(&station, "WS1").await;
        let (outcome, sub_operations, _) = finished(&mut association).await;
        assert_eq!((outcome.status, sub_operations), (Status::SUCCESS, counted(3, 0, 0)));
        for bytes in [phantom(0).data_set, phantom(1).data_set, large.clone()] {
            assert_eq!(workstation.came.recv().await.unwrap().bytes, bytes);
        }
        assert!(workstation.came.try_recv().is_err(), "it came once");
    }
}

#[tokio::test]
async fn get_transcodes_where_it_must_and_names_what_failed() {
    let station = stocked(3).await;
    // One of a class that has no context, and one whose bytes cannot be read.
    station.shelf.put(kept(&station, &phantom(8), MR));
    let unreadable = Kept { bytes: bytes::Bytes::new(), ..kept(&station, &phantom(9), CT) };
    station.shelf.put(unreadable);
    let mut association = getting(&station, &[IMPLICIT_VR_LE]).await;
    for (instance, status) in [(0, 0x0000), (1, 0xB000), (2, 0xA700)] {
        let (uid, syntax, bytes) = take(&mut association, Status(status)).await;
        assert_eq!(uid, phantom(instance).header.sop_instance);
        assert_eq!(syntax.as_str(), IMPLICIT_VR_LE);
        assert_ne!(bytes, phantom(instance).data_set);
    }
    let (outcome, sub_operations, failed) = finished(&mut association).await;
    assert_eq!((outcome.status, sub_operations), (Status::COERCED, counted(1, 3, 1)));
    let named = [2, 8, 9].map(|instance| phantom(instance).header.sop_instance);
    assert_eq!(failed, named);
}

#[tokio::test]
async fn get_stops_when_it_is_cancelled() {
    let station = stocked(3).await;
    let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
    let (context, response, _) = object(&mut association, Status::SUCCESS).await;
    association.send(1, &Command::CCancelRq { message_id: 5 }).await.unwrap();
    association.send(context, &response).await.unwrap();
    let (outcome, sub_operations, ..) = finished(&mut association).await;
    assert_eq!(outcome.status, Status::CANCEL);
    assert_eq!(sub_operations, SubOperations { remaining: Some(2), ..counted(1, 0, 0) });
}

pub(crate) async fn moving(station: &Station, destination: &str) -> Association {
    moving_as(station, "CT1", destination).await
}

async fn moving_as(station: &Station, calling: &str, destination: &str) -> Association {
    let proposal = proposal(calling, &[(sop_class::STUDY_ROOT_MOVE, &[EXPLICIT_VR_LE])]);
    let mut association = station.call_as(proposal).await.unwrap();
    let command = Command::CMoveRq {
        message_id: 5,
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_MOVE),
        priority: Priority::Medium,
        destination: ae(destination),
    };
    association.send_with(1, &command, study().into()).await.unwrap();
    association
}

#[tokio::test]
async fn move_sends_each_instance_once_and_says_who_asked() {
    let station = stocked(3).await;
    let mut workstation = Workstation::start(&[EXPLICIT_VR_LE, IMPLICIT_VR_LE], |_| 0).await;
    station.peers.send_replace(workstation.peers());
    let mut association = moving(&station, "WS1").await;
    let (outcome, sub_operations, failed) = finished(&mut association).await;
    assert_eq!((outcome.status, sub_operations, failed), (Status::SUCCESS, counted(3, 0, 0), vec![]));
    for instance in 0..3 {
        let came = workstation.came.recv().await.unwrap();
        assert_eq!(came.instance, phantom(instance).header.sop_instance);
        assert_eq!(came.originator, Some((ae("CT1"), 5)));
        assert_eq!((came.syntax.as_str(), came.bytes), (EXPLICIT_VR_LE, phantom(instance).data_set));
    }
    assert!(workstation.came.try_recv().is_err());
}

#[tokio::test]
async fn move_counts_warnings_and_failures() {
    let by_turns = |count| [0, 0xB000, 0xA700, 0xC000][count % 4];
    for (count, status, expected) in
        [(4, Status::COERCED, counted(1, 2, 1)), (2, Status::COERCED, counted(0, 1, 1))]
    {
        let station = stocked(count).await;
        let workstation = Workstation::start(&[IMPLICIT_VR_LE], by_turns).await;
        station.peers.send_replace(workstation.peers());
        let mut association = moving(&station, "WS1").await;
        let (outcome, sub_operations, failed) = finished(&mut association).await;
        assert_eq!((outcome.status, sub_operations), (status, expected));
        assert_eq!(failed.len(), usize::from(expected.failed.unwrap()));
    }
}

#[tokio::test]
async fn move_to_nowhere() {
    let station = stocked(2).await;
    let workstation = Workstation::start(&["1.2.840.10008.1.2.4.50"], |_| 0).await;
    station.peers.send_replace(workstation.peers());
    for (destination, status, expected) in [
        ("NOBODY", Status::MOVE_DESTINATION_UNKNOWN, SubOperations::default()),
        ("CT1", Status::MOVE_DESTINATION_UNKNOWN, SubOperations::default()),
        ("AWAY", Status::CANNOT_PERFORM_SUBOPERATIONS, counted(0, 2, 0)),
        ("WS1", Status::CANNOT_PERFORM_SUBOPERATIONS, counted(0, 2, 0)),
    ] {
        let mut association = moving(&station, destination).await;
        let (outcome, sub_operations, failed) = finished(&mut association).await;
        assert_eq!((outcome.status, sub_operations), (status, expected), "{destination}");
        assert_eq!(failed.len(), usize::from(expected.failed.unwrap_or(0)), "{destination}");
    }
}

/// Goal: what is meant for one workstation never goes to another that has its AE title.
#[tokio::test]
async fn move_to_one_of_two_of_an_ae_title_goes_to_the_one_that_asks_or_to_none() {
    let station = stocked(2).await;
    let mut other = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
    let mut asker = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
    let at = |host: &str, workstation: &Workstation| {
        let Peers(mut peers) = Peers::clone(&workstation.peers());
        peers.retain(|peer| peer.ae_title == ae("WS1"));
        peers[0].hosts = vec![host.parse().unwrap()];
        peers
    };
    let Peers(mut peers) = Peers::clone(&other.peers());
    peers.retain(|peer| peer.ae_title != ae("WS1"));
    peers.extend([at("127.0.0.2/32", &other), at("127.0.0.1/32", &asker)].concat());
    station.peers.send_replace(Arc::new(Peers(peers)));
    for (calling, status) in [("CT1", Status::MOVE_DESTINATION_UNKNOWN), ("WS1", Status::SUCCESS)] {
        let mut association = moving_as(&station, calling, "WS1").await;
        let (outcome, ..) = finished(&mut association).await;
        let words = outcome.error_comment.unwrap_or_default();
        assert_eq!(outcome.status, status, "{calling}: {words}");
        assert_eq!(words.contains("needs one of its own"), calling == "CT1", "{words}");
    }
    for instance in 0..2 {
        assert_eq!(asker.came.try_recv().unwrap().instance, phantom(instance).header.sop_instance);
    }
    assert!(asker.came.try_recv().is_err() && other.came.try_recv().is_err());
}

#[tokio::test]
async fn move_stops_when_it_is_cancelled() {
    let station = stocked(3).await;
    let mut workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
    workstation.gate.send_replace(Gate::Shut);
    station.peers.send_replace(workstation.peers());
    let mut association = moving(&station, "WS1").await;
    workstation.came.recv().await.unwrap();
    association.send(1, &Command::CCancelRq { message_id: 5 }).await.unwrap();
    // The echo of the cancel cannot be seen; an operation that waits for the gate is cancelled before it opens.
    let pending = timeout(SOON, association.receive()).await.unwrap().unwrap();
    assert!(matches!(pending, Incoming::Message { command: Command::CMoveRsp { .. }, .. }));
    let second = timeout(SOON, association.receive()).await.unwrap().unwrap();
    assert!(matches!(second, Incoming::Message { command: Command::CMoveRsp { .. }, .. }));
    workstation.gate.send_replace(Gate::Open);
    let (outcome, sub_operations, ..) = finished(&mut association).await;
    assert_eq!(outcome.status, Status::CANCEL);
    assert_eq!(sub_operations, SubOperations { remaining: Some(2), ..counted(1, 0, 0) });
}
