//! Objects too large for a frame: files of their own.
//!
//! A file holds the body from byte 0 on, the CRC-32C of each block, a frame as in a segment but without a number, and a
//! mark that names where that frame begins. It is complete and synced, name and all, before any segment names it.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BufMut, Bytes};
use outrigger_runtime::body::{BLOCK_BYTES, Body, Content};
use outrigger_runtime::disk::{Access, ArcDisk, Disk, DiskFile, remove_if_there};
use outrigger_runtime::reserve::is_no_room;

use crate::book::Book;
use crate::commit::{Setback, for_good};
use crate::error::AppendError;
use crate::home::Home;
use crate::ids::{Epoch, JournalId, Seq};
use crate::log::body::read_block_table;
use crate::log::frame::{FrameHead, FrameKind, Place, Trailer};
use crate::log::segment::{ReadFrame, frame_window, read_frame};
use crate::options::FRAME_BODY_BYTES_MAX;
use crate::record::{Append, BodyFacts, RecordKind};
use crate::renew::{copy, copy_into};

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
    /// In files of its own, complete and synced.
    File(ObjectFile),
    /// It was let go before this copy was made.
    Released { length: u64, sha256: [u8; 32] },
}

/// Complete files of their own, one in each copy that has it; they go away with their owner unless a frame names them.
#[derive(Debug)]
pub(crate) struct ObjectFile {
    pub(crate) name: u128,
    pub(crate) length: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) table_crc: u32,
    /// Copies that have it.
    homes: Mutex<Vec<Arc<Home>>>,
    is_named: AtomicBool,
}

impl ObjectFile {
    /// One found complete at a start; it stays, whatever becomes of its frame.
    pub(crate) fn found(home: Arc<Home>, frame: &ReadFrame) -> Self {
        Self {
            name: frame.trailer.name,
            length: frame.head.body_length,
            sha256: frame.trailer.sha256,
            table_crc: frame.trailer.body_crc,
            homes: Mutex::new(vec![home]),
            is_named: AtomicBool::new(true),
        }
    }

    /// A frame names it now.
    pub(crate) fn keep(&self) {
        self.is_named.store(true, Ordering::Relaxed);
    }

    /// Another copy has it too.
    pub(crate) fn is_in(&self, home: Arc<Home>) {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).push(home);
    }

    /// Has a copy that lacks it take it from one that has it.
    pub(crate) fn bring_to(&self, home: &Arc<Home>) -> io::Result<()> {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        if homes.iter().any(|has| Arc::ptr_eq(has, home)) {
            return Ok(());
        }
        let from = homes.first().ok_or(io::ErrorKind::NotFound)?.paths.object(self.name);
        home.take(&from, self.name)?;
        homes.push(home.clone());
        Ok(())
    }
}

impl Drop for ObjectFile {
    fn drop(&mut self) {
        if self.is_named.load(Ordering::Relaxed) {
            return;
        }
        for home in self.homes.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let path = home.paths.object(self.name);
            if let Err(error) = discard(&*home.disk, &path) {
                tracing::warn!(path = %path.display(), %error, "the file of a refused object could not be removed");
            }
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
            PreparedBody::Inline { sha256, .. } | PreparedBody::Released { sha256, .. } => Some(*sha256),
            PreparedBody::File(file) => Some(file.sha256),
        }
    }

    /// Leaves the files of its body where they are: a frame names them, or may.
    pub(crate) fn leave(&self) {
        match &self.body {
            PreparedBody::None | PreparedBody::Inline { .. } | PreparedBody::Released { .. } => {}
            PreparedBody::File(file) => file.keep(),
        }
    }

    /// Bytes that a frame for it takes.
    pub(crate) fn frame_bytes(&self) -> u64 {
        let place = match self.body {
            PreparedBody::Inline { .. } => Place::Inline,
            PreparedBody::None | PreparedBody::File(_) | PreparedBody::Released { .. } => Place::None,
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
            PreparedBody::Inline { length, .. } | PreparedBody::Released { length, .. } => *length,
            PreparedBody::File(file) => file.length,
        }
    }
}

/// What a file of its own says of the record it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) at_us: i64,
    pub(crate) kind: RecordKind,
    pub(crate) header: &'a Bytes,
}

impl Book {
    /// Brings the body of a record to where a commit needs it: a large one is written, named and synced in every copy in use here.
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
                let about = About { epoch, at_us: self.clock.wall_us(), kind, header: &header };
                PreparedBody::File(self.store(about, body)?)
            }
        };
        Ok(Prepared { kind, header, body })
    }

    /// Stores a large object in every copy in use; one that cannot have it is out of service, as long as another has it.
    fn store(&self, about: About<'_>, body: Body) -> Result<ObjectFile, AppendError> {
        let name = self.random.u128().map_err(|_| AppendError::Failed)?;
        let mut copies = self.in_use();
        // What failed is not tried again; the writer takes it out.
        copies.retain(|copy| copy.home.health() != crate::Health::Failed);
        let is_beside = |home: &Home| match &body.content {
            Content::File(spooled) => spooled.path().parent() == Some(home.paths.spool.as_path()),
            Content::Memory(_) => true,
        };
        let own = copies.iter().find(|copy| is_beside(&copy.home)).or(copies.first());
        let own = own.ok_or(AppendError::Failed)?.home.clone();
        let stored =
            own.store(about, name, body).map_err(|error| own.refused("storing a large object", &error));
        let file = stored?;
        for copy in copies.iter().filter(|copy| !Arc::ptr_eq(&copy.home, &own)) {
            match file.bring_to(&copy.home) {
                Ok(()) => {}
                Err(error) if is_no_room(&error) => {
                    copy.home.set_health(crate::Health::Full);
                    return Err(AppendError::Full);
                }
                // The writer takes it out before it acknowledges anything more.
                Err(error) => copy.home.fail("storing a large object", &error),
            }
        }
        Ok(file)
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

    /// What a failure before any commit means: no room is passing, all else ends the service of this copy.
    fn refused(&self, doing: &str, error: &io::Error) -> AppendError {
        if is_no_room(error) {
            self.set_health(crate::Health::Full);
            return AppendError::Full;
        }
        self.fail(doing, error);
        AppendError::Failed
    }

    /// Makes a complete file of a large object, named and synced.
    pub(crate) fn store(
        self: &Arc<Self>,
        about: About<'_>,
        name: u128,
        body: Body,
    ) -> io::Result<ObjectFile> {
        let crcs = body.crcs_of_blocks().into_owned();
        let (file, source) = match body.content {
            Content::File(spooled) if spooled.path().parent() == Some(self.paths.spool.as_path()) => {
                (spooled.file().clone(), Source::Spooled(spooled))
            }
            // It streamed to a copy that has been taken out since.
            Content::File(spooled) => {
                let unfinished = self.begin(name)?;
                copy_into(&*self.disk, spooled.path(), &*unfinished.file, body.length)?;
                (unfinished.file.clone(), Source::Unfinished(unfinished))
            }
            Content::Memory(pieces) => {
                let unfinished = self.begin(name)?;
                let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                unfinished.file.write_at(&parts, 0)?;
                (unfinished.file.clone(), Source::Unfinished(unfinished))
            }
        };
        self.complete(about, name, (body.length, body.sha256, &crcs), (&*file, source))
    }

    /// A new file for an object of this name, removed again unless it is completed.
    pub(crate) fn begin(&self, name: u128) -> io::Result<Unfinished> {
        let path = self.paths.spool.join(format!("{name:032x}.part"));
        let file = self.disk.create(&path)?;
        Ok(Unfinished { disk: self.disk.clone(), path, file, is_renamed: AtomicBool::new(false) })
    }

    /// Ends a file that holds a body with its checksums and its record, syncs it and gives it its name.
    pub(crate) fn complete(
        self: &Arc<Self>,
        about: About<'_>,
        name: u128,
        (length, sha256, crcs): (u64, [u8; 32], &[u32]),
        (file, source): (&dyn DiskFile, Source),
    ) -> io::Result<ObjectFile> {
        let About { epoch, at_us, kind, header } = about;
        let table: Vec<u8> = crcs.iter().flat_map(|crc| crc.to_le_bytes()).collect();
        let table_crc = crc32c::crc32c(&table);
        let head = FrameHead {
            journal: self.journal,
            epoch,
            kind: FrameKind::Record(kind),
            place: Place::File,
            seq: Seq(0),
            batch: Seq(0),
            header_length: u32::try_from(header.len()).map_err(io::Error::other)?,
            body_length: length,
        };
        let trailer = Trailer { at_us, sha256, name, body_crc: table_crc };
        let head_bytes = head.encode();
        let trailer_bytes = trailer.encode(&head_bytes, header);
        let end = object_end(length + table.len() as u64);
        let parts = [table.as_slice(), &head_bytes, header, &trailer_bytes, &end].map(IoSlice::new);
        file.write_at(&parts, length)?;
        file.sync_data()?;
        let path = self.paths.object(name);
        self.disk.rename(source.path(), &path)?;
        source.keep();
        let homes = Mutex::new(vec![self.clone()]);
        let stored = ObjectFile { name, length, sha256, table_crc, homes, is_named: AtomicBool::new(false) };
        self.disk.sync_directory(&self.paths.objects)?;
        Ok(stored)
    }

    /// Takes a complete file over from another copy.
    fn take(&self, from: &Path, name: u128) -> io::Result<()> {
        let part = self.paths.spool.join(format!("{name:032x}.part"));
        let taken = copy(&*self.disk, from, &part, u64::MAX).and_then(|file| {
            file.sync_data()?;
            self.disk.rename(&part, &self.paths.object(name))
        });
        if taken.is_err() {
            remove_if_there(&*self.disk, &part)?;
        }
        taken?;
        self.disk.sync_directory(&self.paths.objects)
    }
}

/// A file under its first name, removed unless it is renamed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    disk: ArcDisk,
    path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    is_renamed: AtomicBool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_renamed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = discard(&*self.disk, &self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file of a refused object could not be removed");
        }
    }
}

/// What a complete file is made of.
pub(crate) enum Source {
    Spooled(outrigger_runtime::body::SpooledFile),
    Unfinished(Unfinished),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Spooled(file) => file.path(),
            Self::Unfinished(file) => &file.path,
        }
    }

    fn keep(self) {
        match self {
            Self::Spooled(file) => file.keep(),
            Self::Unfinished(file) => file.is_renamed.store(true, Ordering::Relaxed),
        }
    }
}

/// A complete file that no segment names, as found at a start.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) frame: ReadFrame,
}

impl Orphan {
    /// Whether it holds these bytes.
    pub(crate) fn is_of(&self, facts: BodyFacts) -> bool {
        self.frame.head.body_length == facts.length && self.frame.trailer.sha256 == facts.sha256
    }
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
