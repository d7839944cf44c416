//! Real archives behind a front door and real senders before it: each level of confirmation with a peer that can.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_sim::certificates::Authority;
use outrigger_sim::peers::{
    DcmQrScp, Nagle, Orthanc, OrthancSetup, OrthancTls, PixelMed, PynetdicomQrScp, PynetdicomStoreScp,
    PynetdicomStoreScu, StoreScp, StoreScu,
};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use serde_json::Value;
use tempfile::TempDir;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, line};
use crate::modality::{Object, same_at, send};

const PATIENCE: Duration = Duration::from_secs(90);

/// Objects of several kinds, of two patients, each in a series of its own.
fn mixed(seed: u64) -> Vec<Phantom> {
    let shapes = [Shape::SmallCt, Shape::Ct, Shape::Mr, Shape::Sr];
    let places =
        (0..2).flat_map(|patient| (0..4).map(move |series| Place { patient, series, ..Place::default() }));
    places.zip(shapes.into_iter().cycle()).map(|(place, shape)| Phantom::new(seed, place, shape)).collect()
}

fn as_objects(phantoms: &[Phantom]) -> Vec<Object> {
    phantoms.iter().cloned().map(Object::from).collect()
}

/// The phantoms as files.
fn files(directory: &TempDir, phantoms: &[Phantom]) -> Vec<PathBuf> {
    let write = |(number, phantom): (usize, &Phantom)| {
        let path = directory.path().join(format!("{number:04}.dcm"));
        fs::write(&path, phantom.file()).unwrap();
        path
    };
    phantoms.iter().enumerate().map(write).collect()
}

/// The levels, the weakest first.
const LEVELS: [&str; 4] = ["accepted", "present", "committed", "verified"];

fn rank(level: &Value) -> Option<usize> {
    LEVELS.iter().position(|known| level == known)
}

/// Waits for balanced books, and asserts that each member has every object at its level, or above: one of the members
/// that can is asked to verify what nobody has.
async fn each_reaches(door: &Door, objects: &[Object], levels: &[(&str, &str)]) {
    let balance = door.balance_exits(0, PATIENCE).await;
    for (member, level) in levels {
        let row = line(&balance, member);
        assert_eq!(
            (&row["confirmed"], &row["difference"]),
            (&objects.len().into(), &0.into()),
            "{balance:#}"
        );
        for object in objects {
            let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
            let found = why["studies"][0]["instances"][0]["members"].as_array().unwrap().clone();
            let at: &Value = found.iter().find(|at| at["name"] == *member).unwrap();
            assert!(rank(&at["level"]) >= rank(&(*level).into()), "{why:#}");
        }
    }
}

#[tokio::test]
async fn peer_orthanc_commits_and_another_behind_tls_is_verified() {
    let ours = answers();
    let authority = Authority::new().unwrap();
    let (theirs, mine) = (authority.issue("orthanc").unwrap(), authority.issue("outrigger").unwrap());
    let trusted = authority.certificate();
    let plain = Orthanc::start(&OrthancSetup::new(&ae("PLAIN"), std::slice::from_ref(&ours))).await.unwrap();
    let mut setup = OrthancSetup::new(&ae("SECURE"), std::slice::from_ref(&ours));
    setup.tls =
        Some(OrthancTls { certificate: theirs.certificate, key: theirs.key, trusted: trusted.clone() });
    let secure = Orthanc::start(&setup).await.unwrap();
    let file = |key: &str, path: &std::path::Path| format!("{key} = \"{}\"", path.display());
    let members = [
        Behind::new("plain", plain.station(), "committed"),
        Behind::new("secure", secure.station(), "verified")
            .by("tls = true")
            .by(&file("ca_file", &trusted))
            .by(&file("certificate_file", &mine.certificate))
            .by(&file("key_file", &mine.key)),
    ];
    let door = Door::open_at(&ours, &members).await;
    let sent = as_objects(&mixed(1));
    send(&door.station(), &sent).await;
    each_reaches(&door, &sent, &[("plain", "committed"), ("secure", "verified")]).await;
    let mut uids: Vec<_> = sent.iter().map(|object| object.header.sop_instance.clone()).collect();
    uids.sort();
    for orthanc in [&plain, &secure] {
        let held: Vec<_> = orthanc.rest().digests().await.unwrap().into_iter().map(|(uid, _)| uid).collect();
        assert_eq!(held, uids);
    }
}

#[tokio::test]
async fn peer_dcmtk_sends_four_at_once_and_keeps_what_others_keep() {
    let archive = DcmQrScp::start(&ae("QRSCP"), &[]).await.unwrap();
    let receiver = StoreScp::start(&ae("STORESCP"), &["+B"]).await.unwrap();
    let members = [
        Behind::new("archive", archive.station(), "verified").with("connections = 1"),
        Behind::new("receiver", receiver.station(), "accepted").with("connections = 1"),
    ];
    let door = Door::open(&members).await;
    let directory = TempDir::new().unwrap();
    let phantoms: Vec<_> = (1..=4).flat_map(mixed).collect();
    let files = files(&directory, &phantoms);
    let (calling, called) = (ae("CT1"), door.station());
    let run = async |files: &[PathBuf]| {
        let scu = StoreScu { calling: &calling, called: &called, files, options: &[], nagle: Nagle::Off };
        let run = scu.run().await.unwrap();
        assert_eq!(run.successes(), files.len(), "{}", run.run.said());
    };
    let parts: Vec<_> = files.chunks(8).collect();
    tokio::join!(run(parts[0]), run(parts[1]), run(parts[2]), run(parts[3]));
    let sent = as_objects(&phantoms);
    each_reaches(&door, &sent, &[("archive", "verified"), ("receiver", "accepted")]).await;
    same_at(archive.station(), &sent).await;
    let kept = receiver.files().unwrap();
    let mut kept: Vec<_> = kept.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut expected: Vec<_> = phantoms.iter().map(|phantom| phantom.data_set.to_vec()).collect();
    for file in &mut kept {
        *file = outrigger_sim::part10::parts(file).unwrap().data_set.to_vec();
    }
    kept.sort();
    expected.sort();
    assert!(kept == expected, "what the receiver keeps is what was sent, each once");
}

#[tokio::test]
async fn peer_pynetdicom_sends_and_two_of_its_kind_keep() {
    let ours = answers();
    let archive = PynetdicomQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    let receiver = PynetdicomStoreScp::start(&ae("STORESCP"), &[]).await.unwrap();
    let members = [
        Behind::new("archive", archive.station(), "present").by("read_back = \"move\""),
        Behind::new("receiver", receiver.station(), "accepted"),
    ];
    let door = Door::open_at(&ours, &members).await;
    let directory = TempDir::new().unwrap();
    let phantoms = mixed(5);
    files(&directory, &phantoms);
    let scu = PynetdicomStoreScu { calling: &ae("CT1"), called: &door.station(), path: directory.path() };
    let run = scu.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    let sent = as_objects(&phantoms);
    each_reaches(&door, &sent, &[("archive", "present"), ("receiver", "accepted")]).await;
    assert_eq!((archive.files().unwrap().len(), receiver.files().unwrap().len()), (sent.len(), sent.len()));
}

#[tokio::test]
async fn peer_pixelmed_is_verified_by_move_beside_an_embedded_archive() {
    let ours = answers();
    let theirs = PixelMed::start(&ae("PIXELMED"), std::slice::from_ref(&ours)).await.unwrap();
    let embedded = Archive::start("EMBEDDED", "redb").await;
    let members = [
        Behind::new("pixelmed", theirs.station(), "verified").by("read_back = \"move\""),
        Behind::new("embedded", &embedded.station(), "verified"),
    ];
    let door = Door::open_at(&ours, &members).await;
    let sent = as_objects(&mixed(6));
    send(&door.station(), &sent).await;
    each_reaches(&door, &sent, &[("pixelmed", "verified"), ("embedded", "verified")]).await;
    same_at(&embedded.station(), &sent).await;
}
