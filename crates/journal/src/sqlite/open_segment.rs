//! The segment that grows: one connection, one file of bodies, one commit after the other.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use outrigger_runtime::disk::remove_if_there;
use outrigger_runtime::reserve::is_no_room;
use rusqlite::Connection;

use crate::commit::{Batch, Setback, before_sync, for_good};
use crate::home::Home;
use crate::ids::Seq;
use crate::log::{Prepared, PreparedBody};
use crate::paths::SegmentKey;
use crate::sqlite::bodies::Bodies;
use crate::sqlite::names;
use crate::sqlite::row::{Place, RecordRow};
use crate::sqlite::segment::{self, Opening, Tally};
use crate::sqlite::shared::{Database, as_io, held};

/// The write-ahead log is put into the database when it has grown to about this.
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// What a row adds to the write-ahead log beside its header, about: its page is written anew with each commit.
const PAGE_BYTES: u64 = 4096;

/// The segment that grows.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) opening: Opening,
    pub(crate) tally: Tally,
    pub(crate) database: Database,
    bodies: Bodies,
    /// Bytes in the write-ahead log, about.
    ahead: u64,
    /// Bytes in the database, about.
    pub(crate) database_bytes: u64,
}

/// How a database is set up whose commits are durable when they return.
const DURABLE: &str = "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; \
     PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0";

/// What an error of SQLite's before anything was committed means.
fn before_commit(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Setback {
    move |error| before_sync(doing)(as_io(error))
}

/// What an error of SQLite's means that leaves open what is on the disk.
fn in_doubt(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Setback {
    move |error| for_good(doing)(as_io(error))
}

impl OpenSegment {
    /// Begins a segment: both files and the opening are on the disk before any record.
    pub(crate) fn begin(home: &Home, opening: Opening) -> Result<Self, Setback> {
        let (path, bodies_path) =
            (names::database(&home.paths, opening.numbers.0), names::bodies(&home.paths, opening.key()));
        let file = home.disk.create(&bodies_path).map_err(before_sync("making a file of bodies"))?;
        let begun = Connection::open(&path).and_then(|database| {
            database.execute_batch(DURABLE)?;
            let transaction = database.unchecked_transaction()?;
            segment::begin(&transaction, &opening)?;
            transaction.commit()?;
            // What a segment is can be read of its database alone.
            segment::checkpoint(&database)?;
            Ok(database)
        });
        let database = match begun {
            Ok(database) => database,
            Err(error) => {
                for made in [names::write_ahead(&home.paths, opening.numbers.0), path, bodies_path] {
                    let removed = remove_if_there(&*home.disk, &made);
                    removed.map_err(for_good("taking a new segment back"))?;
                }
                return Err(before_commit("beginning a segment")(error));
            }
        };
        let synced = home.disk.sync_directory(&home.paths.segments);
        synced.map_err(for_good("syncing the directory of segments"))?;
        let bodies = Bodies::new(file, 0, home.options.segment_bytes_max);
        let bodies = bodies.map_err(for_good("starting the thread that syncs bodies"))?;
        let tally = Tally::empty(opening.first, &opening.previous);
        let database = Arc::new(Mutex::new(database));
        Ok(Self { opening, tally, database, bodies, ahead: 0, database_bytes: 8 * PAGE_BYTES })
    }

    pub(crate) fn key(&self) -> SegmentKey {
        self.opening.key()
    }

    /// Writes a batch, durable when this returns, and gives its rows.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<Vec<RecordRow>, Setback> {
        let none: &[Bytes] = &[];
        let pieces: Vec<&[Bytes]> = batch
            .numbered()
            .map(|(_, record)| match &record.body {
                PreparedBody::Inline { pieces, .. } => pieces.as_slice(),
                PreparedBody::None | PreparedBody::File(_) | PreparedBody::Released { .. } => none,
            })
            .collect();
        let written = match self.bodies.write(&pieces) {
            Ok(written) => written,
            Err(error) => {
                self.bodies.roll_back().map_err(for_good("rolling bodies back"))?;
                return Err(before_sync("writing bodies")(error));
            }
        };
        let (offsets, end) = written;
        let rows: Vec<RecordRow> = batch
            .numbered()
            .zip(offsets)
            .map(|((seq, record), offset)| row(batch, seq, record, offset))
            .collect();
        let has_bodies = end > self.bodies.end;
        if has_bodies {
            // Beside the commit: if only one of the two succeeds before a crash, a start sees it, and nothing was acknowledged.
            self.bodies.begin_sync().map_err(for_good("syncing bodies"))?;
        }
        let committed = commit(&self.database, &rows);
        if has_bodies {
            self.bodies.end_sync().map_err(for_good("syncing bodies"))?;
        }
        if let Err(setback) = committed {
            self.bodies.roll_back().map_err(for_good("rolling bodies back"))?;
            return Err(setback);
        }
        self.bodies.end = end;
        for row in &rows {
            self.tally.count(row);
            let bytes = row.header.len() as u64 + PAGE_BYTES / 16;
            self.database_bytes += bytes;
            self.ahead += bytes;
        }
        self.ahead += 2 * PAGE_BYTES;
        if self.ahead >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        Ok(rows)
    }

    /// Puts what is in the write-ahead log into the database, if there is anything.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Setback> {
        if self.ahead == 0 {
            return Ok(());
        }
        match segment::checkpoint(&held(&self.database)).map_err(as_io) {
            Ok(()) => self.ahead = 0,
            // What is committed is on the disk as it is; there is more to be read at a start, that is all.
            Err(error) if is_no_room(&error) => {}
            Err(error) => return Err(for_good("putting the write-ahead log into the database")(error)),
        }
        Ok(())
    }

    /// Writes the seal and leaves both files for good, all of it on the disk.
    pub(crate) fn seal(&self) -> Result<(), Setback> {
        self.bodies.file.set_length(self.bodies.end).map_err(for_good("cutting a file of bodies"))?;
        self.bodies.file.sync_data().map_err(for_good("syncing a file of bodies"))?;
        let database = held(&self.database);
        segment::seal(&database, &self.tally).map_err(before_commit("sealing a segment"))?;
        segment::rest(&database).map_err(in_doubt("leaving a sealed segment"))
    }
}

fn commit(database: &Database, rows: &[RecordRow]) -> Result<(), Setback> {
    let database = held(database);
    let transaction = database.unchecked_transaction().map_err(before_commit("beginning a batch"))?;
    // Dropped on an error, it is rolled back.
    rows.iter()
        .try_for_each(|row| row.insert(&transaction))
        .and_then(|()| transaction.commit())
        .map_err(before_commit("committing a batch"))
}

fn row(batch: &Batch, seq: Seq, record: &Prepared, offset: u64) -> RecordRow {
    let stamp = batch.stamp(seq);
    let (place, length, sha256, crc) = match &record.body {
        PreparedBody::None => (Place::None, 0, [0; 32], 0),
        PreparedBody::Inline { length, sha256, crc, .. } => (Place::Beside(offset), *length, *sha256, *crc),
        PreparedBody::File(file) => (Place::File(file.name), file.length, file.sha256, file.table_crc),
        PreparedBody::Released { length, sha256 } => (Place::Released, *length, *sha256, 0),
    };
    RecordRow {
        seq,
        batch: batch.first,
        epoch: stamp.epoch,
        at_us: stamp.at_us,
        kind: record.kind,
        header: record.header.to_vec(),
        length,
        sha256,
        crc,
        place,
    }
}
