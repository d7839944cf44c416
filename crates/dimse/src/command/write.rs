//! Writes a command set: Implicit VR Little Endian, elements in ascending order, with its group length (PS3.7
//! section 6.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, sop_class};

use super::{Command, DataSet, Outcome, Priority, SubOperations, field};

/// Longest Error Comment: VR LO (PS3.5 table 6.2-1), in characters.
const ERROR_COMMENT_MAX: usize = 64;
/// Most offending elements written, so that a command set stays one small PDV.
const OFFENDING_MAX: usize = 16;
/// Room for every usual command set, so that writing one allocates once.
const CAPACITY: usize = 384;

/// Writes `command` as one whole command set.
pub fn write(command: &Command, data_set: DataSet) -> Bytes {
    let arguments = Arguments::of(command);
    let mut elements = Elements(BytesMut::with_capacity(CAPACITY));
    elements.group_length(0);
    elements.uid(field::AFFECTED_SOP_CLASS, arguments.affected_class);
    elements.uid(field::REQUESTED_SOP_CLASS, arguments.requested_class);
    elements.us(field::COMMAND_FIELD, Some(command.field()));
    elements.us(field::message_id_element(command.field()), Some(command.message_id()));
    elements.ae(field::MOVE_DESTINATION, arguments.destination);
    elements.us(field::PRIORITY, arguments.priority.map(priority_code));
    elements.us(field::DATA_SET_TYPE, Some(data_set_type(data_set)));
    if let Some(outcome) = command.outcome() {
        elements.outcome(outcome);
    }
    elements.uid(field::AFFECTED_SOP_INSTANCE, arguments.affected_instance);
    elements.uid(field::REQUESTED_SOP_INSTANCE, arguments.requested_instance);
    elements.us(field::EVENT_TYPE_ID, arguments.event_type);
    elements.us(field::ACTION_TYPE_ID, arguments.action_type);
    elements.us(field::REMAINING, arguments.sub_operations.remaining);
    elements.us(field::COMPLETED, arguments.sub_operations.completed);
    elements.us(field::FAILED, arguments.sub_operations.failed);
    elements.us(field::WARNING, arguments.sub_operations.warning);
    if let Some((title, message_id)) = arguments.move_originator {
        elements.ae(field::MOVE_ORIGINATOR, Some(title));
        elements.us(field::MOVE_ORIGINATOR_MESSAGE_ID, Some(*message_id));
    }
    elements.finish()
}

/// What stands in a command beyond its field, message id and outcome.
#[derive(Default)]
struct Arguments<'a> {
    affected_class: Option<&'a str>,
    requested_class: Option<&'a str>,
    affected_instance: Option<&'a str>,
    requested_instance: Option<&'a str>,
    destination: Option<&'a AeTitle>,
    priority: Option<Priority>,
    event_type: Option<u16>,
    action_type: Option<u16>,
    sub_operations: SubOperations,
    move_originator: Option<&'a (AeTitle, u16)>,
}

impl<'a> Arguments<'a> {
    fn of(command: &'a Command) -> Self {
        match command {
            Command::CEchoRq { .. } | Command::CEchoRsp { .. } => {
                Self { affected_class: Some(sop_class::VERIFICATION), ..Self::default() }
            }
            Command::CStoreRq { sop_class, sop_instance, priority, move_originator, .. } => Self {
                priority: Some(*priority),
                move_originator: move_originator.as_ref(),
                ..Self::affected(Some(sop_class), Some(sop_instance))
            },
            Command::CMoveRq { sop_class, priority, destination, .. } => Self {
                priority: Some(*priority),
                destination: Some(destination),
                ..Self::affected(Some(sop_class), None)
            },
            Command::CFindRq { sop_class, priority, .. } | Command::CGetRq { sop_class, priority, .. } => {
                Self { priority: Some(*priority), ..Self::affected(Some(sop_class), None) }
            }
            Command::CStoreRsp { sop_class, sop_instance, .. } => {
                Self::affected(sop_class.as_ref(), sop_instance.as_ref())
            }
            Command::CFindRsp { sop_class, .. } => Self::affected(sop_class.as_ref(), None),
            Command::CGetRsp { sop_class, sub_operations, .. }
            | Command::CMoveRsp { sop_class, sub_operations, .. } => {
                Self { sub_operations: *sub_operations, ..Self::affected(sop_class.as_ref(), None) }
            }
            Command::NActionRq { sop_class, sop_instance, action_type, .. } => Self {
                requested_class: Some(sop_class.as_str()),
                requested_instance: Some(sop_instance.as_str()),
                action_type: Some(*action_type),
                ..Self::default()
            },
            Command::NActionRsp { sop_class, sop_instance, action_type, .. } => Self {
                action_type: *action_type,
                ..Self::affected(sop_class.as_ref(), sop_instance.as_ref())
            },
            Command::NEventReportRq { sop_class, sop_instance, event_type, .. } => {
                Self { event_type: Some(*event_type), ..Self::affected(Some(sop_class), Some(sop_instance)) }
            }
            Command::NEventReportRsp { sop_class, sop_instance, event_type, .. } => {
                Self { event_type: *event_type, ..Self::affected(sop_class.as_ref(), sop_instance.as_ref()) }
            }
            Command::CCancelRq { .. }
            | Command::Unsupported { .. }
            | Command::Malformed { .. }
            | Command::Refusal { .. } => Self::default(),
        }
    }

    fn affected(class: Option<&'a SopClassUid>, instance: Option<&'a SopInstanceUid>) -> Self {
        Self {
            affected_class: class.map(SopClassUid::as_str),
            affected_instance: instance.map(SopInstanceUid::as_str),
            ..Self::default()
        }
    }
}

fn priority_code(priority: Priority) -> u16 {
    match priority {
        Priority::Medium => 0,
        Priority::High => 1,
        Priority::Low => 2,
    }
}

fn data_set_type(data_set: DataSet) -> u16 {
    match data_set {
        DataSet::Absent => field::NO_DATA_SET,
        DataSet::Follows => field::DATA_SET_FOLLOWS,
    }
}

/// The command set written so far.
struct Elements(BytesMut);

impl Elements {
    fn element(&mut self, element: u16, value: &[u8], padding: u8) {
        let padded = value.len() + value.len() % 2;
        self.0.put_u16_le(0);
        self.0.put_u16_le(element);
        self.0.put_u32_le(u32::try_from(padded).unwrap_or(u32::MAX));
        self.0.put_slice(value);
        self.0.put_bytes(padding, padded - value.len());
    }

    fn us(&mut self, element: u16, value: Option<u16>) {
        if let Some(value) = value {
            self.element(element, &value.to_le_bytes(), 0);
        }
    }

    fn uid(&mut self, element: u16, value: Option<&str>) {
        if let Some(value) = value {
            self.element(element, value.as_bytes(), 0);
        }
    }

    fn ae(&mut self, element: u16, value: Option<&AeTitle>) {
        if let Some(value) = value {
            self.element(element, value.as_str().as_bytes(), b' ');
        }
    }

    fn group_length(&mut self, length: u32) {
        self.element(field::GROUP_LENGTH, &length.to_le_bytes(), 0);
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.us(field::STATUS, Some(outcome.status.0));
        if !outcome.offending.is_empty() {
            let tags = outcome.offending.iter().take(OFFENDING_MAX);
            let value: Vec<u8> =
                tags.flat_map(|tag| [tag.0.to_le_bytes(), tag.1.to_le_bytes()]).flatten().collect();
            self.element(field::OFFENDING_ELEMENT, &value, 0);
        }
        if let Some(comment) = &outcome.error_comment {
            // Without a character set only the default repertoire may stand here (PS3.7 section 6.3.1).
            let plain = |c: char| if c.is_ascii_graphic() && c != '\\' { c } else { ' ' };
            let comment: String = comment.chars().take(ERROR_COMMENT_MAX).map(plain).collect();
            if !comment.trim().is_empty() {
                self.element(field::ERROR_COMMENT, comment.trim().as_bytes(), b' ');
            }
        }
    }

    /// Sets the group length, which was written as 0 at the start.
    fn finish(self) -> Bytes {
        let Self(mut bytes) = self;
        let elements = bytes.split_off(field::GROUP_LENGTH_BYTES);
        let mut whole = Self(bytes);
        whole.0.clear();
        whole.group_length(u32::try_from(elements.len()).unwrap_or(u32::MAX));
        whole.0.unsplit(elements);
        whole.0.freeze()
    }
}
