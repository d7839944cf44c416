//! Files of PS3.10: a preamble, file meta information, a data set.

use bytes::Bytes;
use outrigger_model::{SopClassUid, SopInstanceUid, Tag, TransferSyntaxUid};

use crate::element::{DataSet, Element, Vr};
use crate::form::Form;
use crate::read::read_form;
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

/// The head of a file that arrives in pieces: all before its data set.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    ends: usize,
}

/// What the head of a file says of its data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// How it is written.
    pub transfer_syntax: TransferSyntaxUid,
    /// Media Storage SOP Class UID, where it can be read.
    pub sop_class: Option<SopClassUid>,
    /// Media Storage SOP Instance UID, where it can be read.
    pub sop_instance: Option<SopInstanceUid>,
}

/// Why what arrives is no file of PS3.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It does not begin like one.
    #[error("it does not begin with a preamble, DICM and the length of group 0002 (PS3.10 section 7.1)")]
    NoFile,
    /// Its meta information is longer than any that is sensible.
    #[error("its file meta information is longer than {} bytes", Head::BYTES_MAX)]
    TooLong,
    /// Its meta information cannot be read.
    #[error("its file meta information cannot be read")]
    Unreadable,
    /// It does not say how the data set is written.
    #[error("it has no usable Transfer Syntax UID (0002,0010)")]
    NoSyntax,
}

impl Head {
    /// Longest head taken, in bytes: UIDs, titles and a little private information.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Takes the next piece; gives what the head says once it is whole, after which nothing more may be pushed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Meta>, HeadError> {
        self.bytes.extend_from_slice(bytes);
        let Some((prefix, rest)) = self.bytes.split_at_checked(PREFIX_BYTES) else { return Ok(None) };
        if !prefix.ends_with(b"DICM") {
            return Err(HeadError::NoFile);
        }
        let Some((group, rest)) = rest.split_at_checked(GROUP_LENGTH.len()) else { return Ok(None) };
        if group != GROUP_LENGTH {
            return Err(HeadError::NoFile);
        }
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > Self::BYTES_MAX {
            return Err(HeadError::TooLong);
        }
        let Some(meta) = rest.get(..length) else { return Ok(None) };
        let meta = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(meta));
        let meta = meta.map_err(|_| HeadError::Unreadable)?;
        self.ends = PREFIX_BYTES + GROUP_LENGTH.len() + 4 + length;
        let uid = |element| meta.bytes(Tag(0x0002, element));
        let syntax = uid(0x0010).and_then(|uid| TransferSyntaxUid::from_bytes(uid).ok());
        Ok(Some(Meta {
            transfer_syntax: syntax.ok_or(HeadError::NoSyntax)?,
            sop_class: uid(0x0002).and_then(|uid| SopClassUid::from_bytes(uid).ok()),
            sop_instance: uid(0x0003).and_then(|uid| SopInstanceUid::from_bytes(uid).ok()),
        }))
    }

    /// What came behind the head: the beginning of the data set.
    pub fn rest(self) -> Bytes {
        Bytes::from(self.bytes).slice(self.ends..)
    }
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

    #[test]
    fn a_head_is_whole_wherever_the_pieces_are_cut() {
        let (class, instance) = (SopClassUid::known("1.2"), SopInstanceUid::known("1.2.3"));
        let syntax = TransferSyntaxUid::known("1.2.840.10008.1.2");
        let made = file(&class, &instance, &syntax, b"data");
        for at in 0..made.len() {
            let (first, second) = made.split_at(at);
            let mut head = Head::default();
            let mut rest = Bytes::new();
            let found = match head.push(first).unwrap() {
                Some(found) => {
                    rest = Bytes::copy_from_slice(second);
                    found
                }
                None => head.push(second).unwrap().unwrap(),
            };
            assert_eq!(found.transfer_syntax, syntax);
            assert_eq!(found.sop_instance.as_ref(), Some(&instance));
            assert_eq!([head.rest(), rest].concat(), b"data", "cut at {at}");
        }
        let mut long = made.clone();
        long[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
        let push = |bytes: &[u8]| Head::default().push(bytes);
        assert_eq!(push(&long), Err(HeadError::TooLong));
        assert_eq!(push(&[0; 200]), Err(HeadError::NoFile));
        assert_eq!(push(&made[..150]), Ok(None));
    }
}
