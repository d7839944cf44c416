//! Files of PS3.10: a preamble, file meta information, a data set.

use outrigger_model::{SopClassUid, SopInstanceUid, TransferSyntaxUid};

use crate::element::Elements;

/// Names what wrote the file (0002,0012); derived from a UUID made for the tests.
const IMPLEMENTATION_CLASS: &str = "2.25.223087543124127482735432130946534091520";
/// Bytes before the first element: 128 of preamble, then the four of `DICM`.
const PREFIX_BYTES: usize = 132;

/// Wraps a data set, in the given transfer syntax, into a file.
pub fn file(
    sop_class: &SopClassUid,
    sop_instance: &SopInstanceUid,
    transfer_syntax: &TransferSyntaxUid,
    data_set: &[u8],
) -> Vec<u8> {
    let mut meta = Elements::default();
    meta.bytes(0x0002, 0x0001, *b"OB", &[0, 1]);
    meta.text(0x0002, 0x0002, *b"UI", sop_class.as_str());
    meta.text(0x0002, 0x0003, *b"UI", sop_instance.as_str());
    meta.text(0x0002, 0x0010, *b"UI", transfer_syntax.as_str());
    meta.text(0x0002, 0x0012, *b"UI", IMPLEMENTATION_CLASS);
    let meta = meta.into_bytes();
    let mut length = Elements::default();
    length.long(0x0002, 0x0000, u32::try_from(meta.len()).unwrap_or(u32::MAX));

    let mut file = vec![0; PREFIX_BYTES - 4];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(&length.into_bytes());
    file.extend_from_slice(&meta);
    file.extend_from_slice(data_set);
    file
}

/// The data set of a file, if the file begins as PS3.10 section 7.1 says.
pub fn data_set(file: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = file.split_at_checked(PREFIX_BYTES)?;
    if !prefix.ends_with(b"DICM") {
        return None;
    }
    // (0002,0000) UL of 4 bytes: the length of the rest of the group.
    let (head, rest) = rest.split_at_checked(12)?;
    let (tag_and_vr, length) = head.split_at_checked(8)?;
    if tag_and_vr != [2, 0, 0, 0, b'U', b'L', 4, 0] {
        return None;
    }
    let length = u32::from_le_bytes(*length.first_chunk()?);
    rest.get(usize::try_from(length).ok()?..)
}
