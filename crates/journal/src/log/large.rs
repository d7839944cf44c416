//! Objects too large for a frame: files of their own.
//!
//! A file holds the body from byte 0 on, the CRC-32C of each block, a frame as in a segment but without a number, and a
//! mark that names where that frame begins. It is complete and synced, name and all, before any segment names it.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use outrigger_runtime::body::{BLOCK_BYTES, Body, Content};
use outrigger_runtime::disk::{Access, ArcDisk, Disk};
use outrigger_runtime::reserve::is_no_room;

use crate::commit::{Setback, for_good};
use crate::error::AppendError;
use crate::home::Home;
use crate::ids::{Epoch, JournalId, Seq};
use crate::log::body::read_block_table;
use crate::log::frame::{FrameHead, FrameKind, Place, Trailer};
use crate::log::segment::{ReadFrame, frame_window, read_frame};
use crate::options::FRAME_BODY_BYTES_MAX;
use crate::record::{Append, RecordKind};

/// The last 16 bytes of a complete file: where its frame begins, and this.
const OBJECT_MARK: [u8; 8] = *b"\x89OUTOBJE";
const OBJECT_END_BYTES: usize = 16;

/// A record whose body is where a commit needs it.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) kind: RecordKind,
    pub(crate) header: Bytes,
    pub(crate) body: PreparedBody,
}

/// A body that is where a commit needs it.
#[derive(Debug)]
pub(crate) enum PreparedBody {
    /// There is none.
    None,
    /// To be written into the frame.
    Inline { pieces: Vec<Bytes>, length: u64, sha256: [u8; 32], crc: u32 },
    /// In a file of its own, complete and synced.
    File(ObjectFile),
}

/// A complete file of its own; it goes away with its owner unless a frame names it.
#[derive(Debug)]
pub(crate) struct ObjectFile {
    disk: ArcDisk,
    path: PathBuf,
    pub(crate) name: u128,
    pub(crate) length: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) table_crc: u32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Remove,
    Keep,
}

impl ObjectFile {
    /// One found complete at a start; it stays, whatever becomes of its frame.
    pub(crate) fn found(disk: ArcDisk, path: &Path, frame: &ReadFrame) -> Self {
        Self {
            disk,
            path: path.to_owned(),
            name: frame.trailer.name,
            length: frame.head.body_length,
            sha256: frame.trailer.sha256,
            table_crc: frame.trailer.body_crc,
            fate: Fate::Keep,
        }
    }

    /// A frame names it now.
    pub(crate) fn keep(mut self) {
        self.fate = Fate::Keep;
    }
}

impl Drop for ObjectFile {
    fn drop(&mut self) {
        if self.fate == Fate::Keep {
            return;
        }
        if let Err(error) = discard(&*self.disk, &self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file of a refused object could not be removed");
        }
    }
}

/// Removes the file of an object that nobody wants any more. Where a file system has no room even for that, the file is
/// emptied: the next start removes it, and cannot take it for an object that was never named.
fn discard(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if is_no_room(&error) => {
            let file = disk.open(path, Access::ReadWrite)?;
            file.set_length(0)?;
            file.sync_data()
        }
        outcome => outcome,
    }
}

impl Prepared {
    /// SHA-256 of its body, where it has one.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        match &self.body {
            PreparedBody::None => None,
            PreparedBody::Inline { sha256, .. } => Some(*sha256),
            PreparedBody::File(file) => Some(file.sha256),
        }
    }

    /// Leaves the file of its body where it is: a frame names it, or may.
    pub(crate) fn leave(self) {
        match self.body {
            PreparedBody::None | PreparedBody::Inline { .. } => {}
            PreparedBody::File(file) => file.keep(),
        }
    }

    /// Bytes that a frame for it takes.
    pub(crate) fn frame_bytes(&self) -> u64 {
        let place = match self.body {
            PreparedBody::Inline { .. } => Place::Inline,
            PreparedBody::None | PreparedBody::File(_) => Place::None,
        };
        let head = FrameHead {
            journal: JournalId(0),
            epoch: Epoch(0),
            kind: FrameKind::Record(self.kind),
            place,
            seq: Seq(0),
            batch: Seq(0),
            header_length: u32::try_from(self.header.len()).unwrap_or(u32::MAX),
            body_length: self.body_length(),
        };
        head.frame_length()
    }

    /// Bytes of its body.
    pub(crate) fn body_length(&self) -> u64 {
        match &self.body {
            PreparedBody::None => 0,
            PreparedBody::Inline { length, .. } => *length,
            PreparedBody::File(file) => file.length,
        }
    }
}

impl Home {
    /// Removes the file of a large object that was let go; one that is gone already is as well.
    pub(crate) fn remove_object(&self, name: u128) -> Result<(), Setback> {
        match discard(&*self.disk, &self.paths.object(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(for_good("removing what is released")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Brings the body of a record to where a commit needs it: a large one is written, named and synced here.
    pub(crate) fn prepare(&self, epoch: Epoch, append: Append) -> Result<Prepared, AppendError> {
        let Append { kind, header, body } = append;
        let body = match body {
            None => PreparedBody::None,
            Some(Body { length, sha256, block_crcs, content: Content::Memory(pieces) })
                if length <= FRAME_BODY_BYTES_MAX =>
            {
                let crc = match block_crcs.as_slice() {
                    [crc] => *crc,
                    _ => pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece)),
                };
                PreparedBody::Inline { pieces, length, sha256, crc }
            }
            Some(body) => {
                let stored = self.store(epoch, kind, &header, body);
                PreparedBody::File(stored.map_err(|error| self.refused("storing a large object", &error))?)
            }
        };
        Ok(Prepared { kind, header, body })
    }

    /// What a failure before any commit means: no room is passing, all else ends the service of this journal.
    pub(crate) fn refused(&self, doing: &str, error: &io::Error) -> AppendError {
        if is_no_room(error) {
            self.set_health(crate::Health::Full);
            return AppendError::Full;
        }
        self.fail(doing, error);
        AppendError::Failed
    }

    fn store(&self, epoch: Epoch, kind: RecordKind, header: &Bytes, body: Body) -> io::Result<ObjectFile> {
        let name = self.random.u128().map_err(io::Error::other)?;
        let table: Vec<u8> = body.crcs_of_blocks().iter().flat_map(|crc| crc.to_le_bytes()).collect();
        let (file, spooled) = match body.content {
            Content::File(spooled) => (spooled.file().clone(), Source::Spooled(spooled)),
            Content::Memory(pieces) => {
                let path = self.paths.spool.join(format!("{name:032x}.part"));
                let file = self.disk.create(&path)?;
                let written = Source::Written(ObjectFile {
                    disk: self.disk.clone(),
                    path,
                    name,
                    length: body.length,
                    sha256: body.sha256,
                    table_crc: 0,
                    fate: Fate::Remove,
                });
                let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                file.write_at(&parts, 0)?;
                (file, written)
            }
        };
        let table_crc = crc32c::crc32c(&table);
        let head = FrameHead {
            journal: self.journal,
            epoch,
            kind: FrameKind::Record(kind),
            place: Place::File,
            seq: Seq(0),
            batch: Seq(0),
            header_length: u32::try_from(header.len()).map_err(io::Error::other)?,
            body_length: body.length,
        };
        let at_us = self.clock.wall_us();
        let trailer = Trailer { at_us, sha256: body.sha256, name, body_crc: table_crc };
        let head_bytes = head.encode();
        let trailer_bytes = trailer.encode(&head_bytes, header);
        let frame_at = body.length + table.len() as u64;
        let end = object_end(frame_at);
        let parts = [table.as_slice(), &head_bytes, header, &trailer_bytes, &end].map(IoSlice::new);
        file.write_at(&parts, body.length)?;
        file.sync_data()?;
        let path = self.paths.object(name);
        self.disk.rename(spooled.path(), &path)?;
        spooled.keep();
        let stored = ObjectFile {
            disk: self.disk.clone(),
            path,
            name,
            length: body.length,
            sha256: body.sha256,
            table_crc,
            fate: Fate::Remove,
        };
        self.disk.sync_directory(&self.paths.objects)?;
        Ok(stored)
    }
}

/// A file under its first name, removed unless it is renamed.
enum Source {
    Spooled(outrigger_runtime::body::SpooledFile),
    Written(ObjectFile),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Spooled(file) => file.path(),
            Self::Written(file) => &file.path,
        }
    }

    fn keep(self) {
        match self {
            Self::Spooled(file) => file.keep(),
            Self::Written(file) => file.keep(),
        }
    }
}

/// A complete file that no segment names, as found at a start.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) frame: ReadFrame,
}

/// The file at `path`, if it is complete and of this journal; its blocks are not read.
pub(crate) fn read_object(disk: &dyn Disk, path: &Path, journal: JournalId) -> io::Result<Option<Orphan>> {
    let file = disk.open(path, Access::Read)?;
    let length = file.length()?;
    let mut window = frame_window(file.clone(), length);
    let Some(mark_at) = length.checked_sub(OBJECT_END_BYTES as u64) else { return Ok(None) };
    let Some(end) = window.array::<OBJECT_END_BYTES>(mark_at)? else { return Ok(None) };
    let mut rest = end.as_slice();
    let frame_at = rest.get_u64_le();
    if rest != OBJECT_MARK.as_slice() {
        return Ok(None);
    }
    let Some(frame) = read_frame(&mut window, frame_at, journal)? else { return Ok(None) };
    let blocks = frame.head.body_length.div_ceil(BLOCK_BYTES as u64);
    let expected = frame.head.body_length.saturating_add(blocks.saturating_mul(4));
    let frame_end =
        frame_at.saturating_add(frame.head.trailer_offset()) + crate::log::frame::TRAILER_BYTES as u64;
    if frame.head.place != Place::File || frame_at != expected || frame_end != mark_at {
        return Ok(None);
    }
    let table = read_block_table(&*file, frame.head.body_length, frame.trailer.body_crc)?;
    Ok(table.is_some().then_some(Orphan { frame }))
}

fn object_end(frame_at: u64) -> [u8; OBJECT_END_BYTES] {
    let mut end = [0; OBJECT_END_BYTES];
    let mut rest = end.as_mut_slice();
    rest.put_u64_le(frame_at);
    rest.put_slice(&OBJECT_MARK);
    end
}
