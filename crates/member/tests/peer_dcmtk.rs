//! Members that are DCMTK's archive and receiver.

use std::net::SocketAddr;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{
    Answers, AnswersOptions, Expectations, Member, MemberError, Outcome, ReadBack, StatusRules, classify,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{SopInstanceUid, TransactionUid};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{Body, Content, Shutdown};
use outrigger_sim::peers::{DcmQrScp, Station, StoreScp};

use crate::scripted::{ae, member, need, outgoing, spool, syntax};

fn address(station: &Station) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], station.port))
}

fn phantoms() -> Vec<Phantom> {
    [Shape::SmallCt, Shape::Ct, Shape::Mr, Shape::Sr]
        .into_iter()
        .zip(0..)
        .map(|(shape, series)| Phantom::new(1, Place { series, ..Place::default() }, shape))
        .collect()
}

fn bytes(body: Body) -> Vec<u8> {
    match body.content {
        Content::Memory(pieces) => pieces.concat(),
        Content::File(file) => {
            let mut whole = vec![0; usize::try_from(body.length).unwrap()];
            file.file().read_at(&mut whole, 0).unwrap();
            whole
        }
    }
}

async fn store(member: &impl Member, phantoms: &[Phantom]) {
    let needs: Vec<_> = phantoms.iter().map(need).collect();
    let mut session = member.open(&needs, &ae("CT1")).await.unwrap();
    for (phantom, need) in phantoms.iter().zip(&needs) {
        assert_eq!(session.takes(need).as_ref(), Some(&phantom.transfer_syntax));
        let answer = session.store(&outgoing(phantom)).await;
        assert_eq!(classify(&answer, &StatusRules::default()), Outcome::Stored, "{answer:?}");
    }
    session.release().await.unwrap();
}

#[tokio::test]
async fn peer_dcmtk_receiver_takes_every_byte() {
    let directory = tempfile::tempdir().unwrap();
    let peer = StoreScp::start(&ae("STORESCP"), &["+B"]).await.unwrap();
    let member = member(address(peer.station()), "STORESCP", ReadBack::Get, spool(&directory));
    member.health().await.unwrap();
    store(&member, &phantoms()).await;
    let mut kept: Vec<_> = peer.files().unwrap().iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut sent: Vec<_> = phantoms().iter().map(|phantom| phantom.data_set.to_vec()).collect();
    for file in &mut kept {
        *file = outrigger_dataset::part10::parts(file).unwrap().data_set.to_vec();
    }
    kept.sort();
    sent.sort();
    assert!(kept == sent, "what storescp keeps is what was sent");
}

#[tokio::test]
async fn peer_dcmtk_archive_shows_what_it_has_and_gives_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let expectations = Expectations::default();
    let (_guard, shutdown) = Shutdown::pair();
    let options = AnswersOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ae_title: ae("OUTRIGGER_M"),
        members: vec![ae("QRSCP")],
        settings: outrigger_dimse::Settings::STANDARD,
    };
    let answers = Answers::listen(&Tcp, options, expectations.clone(), spool(&directory), shutdown);
    let answers = answers.await.unwrap();
    let ours = Station { ae_title: ae("OUTRIGGER_M"), port: answers.address.port() };
    let peer = DcmQrScp::start(&ae("QRSCP"), &[ours]).await.unwrap();
    let by_move = ReadBack::Move { destination: ae("OUTRIGGER_M"), expectations };
    for (read_back, way) in [(ReadBack::Get, "C-GET"), (by_move, "C-MOVE")] {
        let member = member(address(peer.station()), "QRSCP", read_back, spool(&directory));
        store(&member, &phantoms()).await;
        for phantom in phantoms() {
            let header = &phantom.header;
            let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
            let found = member.present(study, series).await.unwrap();
            assert_eq!(found.instances, std::slice::from_ref(&header.sop_instance));
            let encodings = [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(syntax);
            let fetch =
                async |instance| member.fetch(study, series, instance, &header.sop_class, &encodings).await;
            let (taken_in, body) = fetch(&header.sop_instance).await.unwrap();
            assert_eq!(taken_in.as_str(), EXPLICIT_VR_LE, "{way}");
            assert!(bytes(body) == phantom.data_set, "{way} gives back what was stored");
            let missing = fetch(&SopInstanceUid::known("1.2.3")).await.unwrap_err();
            assert!(matches!(missing, MemberError::NotFound), "{way}: {missing:?}");
        }
    }
}

#[tokio::test]
async fn peer_dcmtk_archive_cannot_commit() {
    let directory = tempfile::tempdir().unwrap();
    let peer = DcmQrScp::start(&ae("QRSCP"), &[]).await.unwrap();
    let member = member(address(peer.station()), "QRSCP", ReadBack::Get, spool(&directory));
    let header = &phantoms()[0].header;
    let instances = [(header.sop_class.clone(), header.sop_instance.clone())];
    let error = member.commit(&TransactionUid::known("2.25.7"), &instances).await.unwrap_err();
    assert!(matches!(error, MemberError::NoContext { .. }), "{error:?}");
}
