//! Files of PS3.10: a preamble, file meta information, a data set.

use outrigger_model::{SopClassUid, SopInstanceUid, Tag, TransferSyntaxUid};

use crate::element::{DataSet, Element, Vr};
use crate::form::Form;
use crate::write::write;

/// Names this implementation in files (0002,0012); derived from a UUID made for it.
const IMPLEMENTATION_CLASS: &str = "2.25.223087543124127482735432130946534091520";
/// Bytes before the first element: 128 of preamble, then the four of `DICM`.
const PREFIX_BYTES: usize = 132;
/// The first element as far as its value: File Meta Information Group Length, UL of 4 bytes.
const GROUP_LENGTH: [u8; 8] = [2, 0, 0, 0, b'U', b'L', 4, 0];

/// Wraps a data set, in the given transfer syntax, into a file.
pub fn file(
    sop_class: &SopClassUid,
    sop_instance: &SopInstanceUid,
    transfer_syntax: &TransferSyntaxUid,
    data_set: &[u8],
) -> Vec<u8> {
    let uid = |element: u16, value: &str| Element::text(Tag(0x0002, element), Vr::UI, value);
    let mut meta = DataSet {
        elements: vec![
            Element::new(Tag(0x0002, 0x0001), Vr::OB, vec![0, 1]),
            uid(0x0002, sop_class.as_str()),
            uid(0x0003, sop_instance.as_str()),
            uid(0x0010, transfer_syntax.as_str()),
            uid(0x0012, IMPLEMENTATION_CLASS),
        ],
    };
    // Five UIDs of at most 128 bytes: the length fits.
    let length = u32::try_from(write(&meta, Form::ExplicitLittle).len()).unwrap_or(u32::MAX);
    meta.put(Element::new(Tag(0x0002, 0x0000), Vr::UL, length.to_le_bytes().to_vec()));

    let mut file = vec![0; PREFIX_BYTES - 4];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(&write(&meta, Form::ExplicitLittle));
    file.extend_from_slice(data_set);
    file
}

/// A file taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The elements of group 0002 behind the group length, in Explicit VR Little Endian.
    pub meta: &'a [u8],
    /// The data set, as it stands in the file.
    pub data_set: &'a [u8],
}

/// Takes a file apart; `None` if it does not begin as PS3.10 section 7.1 says.
pub fn parts(file: &[u8]) -> Option<Parts<'_>> {
    let (prefix, rest) = file.split_at_checked(PREFIX_BYTES)?;
    let rest = rest.strip_prefix(&GROUP_LENGTH)?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (meta, data_set) = rest.split_at_checked(length)?;
    prefix.ends_with(b"DICM").then_some(Parts { meta, data_set })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_apart_into_what_it_was_made_of() {
        let (class, instance) = (SopClassUid::known("1.2"), SopInstanceUid::known("1.2.3"));
        let made = file(&class, &instance, &TransferSyntaxUid::known("1.2.840.10008.1.2"), b"data");
        let Parts { meta, data_set } = parts(&made).unwrap();
        assert_eq!(data_set, b"data");
        assert!(meta.windows(6).any(|bytes| bytes == b"1.2.3\0"));
        assert_eq!(parts(&made[..140]), None);
        assert_eq!(parts(b"no file"), None);
    }
}
