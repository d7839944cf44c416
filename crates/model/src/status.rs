//! DIMSE status codes (PS3.7 Annex C, PS3.4 table B.2-1), classed by range.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A DIMSE status as it stands in (0000,0900).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Status(pub u16);

/// What a status means for the operation (PS3.7 Annex C).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// Done.
    Success,
    /// More responses follow.
    Pending,
    /// Ended because the invoker asked for it.
    Cancel,
    /// Done, and something is to be noted.
    Warning,
    /// Not done.
    Failure,
}

impl Status {
    /// Success.
    pub const SUCCESS: Self = Self(0x0000);
    /// Processing failure.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// Invalid attribute value or duplicate SOP instance (0111).
    pub const DUPLICATE_SOP_INSTANCE: Self = Self(0x0111);
    /// SOP class not supported.
    pub const SOP_CLASS_NOT_SUPPORTED: Self = Self(0x0122);
    /// Refused: not authorised.
    pub const NOT_AUTHORIZED: Self = Self(0x0124);
    /// Unrecognised operation.
    pub const UNRECOGNIZED_OPERATION: Self = Self(0x0211);
    /// Refused: out of resources.
    pub const OUT_OF_RESOURCES: Self = Self(0xA700);
    /// Unable to calculate the number of matches (C-MOVE, C-GET).
    pub const CANNOT_COUNT_MATCHES: Self = Self(0xA701);
    /// Unable to perform sub-operations (C-MOVE, C-GET).
    pub const CANNOT_PERFORM_SUBOPERATIONS: Self = Self(0xA702);
    /// Move destination unknown.
    pub const MOVE_DESTINATION_UNKNOWN: Self = Self(0xA801);
    /// Data set, or identifier, does not match the SOP class.
    pub const DATA_SET_MISMATCH: Self = Self(0xA900);
    /// Coercion of data elements.
    pub const COERCED: Self = Self(0xB000);
    /// Data set does not match the SOP class, but was stored.
    pub const MISMATCH_STORED: Self = Self(0xB007);
    /// Elements discarded.
    pub const ELEMENTS_DISCARDED: Self = Self(0xB006);
    /// Cannot understand.
    pub const CANNOT_UNDERSTAND: Self = Self(0xC000);
    /// Cancelled.
    pub const CANCEL: Self = Self(0xFE00);
    /// Pending.
    pub const PENDING: Self = Self(0xFF00);
    /// Pending, optional keys not supported.
    pub const PENDING_OPTIONAL_KEYS: Self = Self(0xFF01);

    /// The class, by range, so that vendors' own codes are classed too.
    pub fn class(self) -> StatusClass {
        match self.0 {
            0x0000 => StatusClass::Success,
            0xFF00 | 0xFF01 => StatusClass::Pending,
            0xFE00 => StatusClass::Cancel,
            0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => StatusClass::Warning,
            _ => StatusClass::Failure,
        }
    }

    /// The standard's meaning for a C-STORE, in words.
    pub fn text(self) -> &'static str {
        match self.0 {
            0x0000 => "success",
            0x0105 => "no such attribute",
            0x0106 => "invalid attribute value",
            0x0107 => "attribute list error",
            0x0110 => "processing failure",
            0x0111 => "duplicate SOP instance",
            0x0112 => "no such SOP instance",
            0x0117 => "invalid SOP instance",
            0x0118 => "no such SOP class",
            0x0119 => "class-instance conflict",
            0x0122 => "SOP class not supported",
            0x0124 => "not authorised",
            0x0131 => "duplicate transaction UID",
            0x0210 => "duplicate invocation",
            0x0211 => "unrecognised operation",
            0x0212 => "mistyped argument",
            0x0213 => "resource limitation",
            0xA801 => "move destination unknown",
            0xA700..=0xA7FF => "refused: out of resources",
            0xA900..=0xA9FF => "data set does not match SOP class",
            0xB000 => "coercion of data elements",
            0xB006 => "elements discarded",
            0xB007 => "data set does not match SOP class, stored",
            0xB001..=0xBFFF => "stored with a warning",
            0xC000..=0xCFFF => "cannot understand",
            0xFE00 => "cancelled",
            0xFF00 | 0xFF01 => "pending",
            _ => "a status outside the standard",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classed_by_range() {
        for (code, class) in [
            (0x0000, StatusClass::Success),
            (0xB0FF, StatusClass::Warning),
            (0x0107, StatusClass::Warning),
            (0xA776, StatusClass::Failure),
            (0xC123, StatusClass::Failure),
            (0xFE00, StatusClass::Cancel),
            (0xFF01, StatusClass::Pending),
            (0x9999, StatusClass::Failure),
        ] {
            assert_eq!(Status(code).class(), class, "{code:04X}");
        }
    }
}
