//! A refused object as a PS3.10 file, so that any tool can show it.

use std::io::{self, IoSlice};
use std::path::Path;

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::write::write as write_data_set;
use outrigger_model::Tag;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::disk::Disk;
use outrigger_runtime::{Body, Content};

use super::Label;

/// Bytes before the prefix (PS3.10 section 7.1).
const PREAMBLE_BYTES: usize = 128;

/// Preamble, prefix and file meta information.
pub(super) fn header(label: &Label) -> Vec<u8> {
    let meta: DataSet = [
        Element::new(Tag(0x0002, 0x0001), Vr::OB, vec![0, 1]),
        Element::text(Tag(0x0002, 0x0002), Vr::UI, label.sop_class.as_str()),
        Element::text(Tag(0x0002, 0x0003), Vr::UI, label.sop_instance.as_str()),
        Element::text(Tag(0x0002, 0x0010), Vr::UI, label.transfer_syntax.as_str()),
        Element::text(Tag(0x0002, 0x0012), Vr::UI, outrigger_dimse::settings::IMPLEMENTATION_CLASS_UID),
    ]
    .into_iter()
    .collect();
    let meta = write_data_set(&meta, Form::ExplicitLittle);
    let length = u32::try_from(meta.len()).unwrap_or(u32::MAX);
    let length = Element::new(Tag(0x0002, 0x0000), Vr::UL, length.to_le_bytes().to_vec());
    let length = write_data_set(&[length].into_iter().collect(), Form::ExplicitLittle);
    [&[0; PREAMBLE_BYTES][..], b"DICM", &length, &meta].concat()
}

/// Writes header and body; not synced, since nothing is promised of it.
pub(super) fn write(disk: &dyn Disk, path: &Path, header: &[u8], body: &Body) -> io::Result<()> {
    let target = match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    };
    match &body.content {
        Content::Memory(pieces) => {
            let mut parts = vec![IoSlice::new(header)];
            parts.extend(pieces.iter().map(|piece| IoSlice::new(piece)));
            target.write_at(&parts, 0)
        }
        Content::File(spooled) => {
            target.write_at(&[IoSlice::new(header)], 0)?;
            let mut buffer = vec![0; BLOCK_BYTES];
            let mut done = 0;
            while done < body.length {
                let read = spooled.file().read_at(&mut buffer, done)?;
                let piece = buffer.get(..read).filter(|piece| !piece.is_empty());
                let piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?;
                target.write_at(&[IoSlice::new(piece)], header.len() as u64 + done)?;
                done += piece.len() as u64;
            }
            Ok(())
        }
    }
}
