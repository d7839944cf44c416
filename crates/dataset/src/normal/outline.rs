//! The comparison that needs neither the whole object in memory nor a decoder.

use bytes::{Bytes, BytesMut};
use outrigger_model::transfer_syntax::{Encoding, Pixels, traits};
use outrigger_model::{Sha256Digest, TransferSyntaxUid};
use sha2::{Digest, Sha256};

use super::attributes::{self, AttributeDigests};
use super::compare::{Verdict, by_attributes};
use crate::codestream::Family;
use crate::form::Form;
use crate::inflate::Inflater;
use crate::read::read_form;
use crate::scan::walk::{Part, Walk};

/// Most bytes besides the pixels that are held: what is larger is a document or a waveform, and is compared by its
/// bytes or as a whole.
const ELEMENTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes a deflated data set is followed through.
const INFLATED_BYTES_MAX: u64 = 16 << 30;

/// What a copy is compared by before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    transfer_syntax: TransferSyntaxUid,
    length: u64,
    bytes: Sha256Digest,
    /// `None` where the elements cannot be read, or are too many to hold.
    attributes: Option<AttributeDigests>,
    /// The pixel data as they are written, under the kind of encoding; `None` without any.
    pixels: Option<Sha256Digest>,
}

/// Takes an outline of a data set that arrives in pieces, in memory of 16 MiB at most.
pub struct Outliner {
    transfer_syntax: TransferSyntaxUid,
    walk: Walk,
    inflater: Option<Inflater>,
    /// Whether all that came could be followed.
    whole: bool,
    length: u64,
    bytes: Sha256,
    parts: Parts,
}

/// Elements and pixels apart.
struct Parts {
    elements: BytesMut,
    overflow: bool,
    pixels: Option<Sha256>,
    kind: String,
}

impl Outliner {
    /// Begins with a data set of a transfer syntax.
    pub fn new(transfer_syntax: &TransferSyntaxUid) -> Self {
        let encoding = traits(transfer_syntax).encoding;
        let is_deflated = encoding == Encoding::Deflated;
        let form = if is_deflated { Some(Form::ExplicitLittle) } else { Form::of(transfer_syntax) };
        Self {
            transfer_syntax: transfer_syntax.clone(),
            walk: Walk::new(form),
            inflater: is_deflated.then(|| Inflater::new(INFLATED_BYTES_MAX)),
            whole: true,
            length: 0,
            bytes: Sha256::new(),
            parts: Parts {
                elements: BytesMut::new(),
                overflow: false,
                pixels: None,
                kind: pixel_kind(transfer_syntax),
            },
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.update(bytes);
        self.length += bytes.len() as u64;
        let Self { walk, inflater, parts, whole, .. } = self;
        let mut plain = |bytes: &[u8]| walk.push(bytes, &mut |part, bytes: &[u8]| parts.take(part, bytes));
        match inflater {
            None => plain(bytes),
            Some(inflater) => *whole = *whole && inflater.push(bytes, plain).is_ok(),
        }
    }

    /// Ends: the bytes pushed are the whole data set.
    pub fn finish(self) -> Outline {
        let form = self.walk.form().unwrap_or(Form::ImplicitLittle);
        let inflated = self.inflater.is_none_or(|inflater| inflater.finish().is_ok());
        let readable = self.whole && inflated && !self.parts.overflow && self.walk.ends_soundly();
        let elements: Bytes = self.parts.elements.freeze();
        let pixels = if self.parts.pixels.is_some() {
            attributes::Pixels::Present
        } else {
            attributes::Pixels::Absent
        };
        let data_set = if readable { read_form(form, elements).ok() } else { None };
        Outline {
            transfer_syntax: self.transfer_syntax,
            length: self.length,
            bytes: Sha256Digest(self.bytes.finalize().into()),
            attributes: data_set.map(|data_set| AttributeDigests::of(&data_set, pixels)),
            pixels: self.parts.pixels.map(|hash| Sha256Digest(hash.finalize().into())),
        }
    }
}

impl Parts {
    fn take(&mut self, part: Part, bytes: &[u8]) {
        match part {
            Part::Elements if self.elements.len() + bytes.len() > ELEMENTS_BYTES_MAX => self.overflow = true,
            Part::Elements => self.elements.extend_from_slice(bytes),
            Part::Pixels => {
                let kind = &self.kind;
                let hash = self.pixels.get_or_insert_with(|| Sha256::new().chain_update(kind));
                hash.update(bytes);
            }
        }
    }
}

/// What pixel data as they are written mean the same in: all native little-endian syntaxes, the syntaxes of a family of
/// codestreams, else one syntax alone.
fn pixel_kind(transfer_syntax: &TransferSyntaxUid) -> String {
    let traits = traits(transfer_syntax);
    match (traits.pixels, traits.encoding, Family::of(transfer_syntax)) {
        (Pixels::Native, Encoding::ImplicitLittle | Encoding::ExplicitLittle | Encoding::Deflated, _) => {
            "native ".to_owned()
        }
        (_, _, Some(family)) => format!("{family:?} "),
        _ => format!("{transfer_syntax} "),
    }
}

/// Compares two copies by their outlines; `None` where only decoding can tell.
pub fn compare_outlines(left: &Outline, right: &Outline) -> Option<Verdict> {
    let same_bytes = (left.bytes, left.length) == (right.bytes, right.length);
    if same_bytes && left.transfer_syntax == right.transfer_syntax {
        return Some(Verdict::Identical);
    }
    let (left_said, right_said) = (left.attributes.as_ref()?, right.attributes.as_ref()?);
    let same_pixels = left.pixels == right.pixels && left_said.storage == right_said.storage;
    match by_attributes(left_said, right_said) {
        verdict @ (Verdict::OtherObject | Verdict::Relocated | Verdict::Content) => Some(verdict),
        verdict if same_pixels => Some(verdict),
        _ if left.pixels.is_some() != right.pixels.is_some() => Some(Verdict::Content),
        _ => None,
    }
}
