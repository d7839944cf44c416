//! Queries as clients put them: rules of levels, keys that are not supported, what was agreed on beyond the baseline.

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::write::write;
use outrigger_dimse::associate::ExtendedNegotiation;
use outrigger_dimse::{Association, Command, Incoming, Outcome, Priority, Settings};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, Status, Tag, sop_class};
use outrigger_runtime::net::{Net, Tcp};

use crate::station::{Station, options, proposal, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// An association that asks for these bytes of extended negotiation, over a shelf with one image.
async fn asking(root: &str, extended: &'static [u8]) -> (Station, Association) {
    let station = Station::start(options()).await;
    let contexts: &[(&str, &[&str])] = &[(CT, &[EXPLICIT_VR_LE]), (root, &[EXPLICIT_VR_LE])];
    let stream = Tcp.connect(&station.listening.address.to_string()).await.unwrap();
    let asked =
        ExtendedNegotiation { sop_class: SopClassUid::new(root).unwrap(), information: extended.into() };
    let extended = if extended.is_empty() { Vec::new() } else { vec![asked] };
    let proposal = proposal("CT1", contexts);
    let mut association =
        outrigger_dimse::request_extended(stream, &Settings::STANDARD, proposal, extended).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    (station, association)
}

/// The statuses of all responses, and the comment of the last.
async fn ask(association: &mut Association, keys: &[(Tag, Vr, &str)]) -> (Vec<Status>, String) {
    let elements = keys.iter().map(|(tag, vr, value)| match vr {
        // Of a sequence the value is that of Scheduled Procedure Step ID in one item.
        Vr::SQ if !value.is_empty() => {
            let step = [Element::text(Tag(0x0040, 0x0009), Vr::SH, value)].into_iter().collect();
            Element::sequence(*tag, vec![step])
        }
        Vr::SQ => Element::sequence(*tag, Vec::new()),
        vr => Element::text(*tag, *vr, value),
    });
    let mut data_set = DataSet::default();
    for element in elements {
        data_set.put(element);
    }
    let message_id = association.next_message_id();
    let sop_class = association.context(3).unwrap().abstract_syntax.clone();
    let command = Command::CFindRq { message_id, sop_class, priority: Priority::Medium };
    association.send_with(3, &command, write(&data_set, Form::ExplicitLittle).into()).await.unwrap();
    let mut statuses = Vec::new();
    loop {
        let Incoming::Message { command: Command::CFindRsp { outcome, .. }, .. } =
            association.receive().await.unwrap()
        else {
            panic!("a C-FIND-RSP expected");
        };
        let Outcome { status, error_comment, .. } = outcome;
        statuses.push(status);
        if !matches!(status, Status::PENDING | Status::PENDING_OPTIONAL_KEYS) {
            return (statuses, error_comment.unwrap_or_default());
        }
        association.data_set(1 << 16).await.unwrap();
    }
}

const LEVEL: Tag = Tag::QUERY_RETRIEVE_LEVEL;

#[tokio::test]
async fn a_query_below_names_the_levels_above_with_single_values() {
    let (_station, mut study_root) = asking(sop_class::STUDY_ROOT_FIND, &[]).await;
    let (_other, mut patient_root) = asking(sop_class::PATIENT_ROOT_FIND, &[]).await;
    let study = |value| (Tag::STUDY_INSTANCE_UID, Vr::UI, value);
    let series = |value| (Tag::SERIES_INSTANCE_UID, Vr::UI, value);
    let patient = |value| (Tag::PATIENT_ID, Vr::LO, value);
    let level = |value| (LEVEL, Vr::CS, value);
    for (association, keys, missing) in [
        (0, vec![level("STUDY"), study("")], None),
        (0, vec![level("STUDY"), study("1.2\\1.3")], None),
        (0, vec![level("SERIES"), study("1.2")], None),
        (0, vec![level("SERIES")], Some("0020,000D")),
        (0, vec![level("SERIES"), study("")], Some("0020,000D")),
        (0, vec![level("SERIES"), study("1.*")], Some("0020,000D")),
        (0, vec![level("IMAGE"), series("")], Some("0020,000D")),
        // What UIDs name is answered without the keys above.
        (0, vec![level("SERIES"), study("1.2\\1.3")], None),
        (0, vec![level("SERIES"), series("1.3")], None),
        (0, vec![level("IMAGE"), study("1.2")], None),
        (0, vec![level("IMAGE"), study("1.2"), series("1.*")], None),
        (0, vec![level("IMAGE"), (Tag::SOP_INSTANCE_UID, Vr::UI, "1.4\\1.5")], None),
        (0, vec![level("IMAGE"), study("1.2"), series("1.3")], None),
        (0, vec![level("PATIENT"), patient("")], Some("no level")),
        (0, vec![level("")], Some("no Query/Retrieve Level")),
        (0, vec![study("1.2")], Some("no Query/Retrieve Level")),
        (0, vec![level("WORKITEM")], Some("WORKITEM")),
        (1, vec![level("PATIENT"), patient("P*")], None),
        (1, vec![level("STUDY"), patient("P1")], None),
        (1, vec![level("STUDY"), patient("P*")], Some("0010,0020")),
        (1, vec![level("STUDY"), study("1.2")], None),
        (1, vec![level("STUDY")], Some("0010,0020")),
        (1, vec![level("SERIES"), patient("P1"), study("1.2")], None),
        (1, vec![level("IMAGE"), patient("P1"), study("1.2"), series("1.3")], None),
        (1, vec![level("IMAGE"), patient("P1"), series("1.3")], None),
        (1, vec![level("IMAGE"), patient("P1")], Some("0020,000D")),
    ] {
        let association = if association == 0 { &mut study_root } else { &mut patient_root };
        let (statuses, comment) = ask(association, &keys).await;
        match missing {
            None => assert_eq!(statuses, [Status::PENDING, Status::SUCCESS], "{keys:?}: {comment}"),
            Some(words) => {
                assert_eq!(statuses, [Status::DATA_SET_MISMATCH], "{keys:?}");
                assert!(comment.contains(words), "{keys:?}: {comment}");
            }
        }
    }
}

#[tokio::test]
async fn relational_queries_are_answered_where_they_were_agreed_on() {
    for (extended, agreed) in [(&[][..], false), (&[0], false), (&[1], true), (&[1, 1, 1, 1, 1, 1, 1], true)]
    {
        let (_station, mut association) = asking(sop_class::STUDY_ROOT_FIND, extended).await;
        let answered = association.context(3).unwrap().extended.clone();
        let expected: Vec<u8> =
            [1, 1, 0, 0, 0, 1, 1].into_iter().zip(extended).map(|(ours, theirs)| ours * theirs).collect();
        assert_eq!(answered, expected);
        let (statuses, _) =
            ask(&mut association, &[(LEVEL, Vr::CS, "IMAGE"), (Tag::SOP_INSTANCE_UID, Vr::UI, "")]).await;
        let status = if agreed { Status::SUCCESS } else { Status::DATA_SET_MISMATCH };
        assert_eq!(statuses.last(), Some(&status), "{extended:?}");
    }
}

#[tokio::test]
async fn keys_that_are_not_supported_are_said_to_be_so() {
    let (_station, mut association) = asking(sop_class::STUDY_ROOT_FIND, &[]).await;
    for (key, status) in [
        ((Tag::PATIENT_NAME, Vr::PN, "DOE*"), Status::PENDING),
        ((Tag::STUDY_RELATED_INSTANCES, Vr::IS, ""), Status::PENDING),
        ((Tag::INSTANCE_AVAILABILITY, Vr::CS, ""), Status::PENDING),
        ((Tag::RETRIEVE_AE_TITLE, Vr::AE, ""), Status::PENDING),
        ((Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"), Status::PENDING),
        ((Tag::PROCEDURE_CODES, Vr::SQ, ""), Status::PENDING),
        // Its attribute is not kept of that sequence.
        ((Tag::PROCEDURE_CODES, Vr::SQ, "S1"), Status::PENDING_OPTIONAL_KEYS),
        // It belongs to a lower level.
        ((Tag::REQUEST_ATTRIBUTES, Vr::SQ, "S1"), Status::PENDING_OPTIONAL_KEYS),
        ((Tag(0x0008, 0x1110), Vr::SQ, ""), Status::PENDING_OPTIONAL_KEYS),
        ((Tag::MODALITY, Vr::CS, "CT"), Status::PENDING_OPTIONAL_KEYS),
        ((Tag(0x0010, 0x4000), Vr::LT, "x"), Status::PENDING_OPTIONAL_KEYS),
        ((Tag(0x0009, 0x0010), Vr::LO, "PRIVATE"), Status::PENDING_OPTIONAL_KEYS),
        ((Tag(0x0008, 0x0201), Vr::SH, "+0100"), Status::PENDING_OPTIONAL_KEYS),
    ] {
        let (statuses, comment) = ask(&mut association, &[(LEVEL, Vr::CS, "STUDY"), key]).await;
        assert_eq!(statuses, [status, Status::SUCCESS], "{key:?}: {comment}");
    }
}

#[tokio::test]
async fn keys_without_sense_are_refused_in_words() {
    let (_station, mut association) = asking(sop_class::STUDY_ROOT_FIND, &[]).await;
    let many = "A\\".repeat(5_000);
    for (tag, vr, value) in [
        (Tag::STUDY_DATE, Vr::DA, "2024"),
        (Tag::STUDY_DATE, Vr::DA, "2024*"),
        (Tag::STUDY_DATE, Vr::DA, "20240101-20240102-20240103"),
        (Tag::STUDY_DATE, Vr::DA, "-"),
        (Tag::STUDY_DATE, Vr::DA, "' OR 1=1 --"),
        (Tag::STUDY_DATE, Vr::DA, "20241399"),
        (Tag::STUDY_DATE, Vr::DA, "20240101-20240132"),
        (Tag::STUDY_TIME, Vr::TM, "9999"),
        (Tag::STUDY_TIME, Vr::TM, "1000-2400"),
        (Tag::STUDY_TIME, Vr::TM, "noon"),
        (Tag::STUDY_TIME, Vr::TM, "10?"),
        (Tag::ACCESSION_NUMBER, Vr::SH, &many),
        (Tag::MODALITIES_IN_STUDY, Vr::CS, &many),
    ] {
        let (statuses, comment) = ask(&mut association, &[(LEVEL, Vr::CS, "STUDY"), (tag, vr, value)]).await;
        assert_eq!(statuses, [Status::DATA_SET_MISMATCH], "{tag}");
        assert!(comment.contains(&format!("{tag}").trim_matches(['(', ')'])[..9]), "{tag}: {comment}");
    }
    for (tag, vr, value) in [
        (Tag::STUDY_DATE, Vr::DA, "2024.01.01-2024.02.01"),
        (Tag::STUDY_DATE, Vr::DA, "*"),
        (Tag::STUDY_DATE, Vr::DA, "20240201-20240231"),
        (Tag::STUDY_TIME, Vr::TM, "235960"),
        (Tag::STUDY_TIME, Vr::TM, "10:30-"),
        (Tag::STUDY_TIME, Vr::TM, "103000.123456"),
        (Tag::ACCESSION_NUMBER, Vr::SH, "'; DROP TABLE study; --"),
        (Tag::PATIENT_NAME, Vr::PN, &"*?".repeat(30_000)),
    ] {
        let (statuses, comment) = ask(&mut association, &[(LEVEL, Vr::CS, "STUDY"), (tag, vr, value)]).await;
        assert_eq!(statuses, [Status::PENDING, Status::SUCCESS], "{tag}: {comment}");
    }
}
