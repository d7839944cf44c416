//! A member over DICOMweb gives whole series in one answer, and another steps in where it dies or hangs within one.

use std::time::Duration;

use outrigger_sim::peers::{Orthanc, OrthancSetup};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, head};
use crate::modality::{Object, same_at, send};
use crate::reading::{NO_RETENTION, released};
use crate::weblegs::{member, web};
use crate::workstation::get;

/// One instance of this many is asked about before all count as released.
const ASKED_EVERY: usize = 20;

/// A CT series of so many instances.
fn series(seed: u64, count: u32) -> Vec<Object> {
    let instance = |instance| Phantom::new(seed, Place { instance, ..Place::default() }, Shape::SmallCt);
    (0..count).map(|number| instance(number).into()).collect()
}

/// A member over DICOMweb, asked first, and an archive behind a door whose journal has let the bytes of a series go.
async fn before_web_and_archive(peer: &Orthanc, archive: &Archive, sent: &[Object]) -> Door {
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "").replace("[journal]\n", NO_RETENTION)
        + &member("web", "verified", &[web("dicomweb", &peer.dicomweb())])
        + &Behind::new("archive", &archive.station(), "verified").text();
    let door = Door::open_with(directory, &text).await;
    send(&door.station(), sent).await;
    // Asking about each takes longer than what is looked at here.
    let asked: Vec<_> = sent.iter().step_by(ASKED_EVERY).chain(sent.last()).cloned().collect();
    released(&door, &asked).await;
    door
}

/// How often Orthanc was asked for a series as a whole, and for single instances, since its log was so long.
fn asked(peer: &mut Orthanc, since: usize) -> (usize, usize) {
    let log = peer.process().log().unwrap();
    let retrievals = log
        .get(since..)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.contains("DICOMweb RetrieveS") || line.contains("GET /dicom-web/studies/"));
    let (singles, series): (Vec<_>, Vec<_>) = retrievals.partition(|line| line.contains("/instances/"));
    (series.len(), singles.len())
}

#[tokio::test]
async fn peer_orthanc_gives_a_series_in_one_answer_over_dicomweb() {
    let mut peer = Orthanc::start(&OrthancSetup::new(&ae("WEB"), &[])).await.unwrap();
    let archive = Archive::start("ARCHIVE", "sqlite").await;
    let sent = series(81, 60);
    let door = before_web_and_archive(&peer, &archive, &sent).await;
    let since = peer.process().log().unwrap().len();
    let got = get(&door.station(), &sent, &watch::Sender::new(0)).await;
    assert_eq!(got.wrong(&sent), [""; 0], "{}", door.log());
    assert_eq!(asked(&mut peer, since), (1, 0), "{}", &peer.process().log().unwrap()[since..]);
    // The control: few instances are asked for by themselves.
    let since = peer.process().log().unwrap().len();
    let few = &sent[..3];
    same_at(&door.station(), few).await;
    assert_eq!(asked(&mut peer, since).0, 0);
}

#[tokio::test]
async fn peer_orthanc_dies_or_hangs_in_the_middle_of_a_series_and_the_other_member_gives_the_rest() {
    for hang in [false, true] {
        let mut peer = Orthanc::start(&OrthancSetup::new(&ae("WEB"), &[])).await.unwrap();
        let archive = Archive::start("ARCHIVE", "sqlite").await;
        let sent = series(82, 300);
        let door = before_web_and_archive(&peer, &archive, &sent).await;
        let (station, progress) = (door.station(), watch::Sender::new(0));
        let mut counted = progress.subscribe();
        let struck = async {
            counted.wait_for(|count| *count >= 100).await.unwrap();
            if hang { peer.process().pause().unwrap() } else { peer.process().kill().unwrap() }
        };
        let (got, ()) = tokio::join!(get(&station, &sent, &progress), struck);
        assert_eq!(got.wrong(&sent), [""; 0], "{}", door.log());
        assert!(got.silent <= Duration::from_secs(4), "nothing came for {:?}", got.silent);
    }
}
