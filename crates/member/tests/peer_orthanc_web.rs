//! Orthanc over its DICOMweb plugin and over its REST interface.

use std::time::Duration;

use outrigger_member::{Ability, DicomwebMember, Member, OrthancMember, Outcome, StatusRules, classify};
use outrigger_sim::peers::{Orthanc, OrthancSetup};

use crate::archive::{Keeps, phantoms, shows_and_gives_back};
use crate::scripted::{ae, need, outgoing, spool};
use crate::web::client;

const PATIENCE: Duration = Duration::from_secs(30);

async fn stores_shows_and_gives_back(member: &dyn Member) {
    member.health().await.unwrap();
    let able = member.abilities().await.unwrap();
    assert_eq!(able, [Ability::Echo, Ability::Query, Ability::ReadBack].into());
    let mut session = member.open(&[], &ae("CT1")).await.unwrap();
    for phantom in phantoms() {
        assert_eq!(session.takes(&need(&phantom)).as_ref(), Some(&phantom.transfer_syntax));
        let answer = session.store(&outgoing(&phantom)).await;
        let outcome = classify(&answer, &StatusRules::default());
        assert!(matches!(outcome, Outcome::Stored | Outcome::AlreadyThere), "{answer:?}");
    }
    session.release().await.unwrap();
    shows_and_gives_back(member, Keeps::Bytes).await;
}

#[tokio::test]
async fn peer_orthanc_over_dicomweb_and_over_rest() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[])).await.unwrap();
    let web = DicomwebMember::new(client(&peer.dicomweb(), PATIENCE), spool(&directory));
    stores_shows_and_gives_back(&web).await;
    let rest = OrthancMember::new(client(&peer.rest().url(""), PATIENCE), spool(&directory));
    stores_shows_and_gives_back(&rest).await;
    assert_eq!(peer.rest().count().await.unwrap(), phantoms().len() as u64);
}
