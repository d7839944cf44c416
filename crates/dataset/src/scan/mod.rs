//! The bounded scan: what an object is, told from its bytes as they stream by.
//!
//! Nothing is parsed that need not be: values are skipped by counting, but for the identifying attributes at the top
//! level, which are kept up to a limit. Memory does not grow with what arrives, nesting is counted and never recursed
//! into, and the result does not depend on how the bytes were cut. A transfer syntax that is not known is guessed from
//! the first element: explicit if a value representation stands behind the tag (big endian if the group number only
//! makes sense so), implicit little endian otherwise.

mod gather;
mod nesting;
mod sequences;
pub(crate) mod walk;

use outrigger_model::transfer_syntax::{Encoding, traits};
use outrigger_model::{InstanceHeader, Oddity, Status, Tag, TransferSyntaxUid, UidError};

use crate::form::Form;
use crate::inflate::{InflateError, Inflater};
use walk::Walk;

/// Most bytes a deflated data set is followed through: time, not memory, is what it costs.
const INFLATED_BYTES_MAX: u64 = 16 << 30;

/// Scans one data set.
pub struct Scanner {
    walk: Walk,
    inflater: Option<Inflater>,
    inflate_error: Option<InflateError>,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The identifying attributes.
    pub header: InstanceHeader,
    /// What is odd about it, each once, in the order of the enum.
    pub oddities: Vec<Oddity>,
}

/// Why an object cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The bytes end inside a value.
    #[error("the data set ends inside {tag}; {missing} bytes are missing")]
    Truncated {
        /// The element.
        tag: Tag,
        /// Bytes declared and not there.
        missing: u64,
    },
    /// The bytes end inside the header of an element, or before a sequence is closed.
    #[error("the data set ends behind {tag} with an element or a sequence begun")]
    Unfinished {
        /// The last element begun.
        tag: Tag,
    },
    /// An undefined length where the value cannot have one.
    #[error("{tag} has an undefined length and is neither a sequence nor encapsulated")]
    BadLength {
        /// The element.
        tag: Tag,
    },
    /// An item or delimiter outside a sequence, or something else among fragments.
    #[error("{tag} stands where it cannot")]
    Misplaced {
        /// What stands there.
        tag: Tag,
    },
    /// An attribute that identifies the object is absent or empty.
    #[error("{tag} is missing; an object without it cannot be identified")]
    MissingUid {
        /// The attribute.
        tag: Tag,
    },
    /// An attribute that identifies the object has a value that cannot be a UID.
    #[error("{tag} is no UID")]
    BadUid {
        /// The attribute.
        tag: Tag,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
    /// The data set is deflated and cannot be inflated.
    #[error("the data set cannot be inflated")]
    Inflate(#[source] InflateError),
}

impl ScanError {
    /// The C-STORE status that refuses the object (PS3.4 table B.2-1).
    pub fn refusal(&self) -> Status {
        match self {
            Self::MissingUid { .. } | Self::BadUid { .. } => Status::DATA_SET_MISMATCH,
            Self::Truncated { .. } | Self::Unfinished { .. } | Self::BadLength { .. } => {
                Status::CANNOT_UNDERSTAND
            }
            Self::Misplaced { .. } | Self::Inflate(_) => Status::CANNOT_UNDERSTAND,
        }
    }
}

impl Scanner {
    /// Begins the scan of a data set of a transfer syntax.
    pub fn new(transfer_syntax: &TransferSyntaxUid) -> Self {
        let (form, inflater) = match traits(transfer_syntax).encoding {
            Encoding::ImplicitLittle => (Some(Form::ImplicitLittle), None),
            Encoding::ExplicitLittle => (Some(Form::ExplicitLittle), None),
            Encoding::ExplicitBig => (Some(Form::ExplicitBig), None),
            Encoding::Deflated => (Some(Form::ExplicitLittle), Some(Inflater::new(INFLATED_BYTES_MAX))),
            Encoding::Unknown => (None, None),
        };
        Self { walk: Walk::new(form), inflater, inflate_error: None }
    }

    /// Takes the next bytes of the data set; what is wrong with them is said by `finish`.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { walk, inflater, inflate_error } = self;
        match inflater {
            None => walk.push(bytes, &mut |_, _| {}),
            Some(inflater) if inflate_error.is_none() => {
                *inflate_error = inflater.push(bytes, |plain| walk.push(plain, &mut |_, _| {})).err();
            }
            Some(_) => {}
        }
    }

    /// What the bytes pushed so far identify, be they the beginning only; nothing before all UIDs were seen.
    pub fn so_far(self) -> Option<InstanceHeader> {
        self.walk.so_far()
    }

    /// Ends the scan: the bytes pushed are the whole data set.
    pub fn finish(mut self) -> Result<Scanned, ScanError> {
        if let Some(error) = self.inflate_error {
            return Err(ScanError::Inflate(error));
        }
        if let Some(inflater) = self.inflater {
            let behind = inflater.finish().map_err(ScanError::Inflate)?;
            if behind > 0 {
                self.walk.note(Oddity::TrailingBytes);
            }
        }
        self.walk.finish()
    }
}
