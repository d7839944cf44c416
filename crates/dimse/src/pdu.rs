//! PDUs on the wire (PS3.8 section 9.3): headers checked before anything is allocated, P-DATA without copying.

use std::fmt;

use bytes::Bytes;

use crate::cursor::{Cursor, Short};
use crate::settings::ASSOCIATE_PDU_MAX;

/// Bytes before the variable field: type, reserved, length.
pub const HEADER_BYTES: usize = 6;
/// Bytes of a PDV before its data: length, context id, message control header.
pub const PDV_HEADER_BYTES: usize = 6;
/// The length field of every PDU with fixed content.
const FIXED_LENGTH: u32 = 4;

/// The PDU types of PS3.8 section 9.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PduKind {
    /// 01H: A-ASSOCIATE-RQ.
    AssociateRequest,
    /// 02H: A-ASSOCIATE-AC.
    AssociateAccept,
    /// 03H: A-ASSOCIATE-RJ.
    AssociateReject,
    /// 04H: P-DATA-TF.
    Data,
    /// 05H: A-RELEASE-RQ.
    ReleaseRequest,
    /// 06H: A-RELEASE-RP.
    ReleaseReply,
    /// 07H: A-ABORT.
    Abort,
}

/// A PDU header that keeps the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub kind: PduKind,
    /// The length of what follows the header, in bytes.
    pub length: u32,
}

/// What is wrong with bytes that should be a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// A type outside the standard.
    #[error("the PDU type {kind:#04x} is unknown")]
    UnknownType {
        /// The type byte.
        kind: u8,
    },
    /// Longer than we offered, or than any PDU of its kind.
    #[error("the {kind:?} PDU announces {length} bytes, {limit} are allowed")]
    TooLong {
        /// The type.
        kind: PduKind,
        /// The length announced.
        length: u32,
        /// The length allowed.
        limit: u32,
    },
    /// A length that its kind never has.
    #[error("the {kind:?} PDU announces {length} bytes, which is no length of its kind")]
    BadLength {
        /// The type.
        kind: PduKind,
        /// The length announced.
        length: u32,
    },
    /// PDVs that do not fill the P-DATA-TF exactly.
    #[error("a presentation data value does not fit its P-DATA-TF PDU")]
    BadPdv,
}

impl PduError {
    /// The reason an A-ABORT gives for it (PS3.8 table 9-26).
    pub fn abort_reason(self) -> AbortReason {
        match self {
            Self::UnknownType { .. } => AbortReason::UnrecognizedPdu,
            Self::TooLong { .. } | Self::BadLength { .. } | Self::BadPdv => {
                AbortReason::InvalidParameterValue
            }
        }
    }
}

impl Header {
    /// Checks a header; `data_max` is the P-DATA-TF length we offered.
    pub fn read(bytes: [u8; HEADER_BYTES], data_max: u32) -> Result<Self, PduError> {
        let [kind, _, l0, l1, l2, l3] = bytes;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let kind = match kind {
            1 => PduKind::AssociateRequest,
            2 => PduKind::AssociateAccept,
            3 => PduKind::AssociateReject,
            4 => PduKind::Data,
            5 => PduKind::ReleaseRequest,
            6 => PduKind::ReleaseReply,
            7 => PduKind::Abort,
            _ => return Err(PduError::UnknownType { kind }),
        };
        let limit = match kind {
            PduKind::AssociateRequest | PduKind::AssociateAccept => ASSOCIATE_PDU_MAX,
            PduKind::Data => data_max,
            PduKind::AssociateReject | PduKind::ReleaseRequest | PduKind::ReleaseReply | PduKind::Abort => {
                return if length == FIXED_LENGTH {
                    Ok(Self { kind, length })
                } else {
                    Err(PduError::BadLength { kind, length })
                };
            }
        };
        if length > limit {
            return Err(PduError::TooLong { kind, length, limit });
        }
        if kind == PduKind::Data && (length as usize) < PDV_HEADER_BYTES {
            return Err(PduError::BadLength { kind, length });
        }
        Ok(Self { kind, length })
    }
}

/// What a presentation data value carries (PS3.8 section E.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carries {
    /// A fragment of a command set.
    Command,
    /// A fragment of a data set.
    DataSet,
}

/// Whether more fragments follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// More follow.
    More,
    /// This is the last of its command or data set.
    Last,
}

/// One presentation data value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdv {
    /// The presentation context id.
    pub context: u8,
    /// What it carries.
    pub carries: Carries,
    /// Whether it is the last.
    pub part: Part,
    /// The fragment, a slice of the PDU read.
    pub data: Bytes,
}

impl Pdv {
    /// Takes the next PDV off the variable field of a P-DATA-TF; `None` at its end.
    pub fn next(body: &mut Bytes) -> Result<Option<Self>, PduError> {
        if body.is_empty() {
            return Ok(None);
        }
        let mut cursor = Cursor::new(std::mem::take(body));
        let pdv = Self::read(&mut cursor).map_err(|Short| PduError::BadPdv)?;
        *body = cursor.rest();
        Ok(Some(pdv))
    }

    fn read(cursor: &mut Cursor) -> Result<Self, Short> {
        let length = cursor.u32()?;
        let context = cursor.u8()?;
        let control = cursor.u8()?;
        let length = usize::try_from(length).map_err(|_| Short)?.checked_sub(2).ok_or(Short)?;
        Ok(Self {
            context,
            carries: if control & 1 == 1 { Carries::Command } else { Carries::DataSet },
            part: if control & 2 == 2 { Part::Last } else { Part::More },
            data: cursor.take(length)?,
        })
    }
}

/// The bytes before the data of a P-DATA-TF PDU with one PDV of `length` bytes.
pub fn data_head(
    context: u8,
    carries: Carries,
    part: Part,
    length: u32,
) -> [u8; HEADER_BYTES + PDV_HEADER_BYTES] {
    let pdv = (length + 2).to_be_bytes();
    let pdu = (length + 6).to_be_bytes();
    let carries = match carries {
        Carries::Command => 1,
        Carries::DataSet => 0,
    };
    let part = match part {
        Part::More => 0,
        Part::Last => 2,
    };
    let [p0, p1, p2, p3] = pdu;
    let [v0, v1, v2, v3] = pdv;
    [4, 0, p0, p1, p2, p3, v0, v1, v2, v3, context, carries | part]
}

/// A whole A-RELEASE-RQ.
pub const RELEASE_REQUEST: [u8; 10] = [5, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A whole A-RELEASE-RP.
pub const RELEASE_REPLY: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// Why a provider aborted (PS3.8 table 9-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// 0: not specified.
    NotSpecified,
    /// 1: a PDU type outside the standard.
    UnrecognizedPdu,
    /// 2: a PDU that the state does not allow.
    UnexpectedPdu,
    /// 4: a parameter outside the standard.
    UnrecognizedParameter,
    /// 5: a parameter where none is allowed.
    UnexpectedParameter,
    /// 6: a parameter with a bad value.
    InvalidParameterValue,
    /// A code the standard reserves.
    Reserved(u8),
}

/// Who aborted an association, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortSource {
    /// 0: the service user; it gives no reason.
    User,
    /// 2: the service provider.
    Provider(AbortReason),
    /// A source the standard reserves.
    Reserved(u8),
}

impl AbortSource {
    /// The whole A-ABORT PDU.
    pub fn write(self) -> [u8; 10] {
        let (source, reason) = match self {
            Self::User => (0, 0),
            Self::Provider(reason) => (2, reason.code()),
            Self::Reserved(source) => (source, 0),
        };
        [7, 0, 0, 0, 0, 4, 0, 0, source, reason]
    }

    /// Reads the variable field of an A-ABORT.
    pub fn read([_, _, source, reason]: [u8; 4]) -> Self {
        match source {
            0 => Self::User,
            2 => Self::Provider(AbortReason::of(reason)),
            _ => Self::Reserved(source),
        }
    }
}

impl AbortReason {
    fn code(self) -> u8 {
        match self {
            Self::NotSpecified => 0,
            Self::UnrecognizedPdu => 1,
            Self::UnexpectedPdu => 2,
            Self::UnrecognizedParameter => 4,
            Self::UnexpectedParameter => 5,
            Self::InvalidParameterValue => 6,
            Self::Reserved(code) => code,
        }
    }

    fn of(code: u8) -> Self {
        match code {
            0 => Self::NotSpecified,
            1 => Self::UnrecognizedPdu,
            2 => Self::UnexpectedPdu,
            4 => Self::UnrecognizedParameter,
            5 => Self::UnexpectedParameter,
            6 => Self::InvalidParameterValue,
            _ => Self::Reserved(code),
        }
    }
}

impl fmt::Display for AbortSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("service user (0)"),
            Self::Provider(reason) => write!(f, "service provider (2), {reason}"),
            Self::Reserved(source) => write!(f, "reserved source ({source})"),
        }
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotSpecified => "reason not specified",
            Self::UnrecognizedPdu => "unrecognized PDU",
            Self::UnexpectedPdu => "unexpected PDU",
            Self::UnrecognizedParameter => "unrecognized PDU parameter",
            Self::UnexpectedParameter => "unexpected PDU parameter",
            Self::InvalidParameterValue => "invalid PDU parameter value",
            Self::Reserved(_) => "reserved reason",
        };
        write!(f, "{text} ({})", self.code())
    }
}
