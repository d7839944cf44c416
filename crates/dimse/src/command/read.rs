//! Reads a command set: Implicit VR Little Endian, group 0000 only (PS3.7 section 6.3.1).

use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, Status, Tag, UidError};

use super::{Command, DataSet, Outcome, Priority, SubOperations, field};

/// Elements taken from one command set; the largest command of PS3.7 has fifteen.
const ELEMENTS_MAX: usize = 64;
/// Offending elements kept of one response.
const OFFENDING_MAX: usize = 64;

/// Why a command set cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Bytes end inside an element, or a length points beyond the end.
    #[error("the command set ends inside the element at byte {offset}")]
    Truncated {
        /// Where the element starts.
        offset: usize,
    },
    /// An element of another group.
    #[error("the command set has the element {tag} outside group 0000")]
    ForeignGroup {
        /// The element.
        tag: Tag,
    },
    /// More elements than any command has.
    #[error("the command set has more than {ELEMENTS_MAX} elements")]
    TooManyElements,
    /// A mandatory element is absent.
    #[error("the command set lacks the element {tag}")]
    Missing {
        /// The element.
        tag: Tag,
    },
    /// A value that its VR does not allow.
    #[error("the command set has a bad value in the element {tag}")]
    BadValue {
        /// The element.
        tag: Tag,
    },
    /// A UID that cannot be taken as one.
    #[error("the command set has a bad UID in the element {tag}")]
    BadUid {
        /// The element.
        tag: Tag,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
}

/// Reads one whole command set of at most `COMMAND_SET_MAX` bytes. A request whose kind and message id are readable
/// is always returned, as `Malformed` if the rest is not.
pub fn read(bytes: &[u8]) -> Result<(Command, DataSet), CommandError> {
    let elements = Elements::scan(bytes)?;
    let field = elements.us(field::COMMAND_FIELD)?;
    let data_set = match elements.us(field::DATA_SET_TYPE)? {
        field::NO_DATA_SET => DataSet::Absent,
        _ => DataSet::Follows,
    };
    let command = if field & field::RESPONSE == 0 && field != field::C_CANCEL_RQ {
        let message_id = elements.us(field::MESSAGE_ID)?;
        request(&elements, field, message_id).unwrap_or_else(|problem| Command::Malformed {
            field,
            message_id,
            problem,
        })
    } else {
        response(&elements, field, elements.us(field::MESSAGE_ID_RESPONDED_TO)?)?
    };
    Ok((command, data_set))
}

fn request(elements: &Elements<'_>, field: u16, message_id: u16) -> Result<Command, CommandError> {
    let affected_class = || elements.sop_class(field::AFFECTED_SOP_CLASS);
    let priority = || elements.priority();
    Ok(match field {
        field::C_ECHO_RQ => Command::CEchoRq { message_id },
        field::C_STORE_RQ => Command::CStoreRq {
            message_id,
            sop_class: affected_class()?,
            sop_instance: elements.sop_instance(field::AFFECTED_SOP_INSTANCE)?,
            priority: priority()?,
            move_originator: elements.move_originator()?,
        },
        field::C_FIND_RQ => {
            Command::CFindRq { message_id, sop_class: affected_class()?, priority: priority()? }
        }
        field::C_GET_RQ => {
            Command::CGetRq { message_id, sop_class: affected_class()?, priority: priority()? }
        }
        field::C_MOVE_RQ => Command::CMoveRq {
            message_id,
            sop_class: affected_class()?,
            priority: priority()?,
            destination: elements.ae(field::MOVE_DESTINATION)?,
        },
        field::N_ACTION_RQ => Command::NActionRq {
            message_id,
            sop_class: elements.sop_class(field::REQUESTED_SOP_CLASS)?,
            sop_instance: elements.sop_instance(field::REQUESTED_SOP_INSTANCE)?,
            action_type: elements.us(field::ACTION_TYPE_ID)?,
        },
        field::N_EVENT_REPORT_RQ => Command::NEventReportRq {
            message_id,
            sop_class: affected_class()?,
            sop_instance: elements.sop_instance(field::AFFECTED_SOP_INSTANCE)?,
            event_type: elements.us(field::EVENT_TYPE_ID)?,
        },
        _ => Command::Unsupported { field, message_id },
    })
}

fn response(elements: &Elements<'_>, field: u16, message_id: u16) -> Result<Command, CommandError> {
    if field == field::C_CANCEL_RQ {
        return Ok(Command::CCancelRq { message_id });
    }
    let outcome = elements.outcome()?;
    let sop_class = elements.optional(field::AFFECTED_SOP_CLASS, Elements::sop_class)?;
    let sop_instance = elements.optional(field::AFFECTED_SOP_INSTANCE, Elements::sop_instance)?;
    Ok(match field ^ field::RESPONSE {
        field::C_ECHO_RQ => Command::CEchoRsp { message_id, outcome },
        field::C_STORE_RQ => Command::CStoreRsp { message_id, sop_class, sop_instance, outcome },
        field::C_FIND_RQ => Command::CFindRsp { message_id, sop_class, outcome },
        field::C_GET_RQ => {
            Command::CGetRsp { message_id, sop_class, outcome, sub_operations: elements.sub_operations()? }
        }
        field::C_MOVE_RQ => {
            Command::CMoveRsp { message_id, sop_class, outcome, sub_operations: elements.sub_operations()? }
        }
        field::N_ACTION_RQ => Command::NActionRsp {
            message_id,
            sop_class,
            sop_instance,
            action_type: elements.optional(field::ACTION_TYPE_ID, Elements::us)?,
            outcome,
        },
        field::N_EVENT_REPORT_RQ => Command::NEventReportRsp {
            message_id,
            sop_class,
            sop_instance,
            event_type: elements.optional(field::EVENT_TYPE_ID, Elements::us)?,
            outcome,
        },
        field => Command::Refusal { field, message_id, outcome },
    })
}

/// The elements of one command set, by element number; the first of a repeated one counts.
struct Elements<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Elements<'a> {
    fn scan(bytes: &'a [u8]) -> Result<Self, CommandError> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let truncated = || CommandError::Truncated { offset: bytes.len() - rest.len() };
            let (header, behind) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
            let [g0, g1, e0, e1, l0, l1, l2, l3] = *header;
            let (group, element) = (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
            if group != 0 {
                return Err(CommandError::ForeignGroup { tag: Tag(group, element) });
            }
            let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| truncated())?;
            let (value, behind) = behind.split_at_checked(length).ok_or_else(truncated)?;
            if found.len() == ELEMENTS_MAX {
                return Err(CommandError::TooManyElements);
            }
            found.push((element, value));
            rest = behind;
        }
        Ok(Self(found))
    }

    /// The value of an element; an empty one counts as absent.
    fn value(&self, element: u16) -> Option<&'a [u8]> {
        self.0.iter().find(|(found, value)| *found == element && !value.is_empty()).map(|(_, value)| *value)
    }

    fn needed(&self, element: u16) -> Result<&'a [u8], CommandError> {
        self.value(element).ok_or(CommandError::Missing { tag: Tag(0, element) })
    }

    /// Reads an element that may be absent.
    fn optional<T>(
        &self,
        element: u16,
        read: impl FnOnce(&Self, u16) -> Result<T, CommandError>,
    ) -> Result<Option<T>, CommandError> {
        self.value(element).map(|_| read(self, element)).transpose()
    }

    fn us(&self, element: u16) -> Result<u16, CommandError> {
        let value = self.needed(element)?;
        <[u8; 2]>::try_from(value).map(u16::from_le_bytes).map_err(|_| bad(element))
    }

    fn ae(&self, element: u16) -> Result<AeTitle, CommandError> {
        let text = str::from_utf8(self.needed(element)?).map_err(|_| bad(element))?;
        AeTitle::new(text).map_err(|_| bad(element))
    }

    fn sop_class(&self, element: u16) -> Result<SopClassUid, CommandError> {
        SopClassUid::from_bytes(self.needed(element)?)
            .map_err(|source| CommandError::BadUid { tag: Tag(0, element), source })
    }

    fn sop_instance(&self, element: u16) -> Result<SopInstanceUid, CommandError> {
        SopInstanceUid::from_bytes(self.needed(element)?)
            .map_err(|source| CommandError::BadUid { tag: Tag(0, element), source })
    }

    fn priority(&self) -> Result<Priority, CommandError> {
        Ok(match self.optional(field::PRIORITY, Self::us)? {
            Some(1) => Priority::High,
            Some(2) => Priority::Low,
            Some(_) | None => Priority::Medium,
        })
    }

    fn move_originator(&self) -> Result<Option<(AeTitle, u16)>, CommandError> {
        let title = self.optional(field::MOVE_ORIGINATOR, Self::ae)?;
        let message_id = self.optional(field::MOVE_ORIGINATOR_MESSAGE_ID, Self::us)?;
        Ok(title.zip(message_id))
    }

    fn sub_operations(&self) -> Result<SubOperations, CommandError> {
        Ok(SubOperations {
            remaining: self.optional(field::REMAINING, Self::us)?,
            completed: self.optional(field::COMPLETED, Self::us)?,
            failed: self.optional(field::FAILED, Self::us)?,
            warning: self.optional(field::WARNING, Self::us)?,
        })
    }

    fn outcome(&self) -> Result<Outcome, CommandError> {
        // LO of an unstated character set: shown as Latin-1, so that no byte is lost.
        let error_comment = self.value(field::ERROR_COMMENT).map(|value| {
            let text: String = value.iter().map(|&byte| char::from(byte)).collect();
            text.trim_matches([' ', '\0']).to_owned()
        });
        let error_comment = error_comment.filter(|text| !text.is_empty());
        let offending = self.value(field::OFFENDING_ELEMENT).unwrap_or_default();
        let offending = offending
            .as_chunks::<4>()
            .0
            .iter()
            .take(OFFENDING_MAX)
            .map(|&[a, b, c, d]| Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])));
        Ok(Outcome { status: Status(self.us(field::STATUS)?), error_comment, offending: offending.collect() })
    }
}

fn bad(element: u16) -> CommandError {
    CommandError::BadValue { tag: Tag(0, element) }
}
