//! Retrievals of more instances than the counters of the responses can say.

use std::collections::BTreeSet;

use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::read_failed;
use outrigger_dimse::{Association, Command, DataSet, Incoming, Outcome, SubOperations};
use outrigger_front::Provenance;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, SopInstanceUid, Status, TransferSyntaxUid};

use crate::destination::{Gate, Workstation};
use crate::retrieve::{counted, finished, getting, moving};
use crate::shelf::Kept;
use crate::station::Station;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Instances of the study: 65,535 is the last number of 16 bits.
const INSTANCES: u32 = 70_000;
/// Longest list of failed instances that is read here.
const LIST_BYTES_MAX: usize = 1 << 24;

fn uid(number: u32) -> SopInstanceUid {
    SopInstanceUid::new(&format!("1.2.826.0.1.{number}")).unwrap()
}

/// A front with a study of tiny instances; those of `empty` cannot be opened.
async fn stocked(empty: impl Fn(u32) -> bool) -> Station {
    let station = Station::start(crate::station::options()).await;
    let origin = station.origin();
    // (0008,0060) CS "OT": an object need not be more to be counted.
    let bytes = bytes::Bytes::from_static(b"\x08\0\x60\0CS\x02\0OT");
    for number in 0..INSTANCES {
        station.shelf.put(Kept {
            class: SopClassUid::known(CT),
            instance: uid(number),
            syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
            origin: origin.clone(),
            bytes: if empty(number) { bytes::Bytes::new() } else { bytes.clone() },
            provenance: Provenance::Proven,
            series: None,
        });
    }
    station
}

/// All that a C-GET brought.
struct Taken {
    came: BTreeSet<SopInstanceUid>,
    pending: Vec<SubOperations>,
    status: Status,
    counted: SubOperations,
    failed: Vec<SopInstanceUid>,
}

/// The UIDs of the failed list that follows a final response, if one does.
async fn failed(association: &mut Association, data_set: DataSet) -> Vec<SopInstanceUid> {
    match data_set {
        DataSet::Absent => Vec::new(),
        DataSet::Follows => {
            let list = association.data_set(LIST_BYTES_MAX).await.unwrap();
            read_failed(Form::ExplicitLittle, &list).unwrap()
        }
    }
}

/// Takes every object of a C-GET until its end.
async fn taken(association: &mut Association) -> Taken {
    let (mut came, mut pending) = (BTreeSet::new(), Vec::new());
    loop {
        let Incoming::Message { context, command, data_set } = association.receive().await.unwrap() else {
            panic!("a release in the middle of a retrieval");
        };
        match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                association.data_set(LIST_BYTES_MAX).await.unwrap();
                assert!(came.insert(sop_instance.clone()), "{sop_instance} came twice");
                let outcome = Outcome::of(Status::SUCCESS);
                let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
                let response = Command::CStoreRsp { message_id, sop_class, sop_instance, outcome };
                association.send(context, &response).await.unwrap();
            }
            Command::CGetRsp { outcome, sub_operations, .. } if outcome.status == Status::PENDING => {
                pending.push(sub_operations);
            }
            Command::CGetRsp { outcome: Outcome { status, .. }, sub_operations: counted, .. } => {
                let failed = failed(association, data_set).await;
                return Taken { came, pending, status, counted, failed };
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The next response of a retrieval, which is pending.
async fn told(association: &mut Association) -> SubOperations {
    match association.receive().await.unwrap() {
        Incoming::Message {
            command:
                Command::CGetRsp { outcome, sub_operations, .. }
                | Command::CMoveRsp { outcome, sub_operations, .. },
            ..
        } if outcome.status == Status::PENDING => sub_operations,
        other => panic!("a pending response expected: {other:?}"),
    }
}

/// Nothing has been sent, and more remains than can be said.
fn all_remain() -> SubOperations {
    SubOperations { remaining: Some(u16::MAX), ..counted(0, 0, 0) }
}

/// Goal: whoever gets more than 65,535 instances gets each once, and counters that stay at their end instead of beginning anew.
#[tokio::test]
async fn get_counts_to_the_end_of_sixteen_bits_and_sends_on() {
    let station = stocked(|_| false).await;
    station.shelf.gate.send_replace(Gate::Shut);
    let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
    assert_eq!(told(&mut association).await, all_remain());
    station.shelf.gate.send_replace(Gate::Open);
    let taken = taken(&mut association).await;
    let expected = (Status::SUCCESS, counted(u16::MAX, 0, 0), vec![]);
    assert_eq!((taken.status, taken.counted, taken.failed), expected);
    assert_eq!(taken.came, (0..INSTANCES).map(uid).collect());
    let pending = taken.pending;
    // What is said meanwhile never goes the wrong way, which it would do behind a counter that begins anew.
    for (before, after) in pending.iter().zip(pending.iter().skip(1)) {
        assert!(before.completed <= after.completed && before.remaining >= after.remaining, "{pending:?}");
    }
}

#[tokio::test]
async fn move_counts_to_the_end_of_sixteen_bits_and_sends_on() {
    let station = stocked(|_| false).await;
    station.shelf.gate.send_replace(Gate::Shut);
    let mut workstation = Workstation::start(&[EXPLICIT_VR_LE], |_| 0).await;
    station.peers.send_replace(workstation.peers());
    let mut association = moving(&station, "WS1").await;
    tokio::time::pause();
    assert_eq!(told(&mut association).await, all_remain());
    tokio::time::resume();
    station.shelf.gate.send_replace(Gate::Open);
    let mut came = BTreeSet::new();
    let (ended, ()) = tokio::join!(finished(&mut association), async {
        for _ in 0..INSTANCES {
            assert!(came.insert(workstation.came.recv().await.unwrap().instance));
        }
    });
    let (outcome, last, failed) = ended;
    assert_eq!((outcome.status, last, failed), (Status::SUCCESS, counted(u16::MAX, 0, 0), vec![]));
    assert_eq!(came, (0..INSTANCES).map(uid).collect());
}

/// The list of what failed is whole, however long: longer than a value of a UID may be in an explicit encoding.
#[tokio::test]
async fn failures_stay_at_the_end_of_sixteen_bits_and_each_is_named() {
    let station = stocked(|number| number != 7).await;
    let mut association = getting(&station, &[EXPLICIT_VR_LE]).await;
    let taken = taken(&mut association).await;
    assert_eq!(taken.came, BTreeSet::from([uid(7)]));
    assert_eq!((taken.status, taken.counted), (Status::COERCED, counted(1, u16::MAX, 0)));
    assert_eq!(taken.failed, (0..INSTANCES).filter(|number| *number != 7).map(uid).collect::<Vec<_>>());
}
