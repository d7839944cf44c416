//! Digests of what an object says, whatever its encoding, and the comparison of two copies by them.
//!
//! N1 is `SHA-256("pdn1" 00, DS)`, DS the elements that count, each as key and body, sorted by key; `tlv` says which
//! count and `canonical` what a value is. The pixels have digests of their own. `outline` compares without decoding and
//! in little memory, and says where that does not suffice; `compare` decodes.

mod attributes;
mod canonical;
mod class;
mod compare;
mod decimal;
mod outline;
mod tlv;

use bytes::Bytes;
use outrigger_model::transfer_syntax::{Pixels, traits};
use outrigger_model::{Sha256Digest, TransferSyntaxUid};
use sha2::{Digest, Sha256};

pub use attributes::AttributeDigests;
pub use compare::{Fingerprint, Verdict, compare};
pub use outline::{Outline, Outliner, compare_outlines};

use crate::element::DataSet;
use crate::form::PIXEL_VALUES;
use crate::read::{ReadError, read};
use crate::{codestream, pixel};

/// The digests of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// What it says besides the pixels.
    pub attributes: AttributeDigests,
    /// C: compressed pixels as they are; of native ones that cannot be taken as pixels, their bytes.
    pub codestream: Option<Sha256Digest>,
    /// P: the pixels, where no loss stands between them and their codestream.
    pub pixel: Option<Sha256Digest>,
}

impl Digests {
    /// Digests an object; it is read as a whole.
    pub fn of(transfer_syntax: &TransferSyntaxUid, bytes: Bytes) -> Result<Self, ReadError> {
        read(transfer_syntax, bytes).map(|data_set| Self::of_data_set(transfer_syntax, &data_set))
    }

    /// Digests an object that was read.
    pub fn of_data_set(transfer_syntax: &TransferSyntaxUid, data_set: &DataSet) -> Self {
        let has_pixels = PIXEL_VALUES.iter().any(|tag| data_set.get(*tag).is_some());
        let pixels = if has_pixels { attributes::Pixels::Present } else { attributes::Pixels::Absent };
        // Pixels that contradict their attributes have no canonical form; their bytes are compared instead.
        let pixel = pixel::digest(transfer_syntax, data_set).unwrap_or(None);
        let codestream = codestream::digest(transfer_syntax, data_set);
        let bytes = || if pixel.is_none() { native_bytes(transfer_syntax, data_set) } else { None };
        Self {
            attributes: AttributeDigests::of(data_set, pixels),
            codestream: codestream.or_else(bytes),
            pixel,
        }
    }
}

/// The bytes of native pixel data without padding.
fn native_bytes(transfer_syntax: &TransferSyntaxUid, data_set: &DataSet) -> Option<Sha256Digest> {
    let mut hash = Sha256::new().chain_update(b"pdb1\0");
    if traits(transfer_syntax).pixels != Pixels::Native {
        hash.update(transfer_syntax.as_str());
    }
    let mut values = PIXEL_VALUES.iter().filter_map(|tag| Some((tag, data_set.bytes(*tag)?))).peekable();
    values.peek()?;
    for (tag, bytes) in values {
        hash.update(tag.0.to_be_bytes());
        hash.update(tag.1.to_be_bytes());
        hash.update(canonical::unpadded(bytes));
    }
    Some(Sha256Digest(hash.finalize().into()))
}
