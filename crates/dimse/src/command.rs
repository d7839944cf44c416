//! DIMSE command sets (PS3.7 sections 9.3, 10.3 and Annex E), as a closed set of what we understand.

mod field;
mod read;
mod write;

use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, Status, Tag};

pub use read::{CommandError, read};
pub use write::write;

/// Whether a data set follows a command set: (0000,0800) Command Data Set Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSet {
    /// 0101: none.
    Absent,
    /// Any other value.
    Follows,
}

/// The priority asked for: (0000,0700).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// 0000; also anything outside the standard.
    #[default]
    Medium,
    /// 0001.
    High,
    /// 0002.
    Low,
}

/// How an operation went, in any response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// (0000,0900).
    pub status: Status,
    /// (0000,0902), at most 64 characters; longer ones are cut when sent.
    pub error_comment: Option<String>,
    /// (0000,0901).
    pub offending: Vec<Tag>,
}

impl Outcome {
    /// A status and nothing else.
    pub const fn of(status: Status) -> Self {
        Self { status, error_comment: None, offending: Vec::new() }
    }

    /// A status with words for the peer's log.
    pub fn with_comment(status: Status, comment: impl Into<String>) -> Self {
        Self { status, error_comment: Some(comment.into()), offending: Vec::new() }
    }
}

/// The sub-operation counters of C-GET and C-MOVE responses, each where present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubOperations {
    /// (0000,1020).
    pub remaining: Option<u16>,
    /// (0000,1021).
    pub completed: Option<u16>,
    /// (0000,1022).
    pub failed: Option<u16>,
    /// (0000,1023).
    pub warning: Option<u16>,
}

/// One command set. `message_id` is the id of the request in requests and the id responded to in responses; UIDs in
/// responses are there where the peer sent them.
#[allow(missing_docs, reason = "fields are named as the elements of PS3.7 Annex E")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// 0030.
    CEchoRq { message_id: u16 },
    /// 8030.
    CEchoRsp { message_id: u16, outcome: Outcome },
    /// 0001. `move_originator`: AE title and message id of the C-MOVE that this store is a part of.
    CStoreRq {
        message_id: u16,
        sop_class: SopClassUid,
        sop_instance: SopInstanceUid,
        priority: Priority,
        move_originator: Option<(AeTitle, u16)>,
    },
    /// 8001.
    CStoreRsp {
        message_id: u16,
        sop_class: Option<SopClassUid>,
        sop_instance: Option<SopInstanceUid>,
        outcome: Outcome,
    },
    /// 0020.
    CFindRq { message_id: u16, sop_class: SopClassUid, priority: Priority },
    /// 8020.
    CFindRsp { message_id: u16, sop_class: Option<SopClassUid>, outcome: Outcome },
    /// 0010.
    CGetRq { message_id: u16, sop_class: SopClassUid, priority: Priority },
    /// 8010.
    CGetRsp {
        message_id: u16,
        sop_class: Option<SopClassUid>,
        outcome: Outcome,
        sub_operations: SubOperations,
    },
    /// 0021.
    CMoveRq { message_id: u16, sop_class: SopClassUid, priority: Priority, destination: AeTitle },
    /// 8021.
    CMoveRsp {
        message_id: u16,
        sop_class: Option<SopClassUid>,
        outcome: Outcome,
        sub_operations: SubOperations,
    },
    /// 0FFF; `message_id` is the one of the operation to cancel. It has no response of its own.
    CCancelRq { message_id: u16 },
    /// 0130.
    NActionRq { message_id: u16, sop_class: SopClassUid, sop_instance: SopInstanceUid, action_type: u16 },
    /// 8130.
    NActionRsp {
        message_id: u16,
        sop_class: Option<SopClassUid>,
        sop_instance: Option<SopInstanceUid>,
        action_type: Option<u16>,
        outcome: Outcome,
    },
    /// 0100.
    NEventReportRq { message_id: u16, sop_class: SopClassUid, sop_instance: SopInstanceUid, event_type: u16 },
    /// 8100.
    NEventReportRsp {
        message_id: u16,
        sop_class: Option<SopClassUid>,
        sop_instance: Option<SopInstanceUid>,
        event_type: Option<u16>,
        outcome: Outcome,
    },
    /// A request of a kind we do not perform; `refusal` answers it.
    Unsupported { field: u16, message_id: u16 },
    /// A request of a kind we know that lacks an argument or has a wrong one; `refusal` answers it.
    Malformed { field: u16, message_id: u16, problem: CommandError },
    /// A response to a request of kind `field` (without the response bit), with nothing but an outcome.
    Refusal { field: u16, message_id: u16, outcome: Outcome },
}

impl Command {
    /// The answer to a request that is not performed: its kind with the response bit, and why; `None` for what has
    /// no response.
    pub fn refusal(&self, outcome: Outcome) -> Option<Self> {
        let refusal = || Self::Refusal { field: self.field(), message_id: self.message_id(), outcome };
        self.is_request().then(refusal)
    }

    /// Whether a response is owed to it.
    pub fn is_request(&self) -> bool {
        let field = self.field();
        field & field::RESPONSE == 0 && field != field::C_CANCEL_RQ
    }

    /// The message id, or the one responded to or cancelled.
    pub fn message_id(&self) -> u16 {
        match self {
            Self::CEchoRq { message_id }
            | Self::CEchoRsp { message_id, .. }
            | Self::CStoreRq { message_id, .. }
            | Self::CStoreRsp { message_id, .. }
            | Self::CFindRq { message_id, .. }
            | Self::CFindRsp { message_id, .. }
            | Self::CGetRq { message_id, .. }
            | Self::CGetRsp { message_id, .. }
            | Self::CMoveRq { message_id, .. }
            | Self::CMoveRsp { message_id, .. }
            | Self::CCancelRq { message_id }
            | Self::NActionRq { message_id, .. }
            | Self::NActionRsp { message_id, .. }
            | Self::NEventReportRq { message_id, .. }
            | Self::NEventReportRsp { message_id, .. }
            | Self::Unsupported { message_id, .. }
            | Self::Malformed { message_id, .. }
            | Self::Refusal { message_id, .. } => *message_id,
        }
    }

    /// The command field (0000,0100), as in PS3.7 table E.1-1.
    pub fn field(&self) -> u16 {
        match self {
            Self::CEchoRq { .. } => field::C_ECHO_RQ,
            Self::CEchoRsp { .. } => field::C_ECHO_RQ | field::RESPONSE,
            Self::CStoreRq { .. } => field::C_STORE_RQ,
            Self::CStoreRsp { .. } => field::C_STORE_RQ | field::RESPONSE,
            Self::CFindRq { .. } => field::C_FIND_RQ,
            Self::CFindRsp { .. } => field::C_FIND_RQ | field::RESPONSE,
            Self::CGetRq { .. } => field::C_GET_RQ,
            Self::CGetRsp { .. } => field::C_GET_RQ | field::RESPONSE,
            Self::CMoveRq { .. } => field::C_MOVE_RQ,
            Self::CMoveRsp { .. } => field::C_MOVE_RQ | field::RESPONSE,
            Self::CCancelRq { .. } => field::C_CANCEL_RQ,
            Self::NActionRq { .. } => field::N_ACTION_RQ,
            Self::NActionRsp { .. } => field::N_ACTION_RQ | field::RESPONSE,
            Self::NEventReportRq { .. } => field::N_EVENT_REPORT_RQ,
            Self::NEventReportRsp { .. } => field::N_EVENT_REPORT_RQ | field::RESPONSE,
            Self::Unsupported { field, .. } | Self::Malformed { field, .. } => *field,
            Self::Refusal { field, .. } => field | field::RESPONSE,
        }
    }

    /// What a response says; `None` for requests.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::CEchoRsp { outcome, .. }
            | Self::CStoreRsp { outcome, .. }
            | Self::CFindRsp { outcome, .. }
            | Self::CGetRsp { outcome, .. }
            | Self::CMoveRsp { outcome, .. }
            | Self::NActionRsp { outcome, .. }
            | Self::NEventReportRsp { outcome, .. }
            | Self::Refusal { outcome, .. } => Some(outcome),
            Self::CEchoRq { .. }
            | Self::CStoreRq { .. }
            | Self::CFindRq { .. }
            | Self::CGetRq { .. }
            | Self::CMoveRq { .. }
            | Self::CCancelRq { .. }
            | Self::NActionRq { .. }
            | Self::NEventReportRq { .. }
            | Self::Unsupported { .. }
            | Self::Malformed { .. } => None,
        }
    }
}
