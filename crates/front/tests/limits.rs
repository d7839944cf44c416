//! Connections that say nothing, and more associations than there may be.

use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{Rejection, RequestError, Settings, Timers};
use outrigger_front::{DimseOptions, Limits};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{Status, sop_class};
use outrigger_runtime::listen::OPENING_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::station::{Station, options, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const ECHO: &[(&str, &[&str])] = &[(sop_class::VERIFICATION, &[EXPLICIT_VR_LE])];

/// Timers so long that nothing in a test is due to them.
fn patient() -> Settings {
    let timers = Timers { artim: Duration::from_secs(600), ..Timers::STANDARD };
    Settings { timers, ..Settings::STANDARD }
}

#[tokio::test]
async fn three_hundred_silent_connections_hold_up_nobody() {
    let station = Station::start(DimseOptions { settings: patient(), ..options() }).await;
    let mut sender = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(station.listening.address).await.unwrap();
        if number % 2 == 0 {
            // Half an A-ASSOCIATE-RQ of a megabyte.
            stream.write_all(&[1, 0, 0, 0x10, 0, 0, 0, 1]).await.unwrap();
        }
        silent.push(stream);
    }
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    assert_eq!(store_phantom(&mut sender, &phantom).await.status, Status::SUCCESS);
    let mut newcomer = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    assert_eq!(store_phantom(&mut newcomer, &phantom).await.status, Status::SUCCESS);
    // The oldest are gone, the youngest are still waited for.
    let gone = silent.len() - OPENING_MAX;
    for (number, stream) in silent.iter_mut().enumerate().take(gone) {
        let closed = stream.read(&mut [0; 16]).await.map_or(true, |read| read == 0);
        assert!(closed, "{number}");
    }
    let mut youngest = silent.pop().unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), youngest.read(&mut [0; 16])).await;
    assert!(waited.is_err(), "the youngest is not dropped");
}

#[tokio::test]
async fn silence_ends_with_artim() {
    let timers = Timers { artim: Duration::from_millis(200), ..Timers::STANDARD };
    let settings = Settings { timers, ..Settings::STANDARD };
    let station = Station::start(DimseOptions { settings, ..options() }).await;
    let mut stream = TcpStream::connect(station.listening.address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0; 16])).await.unwrap();
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn too_many_associations_are_rejected_for_now_and_room_comes_back() {
    for limits in [
        Limits { associations: 2, associations_per_address: 9 },
        Limits { associations: 9, associations_per_address: 2 },
    ] {
        let station = Station::start(DimseOptions { limits, ..options() }).await;
        let first = station.call(ECHO).await.unwrap();
        let second = station.call(ECHO).await.unwrap();
        match station.call(ECHO).await {
            Err(RequestError::Rejected(rejection)) => assert_eq!(rejection, Rejection::LOCAL_LIMIT),
            other => panic!("a rejection expected: {:?}", other.map(drop)),
        }
        first.release().await.unwrap();
        let mut again = station.call(ECHO).await;
        while again.is_err() {
            tokio::task::yield_now().await;
            again = station.call(ECHO).await;
        }
        drop(second);
    }
}
