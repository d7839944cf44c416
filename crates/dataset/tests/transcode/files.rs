//! Files of PS3.10, as far as the tests need them.

#![allow(clippy::disallowed_methods, reason = "a test reads its samples itself")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_dataset::form::Form;
use outrigger_dataset::part10;
use outrigger_dataset::read::read_form;
use outrigger_model::{SopClassUid, SopInstanceUid, Tag, TransferSyntaxUid};

const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// A data set with its transfer syntax.
pub(super) struct Object {
    pub(super) name: String,
    pub(super) transfer_syntax: TransferSyntaxUid,
    pub(super) bytes: Bytes,
}

/// Reads a file; `None` when it is none, or its header names no transfer syntax.
pub(super) fn read(path: &Path) -> Option<Object> {
    let file = Bytes::from(fs::read(path).unwrap());
    let parts = part10::parts(&file)?;
    let meta = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(parts.meta)).ok()?;
    let transfer_syntax = TransferSyntaxUid::new(meta.plain(TRANSFER_SYNTAX)?).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(Object { name, transfer_syntax, bytes: file.slice_ref(parts.data_set) })
}

/// Writes an object to a file.
pub(super) fn write(path: &Path, object: &Object) {
    let (class, instance) =
        (SopClassUid::known("1.2.840.10008.5.1.4.1.1.7"), SopInstanceUid::known("2.25.1"));
    fs::write(path, part10::file(&class, &instance, &object.transfer_syntax, &object.bytes)).unwrap();
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
