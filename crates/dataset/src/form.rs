//! How the header of an element is written (PS3.5 section 7.1).

use outrigger_model::transfer_syntax::{Encoding, traits};
use outrigger_model::{Tag, TransferSyntaxUid};

use crate::dictionary;
use crate::element::Vr;

/// The group of items and delimiters.
pub(crate) const ITEM_GROUP: u16 = 0xFFFE;
/// Start of an item.
pub(crate) const ITEM: Tag = Tag(ITEM_GROUP, 0xE000);
/// End of an item of undefined length.
pub(crate) const ITEM_END: Tag = Tag(ITEM_GROUP, 0xE00D);
/// End of a sequence, or of fragments, of undefined length.
pub(crate) const SEQUENCE_END: Tag = Tag(ITEM_GROUP, 0xE0DD);
/// Pixel Data.
pub(crate) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
/// Float, double float and integer pixel data.
pub(crate) const PIXEL_VALUES: [Tag; 3] = [Tag(0x7FE0, 0x0008), Tag(0x7FE0, 0x0009), PIXEL_DATA];

const UNDEFINED: u32 = u32::MAX;

/// Presence of value representations and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Implicit VR, little endian.
    ImplicitLittle,
    /// Explicit VR, little endian.
    ExplicitLittle,
    /// Explicit VR, big endian.
    ExplicitBig,
}

/// A value length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes.
    Defined(u32),
    /// Until a delimiter.
    Undefined,
}

/// What stands before a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tag: Tag,
    pub(crate) vr: Vr,
    pub(crate) length: Length,
    /// Bytes the header itself takes: 8 or 12.
    pub(crate) size: usize,
}

impl Form {
    /// The form a transfer syntax writes elements in; `None` where the bytes must be inflated first or nothing is known.
    pub fn of(transfer_syntax: &TransferSyntaxUid) -> Option<Self> {
        match traits(transfer_syntax).encoding {
            Encoding::ImplicitLittle => Some(Self::ImplicitLittle),
            Encoding::ExplicitLittle => Some(Self::ExplicitLittle),
            Encoding::ExplicitBig => Some(Self::ExplicitBig),
            Encoding::Deflated | Encoding::Unknown => None,
        }
    }

    /// Guesses the form from the first element of a data set: a value representation behind the tag means explicit,
    /// a group number above 00FF when read little endian means big endian; anything else is implicit.
    pub(crate) fn guess(start: &[u8]) -> Self {
        match start {
            [first, second, _, _, vr @ ..]
                if vr.first_chunk().and_then(|vr| Vr::from_binary(*vr)).is_some() =>
            {
                if *first == 0 && *second != 0 { Self::ExplicitBig } else { Self::ExplicitLittle }
            }
            _ => Self::ImplicitLittle,
        }
    }

    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::ImplicitLittle | Self::ExplicitLittle => u16::from_le_bytes(bytes),
            Self::ExplicitBig => u16::from_be_bytes(bytes),
        }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::ImplicitLittle | Self::ExplicitLittle => u32::from_le_bytes(bytes),
            Self::ExplicitBig => u32::from_be_bytes(bytes),
        }
    }

    /// Reads the header at the start of `bytes`; `None` when more bytes are needed.
    pub(crate) fn header(self, bytes: &[u8]) -> Option<Header> {
        let ([g0, g1, e0, e1, rest @ ..], behind) = bytes.split_first_chunk::<8>()?;
        let tag = Tag(self.u16([*g0, *g1]), self.u16([*e0, *e1]));
        let implicit = |vr| Header { tag, vr, length: Length::from(self.u32(*rest)), size: 8 };
        if tag.0 == ITEM_GROUP {
            return Some(implicit(Vr::UN));
        }
        let [v0, v1, l0, l1] = *rest;
        // Some writers leave the value representation out inside explicit data sets.
        if self == Self::ImplicitLittle || !(v0.is_ascii_uppercase() && v1.is_ascii_uppercase()) {
            return Some(implicit(dictionary::vr(tag)));
        }
        let vr = Vr::from_binary([v0, v1]).unwrap_or(Vr::UN);
        if has_short_length(vr) {
            let length = Length::Defined(u32::from(self.u16([l0, l1])));
            return Some(Header { tag, vr, length, size: 8 });
        }
        let length = Length::from(self.u32(*behind.first_chunk()?));
        Some(Header { tag, vr, length, size: 12 })
    }
}

impl From<u32> for Length {
    fn from(length: u32) -> Self {
        if length == UNDEFINED { Self::Undefined } else { Self::Defined(length) }
    }
}

/// Whether explicit headers of the value representation have a length of 16 bits (PS3.5 table 7.1-2); VRs not yet
/// known have 32, as UN.
pub(crate) fn has_short_length(vr: Vr) -> bool {
    let is_other = matches!(vr, Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW);
    !is_other && !matches!(vr, Vr::SQ | Vr::SV | Vr::UC | Vr::UN | Vr::UR | Vr::UT | Vr::UV)
}

/// Whether an undefined length means fragments (PS3.5 section A.4) and not items.
pub(crate) fn holds_fragments(tag: Tag, vr: Vr) -> bool {
    tag == PIXEL_DATA || matches!(vr, Vr::OB | Vr::OW | Vr::OF | Vr::OD | Vr::OL | Vr::OV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_each_form() {
        let rows =
            |length, size, vr| Some(Header { tag: Tag::ROWS, vr, length: Length::Defined(length), size });
        let implicit = [0x28, 0, 0x10, 0, 2, 0, 0, 0];
        assert_eq!(Form::ImplicitLittle.header(&implicit), rows(2, 8, Vr::US));
        assert_eq!(Form::ExplicitLittle.header(b"\x28\0\x10\0US\x02\0"), rows(2, 8, Vr::US));
        assert_eq!(Form::ExplicitBig.header(b"\0\x28\0\x10US\0\x02"), rows(2, 8, Vr::US));
        assert_eq!(Form::ExplicitLittle.header(b"\x28\0\x10\0OW\0\0\x02\0\0\0"), rows(2, 12, Vr::OW));
        assert_eq!(Form::ExplicitLittle.header(b"\x28\0\x10\0ZZ\0\0\x02\0\0\0"), rows(2, 12, Vr::UN));
        assert_eq!(Form::ExplicitLittle.header(&implicit), rows(2, 8, Vr::US));
        assert_eq!(Form::ExplicitLittle.header(b"\x28\0\x10\0OW\0\0\x02\0\0"), None);
        assert_eq!(Form::ImplicitLittle.header(b"\x28\0\x10\0\x02\0\0"), None);
    }

    #[test]
    fn guesses_by_the_first_element() {
        assert_eq!(Form::guess(b"\x08\0\x05\0CS\x0a\0"), Form::ExplicitLittle);
        assert_eq!(Form::guess(b"\0\x08\0\x05CS\0\x0a"), Form::ExplicitBig);
        assert_eq!(Form::guess(b"\x08\0\x05\0\x0a\0\0\0"), Form::ImplicitLittle);
        assert_eq!(Form::guess(b""), Form::ImplicitLittle);
    }
}
