//! Who is let in, as seen from outside.

use std::sync::Arc;

use outrigger_dimse::{ContextRefusal, Rejection, RequestError};
use outrigger_front::{AuditEvent, Peer, Peers, Permission, WhenIncomplete};
use outrigger_model::sop_class;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;

use crate::station::{Station, ae, options, proposal};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn rejection<T>(outcome: Result<T, RequestError>) -> Rejection {
    match outcome {
        Err(RequestError::Rejected(rejection)) => rejection,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn callers_are_told_why_they_are_rejected() {
    let mut station = Station::start(options()).await;
    let echo: &[(&str, &[&str])] = &[(sop_class::VERIFICATION, &[EXPLICIT_VR_LE])];
    let elsewhere = outrigger_dimse::Proposal { called: ae("OTHER"), ..proposal("CT1", echo) };
    assert_eq!(rejection(station.call_as(elsewhere).await), Rejection::CALLED_AE);
    let AuditEvent::AssociationRejected { reason, .. } = station.audit.recv().await.unwrap() else {
        panic!("a rejection is audited");
    };
    assert_eq!(reason, "called AE title not recognised");

    let peer = Peer {
        ae_title: ae("CT1"),
        hosts: vec!["127.0.0.0/8".parse().unwrap()],
        allow: vec![Permission::Find],
        issuer: None,
        member: None,
        incomplete: WhenIncomplete::Warn,
        destination: None,
        commit_destination: None,
    };
    station.peers.send_replace(Arc::new(Peers(vec![peer.clone()])));
    assert_eq!(rejection(station.call_as(proposal("CT2", echo)).await), Rejection::CALLING_AE);
    let away = Peer { hosts: vec!["10.0.0.0/8".parse().unwrap()], ..peer.clone() };
    station.peers.send_replace(Arc::new(Peers(vec![away])));
    assert_eq!(rejection(station.call_as(proposal("CT1", echo)).await), Rejection::CALLING_AE);
    station.peers.send_replace(Arc::new(Peers(vec![peer])));
    station.call_as(proposal("CT1", echo)).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_caller_gets_what_it_may_use() {
    let station = Station::start(options()).await;
    let all: &[(&str, &[&str])] = &[
        (CT, &[EXPLICIT_VR_LE]),
        (sop_class::STUDY_ROOT_FIND, &[EXPLICIT_VR_LE]),
        (sop_class::STUDY_ROOT_MOVE, &[EXPLICIT_VR_LE]),
        (sop_class::VERIFICATION, &[EXPLICIT_VR_LE]),
        ("1.2.840.10008.1.3.10", &[EXPLICIT_VR_LE]),
        (CT, &["1.2.840.10008.1.2.4.94"]),
        (CT, &["1.2.840.113619.5.2"]),
        (sop_class::STORAGE_COMMITMENT_PUSH, &[EXPLICIT_VR_LE]),
    ];
    for (allow, accepted) in [
        (vec![Permission::Store], vec![1, 7, 13]),
        (vec![Permission::Find], vec![3, 7]),
        (vec![Permission::Commit], vec![7, 15]),
        (vec![Permission::Move, Permission::Store], vec![1, 5, 7, 13]),
    ] {
        let peer = Peer {
            ae_title: ae("CT1"),
            hosts: Vec::new(),
            allow: allow.clone(),
            issuer: None,
            member: None,
            incomplete: WhenIncomplete::Warn,
            destination: None,
            commit_destination: None,
        };
        station.peers.send_replace(Arc::new(Peers(vec![peer])));
        let association = station.call(all).await.unwrap();
        let ids: Vec<_> = association.contexts().iter().map(|context| context.id).collect();
        assert_eq!(ids, accepted, "{allow:?}");
        if accepted.contains(&1) {
            assert!(association.refused().contains(&(11, ContextRefusal::TransferSyntaxes)));
        }
        association.release().await.unwrap();
    }
}
