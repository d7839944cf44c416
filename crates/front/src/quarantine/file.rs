//! A refused object as a PS3.10 file, so that any tool can show it.

use std::io::{self, IoSlice};
use std::path::Path;

use outrigger_dataset::part10;
use outrigger_model::SopInstanceUid;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::disk::Disk;
use outrigger_runtime::{Body, Content};

use super::Label;

/// Media Storage SOP Instance UID (0002,0003) of an object that names itself nowhere: that of the nil UUID (PS3.5 section B.2).
const NAMELESS: &str = "2.25.0";

/// Preamble, prefix and file meta information.
pub(super) fn header(label: &Label) -> Vec<u8> {
    let nameless = SopInstanceUid::known(NAMELESS);
    let sop_instance = label.sop_instance.as_ref().unwrap_or(&nameless);
    part10::file(&label.sop_class, sop_instance, &label.transfer_syntax, &[])
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
