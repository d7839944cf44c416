//! Relational retrieval (PS3.4 section C.4.3.3.2): what UIDs name is given without the keys of the levels above.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::write::write;
use outrigger_dimse::associate::ExtendedNegotiation;
use outrigger_dimse::{
    Association, Command, Incoming, Outcome, Priority, Proposal, ProposedContext, RoleSelection, Roles,
    Settings, Timers, request_extended,
};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, Status, Tag, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_sim::phantom::{Phantom, Place, Shape};

use crate::door::{Door, ae};
use crate::modality::{Object, send};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const PATIENCE: Duration = Duration::from_secs(60);

async fn associated(door: &Door, asked: &'static [u8]) -> Association {
    let root = SopClassUid::known(sop_class::STUDY_ROOT_GET);
    let context = |id, class: &SopClassUid| ProposedContext {
        id,
        abstract_syntax: class.clone(),
        transfer_syntaxes: vec![TransferSyntaxUid::known(EXPLICIT_VR_LE)],
    };
    let ct = SopClassUid::known(CT);
    let proposal = Proposal {
        calling: ae("WS1"),
        called: ae("OUTRIGGER"),
        contexts: vec![context(1, &root), context(3, &ct)],
        roles: vec![RoleSelection { sop_class: ct, roles: Roles { scu: false, scp: true } }],
    };
    let extended = ExtendedNegotiation { sop_class: root, information: asked.into() };
    let extended = if asked.is_empty() { Vec::new() } else { vec![extended] };
    let timers = Timers { response: PATIENCE, inactivity: PATIENCE, ..Timers::STANDARD };
    let stream = Tcp.connect(&door.station().address().to_string()).await.unwrap();
    request_extended(stream, &Settings { timers, ..Settings::STANDARD }, proposal, extended).await.unwrap()
}

/// The instances that come, and the last status.
async fn get(
    association: &mut Association,
    level: &str,
    keys: &[(Tag, String)],
) -> (BTreeSet<String>, Status) {
    let mut identifier = DataSet::default();
    identifier.put(Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, level));
    for (tag, value) in keys {
        identifier.put(Element::text(*tag, Vr::UI, value));
    }
    let (message_id, sop_class) =
        (association.next_message_id(), SopClassUid::known(sop_class::STUDY_ROOT_GET));
    let request = Command::CGetRq { message_id, sop_class, priority: Priority::Medium };
    association.send_with(1, &request, write(&identifier, Form::ExplicitLittle).into()).await.unwrap();
    let mut came = BTreeSet::new();
    loop {
        let Incoming::Message { context, command, .. } = association.receive().await.unwrap() else {
            panic!("a release in the middle of a retrieval");
        };
        match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                association.data_set(1 << 24).await.unwrap();
                came.insert(sop_instance.to_string());
                let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
                let outcome = Outcome::of(Status::SUCCESS);
                let response = Command::CStoreRsp { message_id, sop_class, sop_instance, outcome };
                association.send(context, &response).await.unwrap();
            }
            Command::CGetRsp { outcome, .. } if outcome.status == Status::PENDING => {}
            Command::CGetRsp { outcome, .. } => return (came, outcome.status),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_uids_name_is_retrieved_without_the_keys_above() {
    let door = Door::open(&[]).await;
    let place = |patient, series, instance| Place { patient, study: 0, series, instance };
    let places = [place(0, 0, 0), place(0, 0, 1), place(0, 1, 0), place(1, 0, 0), place(2, 0, 0)];
    let objects = places.map(|place| Object::from(Phantom::new(31, place, Shape::SmallCt)));
    send(&door.station(), &objects).await;
    let uid = |at: usize| objects[at].header.sop_instance.to_string();
    let study = |at: usize| objects[at].header.study.as_ref().unwrap().to_string();
    let series = |at: usize| objects[at].header.series.as_ref().unwrap().to_string();
    let of = |places: &[usize]| -> BTreeSet<String> { places.iter().map(|at| uid(*at)).collect() };
    for (asked, agreed) in [(&[][..], &[][..]), (&[1], &[1]), (&[1, 1], &[1, 0])] {
        let mut association = associated(&door, asked).await;
        assert_eq!(association.context(1).unwrap().extended, agreed);
        for (level, keys, expected) in [
            ("SERIES", vec![(Tag::SERIES_INSTANCE_UID, series(0))], of(&[0, 1])),
            (
                "SERIES",
                vec![(Tag::SERIES_INSTANCE_UID, format!("{}\\{}", series(2), series(3)))],
                of(&[2, 3]),
            ),
            ("IMAGE", vec![(Tag::SOP_INSTANCE_UID, format!("{}\\{}", uid(4), uid(1)))], of(&[4, 1])),
            (
                "STUDY",
                vec![(Tag::STUDY_INSTANCE_UID, format!("{}\\{}", study(0), study(4)))],
                of(&[0, 1, 2, 4]),
            ),
            // A study that is named confines it.
            (
                "SERIES",
                vec![(Tag::STUDY_INSTANCE_UID, study(3)), (Tag::SERIES_INSTANCE_UID, series(0))],
                of(&[]),
            ),
        ] {
            let came = get(&mut association, level, &keys).await;
            assert_eq!(came, (expected, Status::SUCCESS), "{level} {keys:?} {asked:?}");
        }
        let nothing = get(&mut association, "SERIES", &[(Tag::STUDY_INSTANCE_UID, study(0))]).await;
        assert_eq!(nothing, (BTreeSet::new(), Status::DATA_SET_MISMATCH));
    }
}
