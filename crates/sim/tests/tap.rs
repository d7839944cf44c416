//! The tap reads off the wire what a neutral receiver keeps.

use std::fs;

use outrigger_model::AeTitle;
use outrigger_sim::part10;
use outrigger_sim::peers::{Nagle, StoreScp, StoreScu};
use outrigger_sim::tap::Tap;

use crate::sending::{Study, caller};

#[tokio::test]
async fn peer_dcmtk_keeps_what_the_tap_reads() {
    let scp = StoreScp::start(&AeTitle::new("STORE").unwrap(), &["+B"]).await.unwrap();
    let tap = Tap::start(scp.station()).await.unwrap();
    let study = Study::new(71);
    let calling = caller();
    let scu = StoreScu {
        calling: &calling,
        called: tap.station(),
        files: &study.files,
        options: &[],
        nagle: Nagle::Off,
    };
    let run = scu.run().await.unwrap();
    assert_eq!(run.successes(), 3, "{}", run.run.said());
    let wired = tap.objects();
    assert!(wired.iter().all(|object| object.status == Some(0)), "{wired:?}");
    let mut read: Vec<_> = wired.into_iter().map(|object| object.bytes).collect();
    let kept = |file| part10::parts(&fs::read(file).unwrap()).unwrap().data_set.to_vec();
    let mut kept: Vec<_> = scp.files().unwrap().into_iter().map(kept).collect();
    read.sort();
    kept.sort();
    assert!(read == kept, "{} objects on the wire, {} kept", read.len(), kept.len());
}
