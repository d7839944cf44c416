//! Command sets: what is written is read back, what others write is understood or named.

use outrigger_dimse::command::{CommandError, read, write};
use outrigger_dimse::{Command, DataSet, Outcome, Priority, SubOperations};
use outrigger_model::{SopClassUid, SopInstanceUid, Status, Tag, sop_class};
use proptest::prelude::*;

use crate::script::{CT, ae, class};

const MESSAGE_ID: u16 = 0x1234;

/// One of each kind, with every argument.
fn every_command() -> Vec<Command> {
    let message_id = MESSAGE_ID;
    let outcome = failure();
    let mut commands = vec![
        Command::CEchoRq { message_id },
        Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) },
        Command::CCancelRq { message_id },
        Command::Unsupported { field: 0x0140, message_id },
        Command::Refusal { field: 0x0140, message_id, outcome },
    ];
    commands.extend(stores());
    commands.extend(queries());
    commands.extend(n_services());
    commands
}

fn failure() -> Outcome {
    Outcome {
        status: Status(0xA900),
        error_comment: Some("Study Instance UID is missing".to_owned()),
        offending: vec![Tag::STUDY_INSTANCE_UID, Tag::SOP_CLASS_UID],
    }
}

fn instance() -> SopInstanceUid {
    SopInstanceUid::known("1.2.3.4.5")
}

fn stores() -> [Command; 2] {
    let message_id = MESSAGE_ID;
    [
        Command::CStoreRq {
            message_id,
            sop_class: class(CT),
            sop_instance: instance(),
            priority: Priority::High,
            move_originator: Some((ae("MOVER"), 77)),
        },
        Command::CStoreRsp {
            message_id,
            sop_class: Some(class(CT)),
            sop_instance: Some(instance()),
            outcome: failure(),
        },
    ]
}

fn queries() -> [Command; 6] {
    let message_id = MESSAGE_ID;
    let sop_class = class(sop_class::STUDY_ROOT_FIND);
    let sub_operations =
        SubOperations { remaining: Some(4), completed: Some(3), failed: Some(2), warning: Some(1) };
    let class_sent = Some(sop_class.clone());
    let priority = Priority::Low;
    [
        Command::CFindRq { message_id, sop_class: sop_class.clone(), priority },
        Command::CFindRsp { message_id, sop_class: class_sent.clone(), outcome: failure() },
        Command::CGetRq { message_id, sop_class: sop_class.clone(), priority: Priority::Medium },
        Command::CGetRsp {
            message_id,
            sop_class: class_sent,
            outcome: Outcome::of(Status::PENDING),
            sub_operations,
        },
        Command::CMoveRq { message_id, sop_class, priority, destination: ae("VIEWER") },
        Command::CMoveRsp {
            message_id,
            sop_class: None,
            outcome: Outcome::of(Status::CANCEL),
            sub_operations: SubOperations::default(),
        },
    ]
}

fn n_services() -> [Command; 4] {
    let message_id = MESSAGE_ID;
    let sop_class = class(sop_class::STORAGE_COMMITMENT_PUSH);
    let (class_sent, instance_sent) = (Some(sop_class.clone()), Some(instance()));
    [
        Command::NActionRq {
            message_id,
            sop_class: sop_class.clone(),
            sop_instance: instance(),
            action_type: 1,
        },
        Command::NActionRsp {
            message_id,
            sop_class: class_sent.clone(),
            sop_instance: instance_sent.clone(),
            action_type: Some(1),
            outcome: failure(),
        },
        Command::NEventReportRq { message_id, sop_class, sop_instance: instance(), event_type: 2 },
        Command::NEventReportRsp {
            message_id,
            sop_class: class_sent,
            sop_instance: instance_sent,
            event_type: None,
            outcome: failure(),
        },
    ]
}

/// The elements of a command set, read without our reader.
fn elements(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut elements = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        assert_eq!(rest[..2], [0, 0], "group 0000");
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        assert_eq!(length % 2, 0, "values are even");
        elements.push((u16::from_le_bytes([rest[2], rest[3]]), rest[8..8 + length].to_vec()));
        rest = &rest[8 + length..];
    }
    elements
}

#[test]
fn every_command_is_read_back() {
    for command in every_command() {
        for data_set in [DataSet::Absent, DataSet::Follows] {
            let bytes = write(&command, data_set);
            assert_eq!(read(&bytes), Ok((command.clone(), data_set)));
        }
    }
}

#[test]
fn elements_ascend_behind_a_true_group_length() {
    for command in every_command() {
        let bytes = write(&command, DataSet::Absent);
        let elements = elements(&bytes);
        assert!(elements.is_sorted_by_key(|(element, _)| *element), "{command:?}");
        let (first, length) = &elements[0];
        assert_eq!(*first, 0, "{command:?}");
        let length = u32::from_le_bytes(length[..].try_into().unwrap()) as usize;
        assert_eq!(length, bytes.len() - 12, "{command:?}");
    }
}

#[test]
fn an_echo_request_byte_for_byte() {
    let expected = [
        &[0, 0, 0, 0, 4, 0, 0, 0, 56, 0, 0, 0][..],
        &[0, 0, 2, 0, 18, 0, 0, 0],
        b"1.2.840.10008.1.1\0",
        &[0, 0, 0, 1, 2, 0, 0, 0, 0x30, 0],
        &[0, 0, 0x10, 1, 2, 0, 0, 0, 7, 0],
        &[0, 0, 0, 8, 2, 0, 0, 0, 1, 1],
    ]
    .concat();
    assert_eq!(write(&Command::CEchoRq { message_id: 7 }, DataSet::Absent), expected);
}

/// A command set of these elements.
fn of(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let element = |(number, value): &(u16, &[u8])| {
        let length = u32::try_from(value.len()).unwrap();
        [&[0, 0], &number.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
    };
    elements.iter().flat_map(element).collect()
}

const STORE: (u16, &[u8]) = (0x0100, &[1, 0]);
const ID: (u16, &[u8]) = (0x0110, &[9, 0]);
const DATA: (u16, &[u8]) = (0x0800, &[0, 0]);

#[test]
fn peers_pad_uids_and_leave_out_what_they_may() {
    let bytes = of(&[(0x0002, b"1.2 "), STORE, ID, DATA, (0x1000, b"1.3\0"), (0x9999, b"??")]);
    let expected = Command::CStoreRq {
        message_id: 9,
        sop_class: SopClassUid::known("1.2"),
        sop_instance: SopInstanceUid::known("1.3"),
        priority: Priority::Medium,
        move_originator: None,
    };
    assert_eq!(read(&bytes), Ok((expected, DataSet::Follows)));
}

#[test]
fn a_request_with_a_bad_argument_can_be_answered() {
    let missing = CommandError::Missing { tag: Tag(0, 0x1000) };
    let cases = [
        (of(&[(0x0002, b"1.2\0"), STORE, ID, DATA]), missing.clone()),
        (of(&[(0x0002, b"1.2\0"), STORE, ID, DATA, (0x1000, b"")]), missing),
        (
            of(&[(0x0002, b"1.2\0"), STORE, ID, DATA, (0x1000, b"1.2"), (0x0700, &[1, 2, 3])]),
            CommandError::BadValue { tag: Tag(0, 0x0700) },
        ),
    ];
    for (bytes, problem) in cases {
        let (command, data_set) = read(&bytes).unwrap();
        assert_eq!(command, Command::Malformed { field: 1, message_id: 9, problem });
        assert_eq!(data_set, DataSet::Follows);
        let refusal = command.refusal(Outcome::of(Status(0x0212))).unwrap();
        assert_eq!(refusal.field(), 0x8001);
        assert_eq!(refusal.message_id(), 9);
    }
}

#[test]
fn what_has_no_response_is_not_refused() {
    for command in every_command() {
        let wants_answer = command.field() & 0x8000 == 0 && command.field() != 0x0FFF;
        assert_eq!(command.is_request(), wants_answer);
        assert_eq!(command.refusal(Outcome::of(Status(0x0211))).is_some(), wants_answer, "{command:?}");
        assert_eq!(command.outcome().is_some(), command.field() & 0x8000 != 0);
    }
}

#[test]
fn comments_are_cut_and_made_plain() {
    let outcome = Outcome::with_comment(Status(0xC000), format!("l\u{e4}nge\\{}", "x".repeat(100)));
    let response = Command::CEchoRsp { message_id: 1, outcome };
    let (command, _) = read(&write(&response, DataSet::Absent)).unwrap();
    let comment = command.outcome().unwrap().error_comment.clone().unwrap();
    assert_eq!(comment, format!("l nge {}", "x".repeat(58)));
}

#[test]
fn what_cannot_be_read_is_named() {
    let cases = [
        (vec![0, 0, 0, 1, 0xF0, 0xFF, 0xFF, 0xFF], CommandError::Truncated { offset: 0 }),
        ([of(&[STORE]), vec![0, 0, 0]].concat(), CommandError::Truncated { offset: 10 }),
        (vec![8, 0, 5, 0, 0, 0, 0, 0], CommandError::ForeignGroup { tag: Tag(8, 5) }),
        (of(&[STORE; 65]), CommandError::TooManyElements),
        (of(&[STORE, ID]), CommandError::Missing { tag: Tag(0, 0x0800) }),
        (of(&[STORE, DATA]), CommandError::Missing { tag: Tag(0, 0x0110) }),
    ];
    for (bytes, error) in cases {
        assert_eq!(read(&bytes), Err(error), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((command, data_set)) = read(&bytes) {
            prop_assert!(!write(&command, data_set).is_empty());
        }
    }

    #[test]
    fn a_changed_byte_never_brings_the_reader_down(
        kind in 0..17_usize, place in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = write(&every_command()[kind], DataSet::Absent).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok((command, data_set)) = read(&bytes) {
            let again = read(&write(&command, data_set)).map(|(command, _)| command);
            if !matches!(command, Command::Malformed { .. }) {
                prop_assert_eq!(again.map(|command| command.field()), Ok(command.field()));
            }
        }
    }
}
