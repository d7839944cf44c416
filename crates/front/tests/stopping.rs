//! Draining: what has begun is finished, nothing new begins.

use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{AssociationError, Command, Incoming, Part, Priority};
use outrigger_model::Status;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::destination::SOON;
use crate::station::{Station, options};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

#[tokio::test]
async fn an_object_on_its_way_is_taken_before_the_end() {
    let mut station = Station::start(options()).await;
    let mut busy = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let mut idle = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::Ct);
    let command = Command::CStoreRq {
        message_id: 1,
        sop_class: phantom.header.sop_class.clone(),
        sop_instance: phantom.header.sop_instance.clone(),
        priority: Priority::Medium,
        move_originator: None,
    };
    let mut rest = phantom.data_set.clone();
    busy.begin_data(1, &command).unwrap();
    busy.push_data(rest.split_to(200_000), Part::More).await.unwrap();
    station.guard.stop();
    // The idle association is over soon, the busy one is not.
    let ended = timeout(SOON, idle.receive()).await.unwrap();
    assert!(matches!(ended, Err(AssociationError::Aborted { .. })), "{ended:?}");
    drop(idle);
    busy.push_data(rest, Part::Last).await.unwrap();
    match busy.receive().await.unwrap() {
        Incoming::Message { command: Command::CStoreRsp { outcome, .. }, .. } => {
            assert_eq!(outcome.status, Status::SUCCESS);
        }
        other => panic!("a C-STORE-RSP expected: {other:?}"),
    }
    busy.release().await.unwrap();
    timeout(SOON, station.guard.all_gone()).await.unwrap();
    timeout(SOON, station.listening.ended).await.unwrap().unwrap();
    assert_eq!(station.shelf.kept().len(), 1);
    let refused = timeout(Duration::from_secs(5), TcpStream::connect(station.listening.address)).await;
    assert!(refused.unwrap().is_err(), "nobody listens any more");
}
