//! Two copies of an object side by side.

use bytes::Bytes;
use outrigger_model::{Sha256Digest, TransferSyntaxUid};
use sha2::{Digest, Sha256};

use super::{AttributeDigests, Digests};

/// What a copy is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// How it is encoded.
    pub transfer_syntax: TransferSyntaxUid,
    /// Bytes of the data set.
    pub length: u64,
    /// B: SHA-256 of the data set's bytes.
    pub bytes: Sha256Digest,
    /// The digests of what it says; `None` where it cannot be read to that end.
    pub digests: Option<Digests>,
}

/// What two copies are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The same bytes.
    Identical,
    /// In step: the same content in another encoding.
    ReEncoded,
    /// They differ in patient, study or order attributes alone.
    Demographic,
    /// They differ in private elements alone.
    PrivateLoss,
    /// They differ in both of these and in nothing else.
    DemographicAndPrivateLoss,
    /// They differ in technical attributes or pixels.
    Content,
    /// The same object under another study or series.
    Relocated,
    /// Not the same object.
    OtherObject,
    /// The bytes differ and one of them cannot be read further.
    NotComparable,
}

impl Verdict {
    /// Whether nothing is to be done: the copies say the same.
    pub fn is_in_step(self) -> bool {
        matches!(self, Self::Identical | Self::ReEncoded)
    }
}

impl Fingerprint {
    /// Takes the fingerprint of a data set.
    pub fn of(transfer_syntax: &TransferSyntaxUid, bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        let digest = Sha256Digest(Sha256::digest(&bytes).into());
        let digests = Digests::of(transfer_syntax, bytes).ok();
        Self { transfer_syntax: transfer_syntax.clone(), length, bytes: digest, digests }
    }
}

/// Compares two copies of an object, without decoding anything that is not decoded already.
pub fn compare(left: &Fingerprint, right: &Fingerprint) -> Verdict {
    let same_bytes = (left.bytes, left.length) == (right.bytes, right.length);
    if same_bytes && left.transfer_syntax == right.transfer_syntax {
        return Verdict::Identical;
    }
    let (Some(left), Some(right)) = (&left.digests, &right.digests) else { return Verdict::NotComparable };
    match by_attributes(&left.attributes, &right.attributes) {
        Verdict::OtherObject => Verdict::OtherObject,
        Verdict::Relocated => Verdict::Relocated,
        verdict if same_pixels(left, right) => verdict,
        _ => Verdict::Content,
    }
}

/// What two copies are to each other if their pixels are the same.
pub(super) fn by_attributes(left: &AttributeDigests, right: &AttributeDigests) -> Verdict {
    if left.object != right.object {
        return Verdict::OtherObject;
    }
    if left.identity != right.identity {
        return Verdict::Relocated;
    }
    if left.technical != right.technical {
        return Verdict::Content;
    }
    match (left.administrative == right.administrative, left.private == right.private) {
        (true, true) if left.n1 == right.n1 => Verdict::ReEncoded,
        // Every attribute of N1 stands in one of the parts, or is identity.
        (true, true) => Verdict::Content,
        (false, true) => Verdict::Demographic,
        (true, false) => Verdict::PrivateLoss,
        (false, false) => Verdict::DemographicAndPrivateLoss,
    }
}

/// Decoded pixels prove equality across codecs; compressed ones only where they are stored the same way.
fn same_pixels(left: &Digests, right: &Digests) -> bool {
    let same_codestream =
        left.codestream == right.codestream && left.attributes.storage == right.attributes.storage;
    match (left.pixel, right.pixel) {
        (Some(left), Some(right)) => left == right,
        (None, None) => same_codestream,
        // A lossless stream under the name of a syntax that may also be lossy.
        (Some(_), None) | (None, Some(_)) => left.codestream.is_some() && same_codestream,
    }
}
