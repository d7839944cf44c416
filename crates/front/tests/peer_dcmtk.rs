//! DCMTK's tools as modality and workstation.

use std::path::PathBuf;
use std::sync::Arc;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_front::{Destination, DimseOptions, Peer, Peers, Permission, WhenIncomplete};
use outrigger_model::{Level, QueryRoot, Tag};
use outrigger_runtime::{RealDisk, TlsServer};
use outrigger_sim::certificates::Authority;
use outrigger_sim::peers::{EchoScu, FindScu, GetScu, MoveScu, Nagle, Station as Called, StoreScp, StoreScu};

use crate::station::{Station, ae, options};
use crate::tls::identity;

fn called(station: &Station) -> Called {
    Called { ae_title: ae("OUTRIGGER"), port: station.listening.address.port() }
}

fn phantoms() -> Vec<Phantom> {
    [Shape::SmallCt, Shape::Ct, Shape::Mr, Shape::Sr]
        .into_iter()
        .zip(0..)
        .map(|(shape, series)| Phantom::new(1, Place { series, ..Place::default() }, shape))
        .collect()
}

fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    phantoms()
        .iter()
        .zip(0..)
        .map(|(phantom, number)| {
            let path = directory.join(format!("{number}.dcm"));
            std::fs::write(&path, phantom.file()).unwrap();
            path
        })
        .collect()
}

async fn stored(station: &Station, nagle: Nagle) {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let (calling, called) = (ae("CT1"), called(station));
    let scu = StoreScu { calling: &calling, called: &called, files: &files, options: &[], nagle };
    let run = scu.run().await.unwrap();
    assert_eq!(run.successes(), files.len(), "{}", run.run.said());
}

#[tokio::test]
async fn peer_dcmtk_sends_bit_by_bit() {
    for nagle in [Nagle::Off, Nagle::AsInstalled] {
        let station = Station::start(options()).await;
        assert!(EchoScu::run(&ae("CT1"), &called(&station)).await.unwrap().success());
        stored(&station, nagle).await;
        let kept = station.shelf.kept();
        for (kept, phantom) in kept.iter().zip(phantoms()) {
            assert!(kept.bytes == phantom.data_set, "{}", kept.instance);
        }
        assert_eq!(kept.len(), 4);
    }
}

#[tokio::test]
async fn peer_dcmtk_is_told_apart_by_ae_title() {
    let station = Station::start(options()).await;
    let wrong = Called { ae_title: ae("OTHER"), ..called(&station) };
    let run = EchoScu::run(&ae("CT1"), &wrong).await.unwrap();
    assert!(!run.success());
    assert!(run.said().contains("Called AE Title Not Recognized"), "{}", run.said());
}

#[tokio::test]
async fn peer_dcmtk_finds_gets_and_moves() {
    let station = Station::start(options()).await;
    stored(&station, Nagle::Off).await;
    let receiver = StoreScp::start(&ae("WS1"), &["+B"]).await.unwrap();
    let peer = |title, destination| Peer {
        ae_title: ae(title),
        hosts: Vec::new(),
        allow: vec![Permission::Find, Permission::Get, Permission::Move],
        issuer: None,
        member: None,
        incomplete: WhenIncomplete::Warn,
        destination,
        commit_destination: None,
    };
    let there = Destination { address: receiver.station().address().to_string(), tls: None };
    station.peers.send_replace(Arc::new(Peers(vec![peer("CT1", None), peer("WS1", Some(there))])));
    let (calling, called) = (ae("CT1"), called(&station));
    let keys = ["0020,000d=1.2.3", "0020,000e=1.2.4", "0008,0018"];
    let find = FindScu {
        calling: &calling,
        called: &called,
        root: QueryRoot::Study,
        level: Level::Image,
        keys: &keys,
    };
    let found = find.run().await.unwrap();
    assert_eq!(found.answers.len(), 4, "{}", found.run.said());
    assert!(found.answers.iter().all(|answer| answer[&Tag::RETRIEVE_AE_TITLE].trim_end() == "OUTRIGGER"));

    let into = tempfile::tempdir().unwrap();
    let get = GetScu {
        calling: &calling,
        called: &called,
        into: into.path(),
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &["0020,000d=1.2.3"],
    };
    let (run, got) = get.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    assert_eq!(got.len(), 4, "{}", run.said());

    let destination = ae("WS1");
    let move_ = MoveScu {
        calling: &calling,
        called: &called,
        destination: &destination,
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &["0020,000d=1.2.3"],
    };
    let run = move_.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    let moved = receiver.files().unwrap();
    assert_eq!(moved.len(), 4, "{}", run.said());
}

#[tokio::test]
async fn peer_dcmtk_speaks_tls() {
    let authority = Authority::new().unwrap();
    let ca = authority.certificate();
    let tls = TlsServer::load(&RealDisk, &identity(&authority, "front"), Some(&ca)).unwrap();
    let station = Station::start(DimseOptions { tls: Some(tls), ..options() }).await;
    let modality = identity(&authority, "modality");
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (key, certificate, ca) = (text(&modality.key), text(&modality.certificate), text(&ca));
    let good = ["+tls", key.as_str(), certificate.as_str(), "+cf", ca.as_str()];
    let run = EchoScu::run_with(&ae("CT1"), &called(&station), &good).await.unwrap();
    assert!(run.success(), "{}", run.said());
    let anonymous = ["+tla", "+cf", ca.as_str()];
    for options in [&anonymous[..], &[]] {
        let run = EchoScu::run_with(&ae("CT1"), &called(&station), options).await.unwrap();
        assert!(!run.success(), "{}", run.said());
    }
}
