//! Writing what other copies hold into one that lacks it, under the numbers that it has there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use outrigger_runtime::BlockSource;
use outrigger_runtime::body::BLOCK_BYTES;
use sha2::{Digest, Sha256};

use crate::commit::{Batch, Setback, Stamp, before_sync, for_good};
use crate::engine::Engine;
use crate::error::{OpenError, ReadError};
use crate::home::Home;
use crate::ids::Seq;
use crate::log::{About, Orphan, Prepared, PreparedBody, Source};
use crate::options::FRAME_BODY_BYTES_MAX;
use crate::ranges::Ranges;
use crate::reader::JournalReader;
use crate::record::{BodyFacts, Entry, Presence, Record, RecordKind, Release, Void};

/// Records read at once.
const RECORDS: usize = 256;
/// Bytes of bodies written and synced at once: bounds memory, and how long a commit waits behind it.
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// Complete files in a copy that no record there names.
pub(crate) type Orphans = Vec<(PathBuf, Orphan)>;

/// Why nothing was transferred.
#[derive(Debug)]
pub(crate) enum Stuck {
    /// The others could not be read.
    Read(ReadError),
    /// The copy could not be written.
    Write(Setback),
}

impl Stuck {
    /// As a reason why a copy is not at the end of the others.
    pub(crate) fn in_copy(self, directory: &Path) -> OpenError {
        let (doing, source) = match self {
            Self::Read(error) => ("reading the others", io::Error::other(error)),
            Self::Write(Setback::NoRoom) => {
                ("finding room for what it lacks", io::ErrorKind::StorageFull.into())
            }
            Self::Write(Setback::Failed { doing, error }) => (doing, error),
        };
        OpenError::Level { doing, directory: directory.to_owned(), source }
    }
}

/// Writes all records behind `after`, up to `last`, that readers are shown, and moves `after` as far as it comes.
pub(crate) fn bring(
    source: &JournalReader,
    engine: &mut dyn Engine,
    (after, last): (&mut Seq, Seq),
    orphans: &mut Orphans,
) -> Result<(), Stuck> {
    while *after < last {
        *after = step(source, engine, (*after, last), orphans)?;
    }
    Ok(())
}

/// Writes the next records behind `after`, up to `last`, that readers are shown; gives how far it came, `last` at the end.
fn step(
    source: &JournalReader,
    engine: &mut dyn Engine,
    (after, last): (Seq, Seq),
    orphans: &mut Orphans,
) -> Result<Seq, Stuck> {
    let entries = source.records(after, RECORDS).map_err(Stuck::Read)?;
    let mut run = Run::default();
    let mut come = last;
    let is_cut = entries.len() >= RECORDS;
    for entry in entries {
        let record = match entry {
            Entry::Record(record) if record.seq <= last => record,
            Entry::Record(_) => break,
            Entry::Damaged(damage) => {
                come = damage.entries.map_or(come, |(_, end)| end.min(last));
                tracing::error!(%damage, "no copy of the journal has these entries; they are left out of the one that is made anew");
                continue;
            }
        };
        come = record.seq;
        if !run.takes(&record) {
            run.write(engine).map_err(Stuck::Write)?;
        }
        let prepared = prepared(source, engine.home(), &record, orphans)?;
        run.push(record, prepared);
    }
    run.write(engine).map_err(Stuck::Write)?;
    Ok(if is_cut { come } else { last })
}

/// Records without a gap, to be written and synced together.
#[derive(Default)]
struct Run {
    records: Vec<(Record, Arc<Prepared>)>,
    bytes: u64,
}

impl Run {
    fn takes(&self, record: &Record) -> bool {
        self.records
            .last()
            .is_none_or(|(last, _)| record.seq == last.seq.next() && self.bytes < BATCH_BYTES_MAX)
    }

    fn push(&mut self, record: Record, prepared: Prepared) {
        self.bytes += prepared.frame_bytes();
        self.records.push((record, Arc::new(prepared)));
    }

    /// Writes what there is, and lets go what these records say is let go.
    fn write(&mut self, engine: &mut dyn Engine) -> Result<(), Setback> {
        let Self { records, .. } = std::mem::take(self);
        let Some((first, _)) = records.first() else { return Ok(()) };
        let first = first.seq;
        let stamp = |(record, _): &(Record, _)| Stamp { epoch: record.epoch, at_us: record.at_us };
        let stamps = records.iter().map(stamp).collect();
        let (mut void, mut released) = (Ranges::default(), Ranges::default());
        for (record, _) in &records {
            match record.kind {
                RecordKind::Void => void.add(&said::<Void>(&record.header)?.void),
                RecordKind::Release => released.add(&said::<Release>(&record.header)?.released),
                RecordKind::Object | RecordKind::Closing | RecordKind::Decision | RecordKind::Member => {}
            }
        }
        let prepared: Vec<Arc<Prepared>> = records.into_iter().map(|(_, prepared)| prepared).collect();
        engine.write(&Batch { first, records: prepared.clone(), stamps, void })?;
        for record in prepared {
            record.leave();
        }
        if released.is_empty() { Ok(()) } else { engine.let_go(&released) }
    }
}

/// What a record of the journal's own says.
fn said<T: serde::de::DeserializeOwned>(header: &Bytes) -> Result<T, Setback> {
    serde_json::from_slice(header)
        .map_err(io::Error::other)
        .map_err(for_good("reading a record of the journal's own"))
}

fn prepared(
    source: &JournalReader,
    home: &Arc<Home>,
    record: &Record,
    orphans: &mut Orphans,
) -> Result<Prepared, Stuck> {
    let body = match record.body {
        None => PreparedBody::None,
        Some(facts) => brought(source, home, (record, facts), orphans)?,
    };
    Ok(Prepared { kind: record.kind, header: record.header.clone(), body })
}

/// The bytes of a record where this copy needs them; those that no copy has are let go here, and said so.
fn brought(
    source: &JournalReader,
    home: &Arc<Home>,
    (record, facts): (&Record, BodyFacts),
    orphans: &mut Orphans,
) -> Result<PreparedBody, Stuck> {
    let BodyFacts { length, sha256, presence } = facts;
    let released = PreparedBody::Released { length, sha256 };
    let orphan = orphans.iter().position(|(_, orphan)| orphan.is_of(facts));
    let orphan = orphan.map(|at| orphans.swap_remove(at));
    if presence == Presence::Released {
        // It was let go before this copy knew of it.
        if let Some((_, orphan)) = orphan {
            home.remove_object(orphan.frame.trailer.name).map_err(Stuck::Write)?;
        }
        return Ok(released);
    }
    if let Some((path, orphan)) = orphan {
        let adopted =
            home.adoptable(&path, &orphan).map_err(before_sync("writing anew")).map_err(Stuck::Write)?;
        if let Some(Prepared { body, .. }) = adopted {
            return Ok(body);
        }
    }
    let body = match source.body(record.seq) {
        Ok(body) => body,
        Err(ReadError::Released(_)) => return Ok(released),
        Err(error @ (ReadError::Damaged { .. } | ReadError::Unknown(_))) => {
            tracing::error!(entry = %record.seq, %error, "no copy of the journal has these bytes; the one that is made anew is without them");
            return Ok(released);
        }
        Err(error @ ReadError::Io { .. }) => return Err(Stuck::Read(error)),
    };
    let copied = if length <= FRAME_BODY_BYTES_MAX {
        inline(&*body, facts)
    } else {
        filed(&*body, home, record, facts).map_err(Stuck::Write)?
    };
    Ok(copied.unwrap_or_else(|| {
        tracing::error!(entry = %record.seq, "no copy of the journal has these bytes as they were; the one that is made anew is without them");
        released
    }))
}

/// A small body; nothing where its bytes are not those that were acknowledged.
fn inline(body: &dyn BlockSource, facts: BodyFacts) -> Option<PreparedBody> {
    let mut bytes = BytesMut::new();
    let blocks = facts.length.div_ceil(BLOCK_BYTES as u64);
    for index in 0..blocks {
        bytes.extend_from_slice(&body.read_block(index).ok()?);
    }
    let bytes = bytes.freeze();
    let is_same =
        bytes.len() as u64 == facts.length && <[u8; 32]>::from(Sha256::digest(&bytes)) == facts.sha256;
    let crc = crc32c::crc32c(&bytes);
    is_same.then(|| PreparedBody::Inline {
        pieces: vec![bytes],
        length: facts.length,
        sha256: facts.sha256,
        crc,
    })
}

/// A large body, in a complete file of this copy.
fn filed(
    body: &dyn BlockSource,
    home: &Arc<Home>,
    record: &Record,
    facts: BodyFacts,
) -> Result<Option<PreparedBody>, Setback> {
    let wrote = before_sync("writing a large object");
    let name = home.random.u128().map_err(io::Error::other).map_err(for_good("naming a large object"))?;
    let unfinished = match home.begin(name) {
        Ok(unfinished) => unfinished,
        Err(error) => return Err(wrote(error)),
    };
    let (mut crcs, mut sha256, mut length) = (Vec::new(), Sha256::new(), 0);
    for index in 0..facts.length.div_ceil(BLOCK_BYTES as u64) {
        let Ok(block) = body.read_block(index) else { return Ok(None) };
        if let Err(error) = unfinished.file.write_at(&[io::IoSlice::new(&block)], length) {
            return Err(wrote(error));
        }
        crcs.push(crc32c::crc32c(&block));
        sha256.update(&block);
        length += block.len() as u64;
    }
    if length != facts.length || <[u8; 32]>::from(sha256.finalize()) != facts.sha256 {
        return Ok(None);
    }
    let Record { epoch, at_us, kind, header, .. } = record;
    let about = About { epoch: *epoch, at_us: *at_us, kind: *kind, header };
    let file = unfinished.file.clone();
    let completed =
        home.complete(about, name, (length, facts.sha256, &crcs), (&*file, Source::Unfinished(unfinished)));
    completed.map(PreparedBody::File).map(Some).map_err(for_good("syncing a large object"))
}
