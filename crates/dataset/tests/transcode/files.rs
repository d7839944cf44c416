//! Files of PS3.10, as far as the tests need them.

#![allow(clippy::disallowed_methods, reason = "a test reads its samples itself")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_model::{Tag, TransferSyntaxUid};

const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// A data set with its transfer syntax.
pub(super) struct Object {
    pub(super) name: String,
    pub(super) transfer_syntax: TransferSyntaxUid,
    pub(super) bytes: Bytes,
}

/// Reads a file with preamble; `None` when it is none, or its header names no transfer syntax.
pub(super) fn read(path: &Path) -> Option<Object> {
    let bytes = Bytes::from(fs::read(path).unwrap());
    if bytes.get(128..132) != Some(b"DICM") {
        return None;
    }
    // Group 0002 ends at the first element of another group; its values are all short or of 32-bit length.
    let mut end = 132;
    while bytes.get(end..end + 2) == Some(&[2, 0]) {
        let vr = bytes.get(end + 4..end + 6)?;
        let length = bytes.get(end + 6..end + 12)?;
        end += if matches!(vr, b"OB" | b"UN" | b"UT") {
            12 + usize::try_from(u32::from_le_bytes(*length[2..].first_chunk()?)).unwrap()
        } else {
            8 + usize::from(u16::from_le_bytes(*length.first_chunk()?))
        };
    }
    let meta = read_form(Form::ExplicitLittle, bytes.slice(132..end)).ok()?;
    let transfer_syntax = TransferSyntaxUid::new(meta.plain(TRANSFER_SYNTAX)?).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(Object { name, transfer_syntax, bytes: bytes.slice(end..) })
}

/// A file of an object.
fn file(object: &Object) -> Vec<u8> {
    let uid = object.transfer_syntax.as_str();
    let mut meta = Vec::new();
    let mut put = |element: u16, value: &[u8]| {
        meta.extend([2, 0]);
        meta.extend(element.to_le_bytes());
        meta.extend(b"UI");
        meta.extend(u16::try_from(value.len() + value.len() % 2).unwrap().to_le_bytes());
        meta.extend(value);
        meta.extend(vec![0; value.len() % 2]);
    };
    put(0x0002, b"1.2.840.10008.5.1.4.1.1.7");
    put(0x0003, b"2.25.1");
    put(0x0010, uid.as_bytes());
    put(0x0012, b"2.25.2");
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\0\0\0UL\x04\0");
    file.extend(u32::try_from(meta.len()).unwrap().to_le_bytes());
    file.extend(meta);
    file.extend(&object.bytes);
    file
}

/// Writes an object to a file.
pub(super) fn write(path: &Path, object: &Object) {
    fs::write(path, file(object)).unwrap();
}

/// Every sample object that has a transfer syntax, by name.
pub(super) fn samples() -> Vec<Object> {
    let folder = std::env::var_os("OUTRIGGER_SAMPLES").expect("OUTRIGGER_SAMPLES names the samples' folder");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().filter_map(|path| read(path)).collect()
}
