//! `docs/conformance.md` held against what a front door negotiates: each of its tables against associations with one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outrigger_dimse::associate::{ContextRefusal, ExtendedNegotiation};
use outrigger_dimse::{Association, Proposal, ProposedContext, Settings, request, request_extended};
use outrigger_model::{SopClassUid, TransferSyntaxUid, sop_class, transfer_syntax};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;

use crate::door::{Door, ae};

const STATEMENT: &str = include_str!("../../../docs/conformance.md");
const CONNECT: Duration = Duration::from_secs(10);
/// Presentation contexts that fit into one association (PS3.8 section 9.3.2.2).
const CONTEXTS: usize = 128;

/// The rows of the table under a heading, each as its cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let after = STATEMENT.split_once(&format!("# {heading}\n")).expect(heading).1;
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let table = after.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<String>> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table under `{heading}`");
    rows
}

/// Name and UID of each row; the UID stands in the second cell.
fn uids(heading: &str) -> BTreeMap<String, String> {
    rows(heading).into_iter().map(|row| (row[1].clone(), row[0].clone())).collect()
}

async fn associate(door: &Door, contexts: &[(&str, Vec<&str>)]) -> Association {
    let proposed =
        contexts.iter().zip((1..=u8::MAX).step_by(2)).map(|((class, syntaxes), id)| ProposedContext {
            id,
            abstract_syntax: SopClassUid::new(class).unwrap(),
            transfer_syntaxes: syntaxes.iter().map(|uid| TransferSyntaxUid::new(uid).unwrap()).collect(),
        });
    let address = door.station().address();
    let stream = dial(&Tcp, &address.to_string(), None, CONNECT).await.unwrap();
    let proposal = Proposal {
        calling: ae("CONFORMS"),
        called: ae("OUTRIGGER"),
        contexts: proposed.collect(),
        roles: Vec::new(),
    };
    request(stream, &Settings::STANDARD, proposal).await.unwrap()
}

/// Which of the classes are accepted, each proposed in the default encoding.
async fn accepted(door: &Door, classes: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    let classes: Vec<&str> = classes.iter().copied().collect();
    for some in classes.chunks(CONTEXTS) {
        let contexts: Vec<_> =
            some.iter().map(|class| (*class, vec![transfer_syntax::IMPLICIT_VR_LE])).collect();
        let association = associate(door, &contexts).await;
        taken
            .extend(association.contexts().iter().map(|context| context.abstract_syntax.as_str().to_owned()));
        for (_, why) in association.refused() {
            assert_eq!(*why, ContextRefusal::AbstractSyntax);
        }
        association.release().await.unwrap();
    }
    taken
}

/// What a front door might be asked for beside storage: served classes of the statement, and classes that it does not name.
const OTHER_CLASSES: [&str; 22] = [
    sop_class::VERIFICATION,
    sop_class::STORAGE_COMMITMENT_PUSH,
    sop_class::PATIENT_ROOT_FIND,
    sop_class::PATIENT_ROOT_MOVE,
    sop_class::PATIENT_ROOT_GET,
    sop_class::STUDY_ROOT_FIND,
    sop_class::STUDY_ROOT_MOVE,
    sop_class::STUDY_ROOT_GET,
    "1.2.840.10008.5.1.4.1.2.3.1",
    "1.2.840.10008.5.1.4.1.2.3.2",
    "1.2.840.10008.5.1.4.1.2.3.3",
    "1.2.840.10008.5.1.4.1.2.4.2",
    "1.2.840.10008.5.1.4.1.2.5.3",
    "1.2.840.10008.1.20.2",
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.3.1.2.3.3",
    "1.2.840.10008.3.1.2.3.4",
    "1.2.840.10008.5.1.4.33",
    "1.2.840.10008.5.1.4.34.6.1",
    "1.2.840.10008.5.1.1.9",
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.1.40",
];

#[tokio::test]
async fn the_services_of_the_statement_are_those_that_are_negotiated() {
    let door = Door::open(&[]).await;
    let stated: BTreeSet<String> = uids("Services accepted at the front door").into_keys().collect();
    assert_eq!(accepted(&door, &BTreeSet::from(OTHER_CLASSES)).await, stated);
}

#[tokio::test]
async fn the_storage_classes_of_the_statement_are_those_that_are_negotiated() {
    let door = Door::open(&[]).await;
    let stated = uids("Storage SOP classes");
    let known: BTreeSet<&str> = sop_class::storage_uids().collect();
    assert_eq!(stated.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for (uid, name) in &stated {
        assert_eq!(sop_class::storage_name(&SopClassUid::new(uid).unwrap()), Some(name.as_str()), "{uid}");
    }
    let taken = accepted(&door, &known).await;
    assert_eq!(taken, stated.into_keys().collect());
    // A class nobody knows is stored as well, as the statement says.
    let private = BTreeSet::from(["1.3.6.1.4.1.99999.1"]);
    assert_eq!(accepted(&door, &private).await.len(), 1);
}

/// The first of the transfer syntaxes that a context is accepted with, all of them proposed in one.
async fn chosen(door: &Door, class: &str, syntaxes: &[&str]) -> Option<String> {
    let association = associate(door, &[(class, syntaxes.to_vec())]).await;
    let chosen = association.contexts().first().map(|context| context.transfer_syntax.as_str().to_owned());
    association.release().await.unwrap();
    chosen
}

#[tokio::test]
async fn the_transfer_syntaxes_are_preferred_in_the_order_of_the_statement() {
    let door = Door::open(&[]).await;
    for (heading, class) in [
        ("Transfer syntaxes of storage, in order of preference", "1.2.840.10008.5.1.4.1.1.2"),
        ("Transfer syntaxes of the other services, in order of preference", sop_class::STUDY_ROOT_FIND),
    ] {
        let stated: Vec<String> = rows(heading).into_iter().map(|row| row[1].clone()).collect();
        let stated: Vec<&str> = stated.iter().map(String::as_str).collect();
        for (at, first) in stated.iter().enumerate() {
            let mut proposed = stated[at..].to_vec();
            proposed.reverse();
            assert_eq!(chosen(&door, class, &proposed).await.as_deref(), Some(*first), "{heading}");
        }
    }
    // What the statement does not list is kept as it comes where it is storage, and refused elsewhere.
    let private = "1.3.6.1.4.1.99999.2";
    assert_eq!(chosen(&door, "1.2.840.10008.5.1.4.1.1.2", &[private]).await.as_deref(), Some(private));
    assert_eq!(chosen(&door, sop_class::STUDY_ROOT_FIND, &[private]).await, None);
}

/// What is answered to extended negotiation that asks for everything, as the cells of the statement.
async fn agreed(door: &Door, class: &'static str, bytes: usize) -> Vec<String> {
    let sop_class = SopClassUid::known(class);
    let proposal = Proposal {
        calling: ae("CONFORMS"),
        called: ae("OUTRIGGER"),
        contexts: vec![ProposedContext {
            id: 1,
            abstract_syntax: sop_class.clone(),
            transfer_syntaxes: vec![TransferSyntaxUid::known(transfer_syntax::IMPLICIT_VR_LE)],
        }],
        roles: Vec::new(),
    };
    let asked = ExtendedNegotiation { sop_class, information: vec![1; bytes].into() };
    let stream = dial(&Tcp, &door.station().address().to_string(), None, CONNECT).await.unwrap();
    let association = request_extended(stream, &Settings::STANDARD, proposal, vec![asked]).await.unwrap();
    let answered = association.context(1).unwrap().extended.clone();
    association.release().await.unwrap();
    answered.iter().map(|byte| if *byte == 1 { "yes".to_owned() } else { "no".to_owned() }).collect()
}

#[tokio::test]
async fn what_is_agreed_on_for_queries_and_retrievals_is_what_the_statement_says() {
    let door = Door::open(&[]).await;
    let stated: Vec<Vec<String>> =
        rows("Queries").into_iter().filter(|row| row.len() == 3 && row[0].parse::<u8>().is_ok()).collect();
    let words = |rows: &[Vec<String>]| rows.iter().map(|row| row[2].clone()).collect::<Vec<_>>();
    let (queries, retrievals) = stated.split_at(7);
    assert_eq!(agreed(&door, sop_class::STUDY_ROOT_FIND, 7).await, words(queries));
    for class in [sop_class::STUDY_ROOT_MOVE, sop_class::PATIENT_ROOT_GET] {
        assert_eq!(agreed(&door, class, 2).await, words(retrievals), "{class}");
    }
}

#[tokio::test]
async fn the_names_and_limits_of_the_statement_are_those_of_an_association() {
    let door = Door::open(&[]).await;
    let association =
        associate(&door, &[(sop_class::VERIFICATION, vec![transfer_syntax::IMPLICIT_VR_LE])]).await;
    let stated: BTreeMap<String, String> =
        rows("Association establishment").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let peer = association.peer();
    assert_eq!(stated["Implementation Class UID"], peer.implementation_class);
    assert_eq!(Some(&stated["Implementation Version Name"]), peer.implementation_version.as_ref());
    assert_eq!(stated["Maximum PDU length received"], format!("{} bytes", peer.max_pdu));
    association.release().await.unwrap();
}
