//! Reading the segments at a start.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::disk::{Access, Disk, read_exact_at, remove_if_there};
use outrigger_runtime::reserve::is_no_room;
use rusqlite::Connection;

use crate::begin::{io_error, is_there};
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::OpenError;
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Cut;
use crate::paths::{Paths, SegmentKey};
use crate::renew;
use crate::sqlite::index::{Index, Places, Segment, Stage};
use crate::sqlite::names::{self, Named};
use crate::sqlite::row::{COLUMNS, Place, Read, RecordRow};
use crate::sqlite::segment::{self, FORMAT, Opening, Said, Tally};
use crate::sqlite::shared::{as_io, as_it_stands, read_only};
use crate::sqlite::wal::{self, Wal};

/// Bytes of a database that holds nothing yet.
const EMPTY_DATABASE_BYTES: u64 = 32 << 10;

/// What a start works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) paths: &'a Paths,
    pub(crate) journal: JournalId,
    pub(crate) applied: Seq,
}

/// All segments, read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    pub(crate) damaged: Vec<Damage>,
    pub(crate) cut: Option<Cut>,
    pub(crate) epoch: Epoch,
    /// Each body kept in a file of its own: its file's name and its number.
    pub(crate) names: BTreeMap<u128, Seq>,
}

impl Loaded {
    /// Reads all segments: of sealed ones what they say of themselves, of the others every row and every byte; seals the one that grew.
    pub(crate) fn load(start: Start<'_>) -> Result<Self, OpenError> {
        let mut loaded = Self::default();
        let (numbers, bodies) = listed(start)?;
        for number in numbers {
            loaded.segment(start, number)?;
        }
        for key in bodies {
            let is_used = loaded.index.segments.iter().any(|segment| segment.key() == key);
            if !is_used {
                remove_file(start, &names::bodies(start.paths, key))?;
            }
        }
        loaded.gaps(start);
        let released = loaded.index.segments.iter().map(|segment| segment.tally.released.clone());
        for released in released.collect::<Vec<_>>() {
            loaded.index.release(&released);
        }
        Ok(loaded)
    }

    fn segment(&mut self, start: Start<'_>, number: u32) -> Result<(), OpenError> {
        let path = names::database(start.paths, number);
        let failed = |error: rusqlite::Error| io_error("reading", &path)(as_io(error));
        self.look_ahead(start, number)?;
        let Some((database, said)) = opened(start, &path, number).map_err(failed)? else {
            return remove(start, number, SegmentKey { number, rewrites: 0 });
        };
        if let Some(opening) = &said.opening {
            newer(&path, opening)?;
            ours(start, &path, opening)?;
            let is_merged = self.index.segments.last().is_some_and(|before| {
                let (first, last) = before.opening.numbers;
                first < number && number <= last && said.seal.is_some()
            });
            if is_merged {
                // The crash came before it was removed.
                drop(database);
                return remove(start, number, opening.key());
            }
        }
        match said {
            Said { opening: Some(opening), seal: Some(tally) } => {
                self.sealed(&database, opening, tally).map_err(failed)
            }
            Said { opening, .. } => {
                if opening.is_none() {
                    self.damaged.push(no_entry(&path, 0, DamagedPart::Opening));
                }
                let opening = opening.unwrap_or_else(|| self.opening_anew(start, number));
                self.unsealed(start, database, &opening)
            }
        }
    }

    /// What the write-ahead log of a segment would lose by being opened.
    fn look_ahead(&mut self, start: Start<'_>, number: u32) -> Result<(), OpenError> {
        let path = names::write_ahead(start.paths, number);
        let file = match start.disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("reading", &path)(error)),
        };
        match wal::look(&*file).map_err(io_error("reading", &path))? {
            Wal::Empty | Wal::Sound => {}
            Wal::Damaged { offset, commits, certainty } => {
                let kept = names::damaged(start.paths, number);
                tracing::error!(file = %path.display(), offset, commits, kept = %kept.display(), "a write-ahead log is damaged in its middle: what was committed behind it is lost in this copy; the log is kept as it was found");
                keep(start, &path, &kept)?;
                let damage = no_entry(&path, offset, DamagedPart::WriteAhead);
                self.damaged.push(Damage { certainty, ..damage });
            }
        }
        Ok(())
    }

    fn sealed(&mut self, database: &Connection, opening: Opening, tally: Tally) -> rusqlite::Result<()> {
        let mut places = Places::default();
        if tally.bodies > 0 {
            let mut statement =
                database.prepare(&format!("SELECT {COLUMNS} FROM record WHERE seq < ?1 ORDER BY seq"))?;
            let rows = statement.query_map([tally.end.0.cast_signed()], RecordRow::read)?;
            for row in rows {
                if let Read::Sound(row) = row? {
                    self.name(&row);
                    places.push(opening.first, row.seq, row.place);
                }
            }
        }
        let database_bytes = database_bytes(database)?;
        self.add(opening, tally, places, database_bytes);
        Ok(())
    }

    fn name(&mut self, row: &RecordRow) {
        if let Place::File(name) = row.place {
            self.names.insert(name, row.seq);
        }
    }

    fn add(&mut self, opening: Opening, tally: Tally, places: Places, database_bytes: u64) {
        self.index.void.add(&tally.void);
        let places = (tally.bodies > 0).then(|| Arc::new(places));
        let stage = Stage::Sealed;
        self.index.segments.push(Segment { opening, tally, stage, database_bytes, places });
    }

    /// The opening of a segment that does not say what it is.
    fn opening_anew(&self, start: Start<'_>, number: u32) -> Opening {
        let first = self.index.segments.last().map_or(Seq(1), |before| before.tally.end);
        Opening {
            format: FORMAT,
            journal: start.journal.to_string(),
            numbers: (number, number),
            rewrites: 0,
            first,
            previous: self.index.chain(),
        }
    }

    /// Reads every row and every byte of the segment that grew, cuts what was never acknowledged, and seals it.
    fn unsealed(
        &mut self,
        start: Start<'_>,
        database: Connection,
        opening: &Opening,
    ) -> Result<(), OpenError> {
        let path = names::database(start.paths, opening.numbers.0);
        let failed = |error: rusqlite::Error| io_error("reading", &path)(as_io(error));
        let bodies_path = names::bodies(start.paths, opening.key());
        let rows = all_rows(&database).map_err(failed)?;
        let looked = look_through(start, &bodies_path, rows);
        self.damaged.extend(looked.damaged.into_iter().map(|damage| match damage.part {
            DamagedPart::Body => Damage { file: bodies_path.clone(), ..damage },
            _ => Damage { file: path.clone(), ..damage },
        }));
        drop(database);
        let Some(last) = looked.rows.last() else {
            return remove(start, opening.numbers.0, opening.key());
        };
        let mut tally = Tally::empty(opening.first, &opening.previous);
        let mut places = Places::default();
        for row in &looked.rows {
            tally.count(row);
            self.name(row);
            self.epoch = self.epoch.max(row.epoch);
            places.push(opening.first, row.seq, row.place);
        }
        if let Some(first) = looked.cut {
            let bytes = start.disk.open(&bodies_path, Access::Read).and_then(|file| file.length());
            let bytes = bytes.unwrap_or(tally.bytes).saturating_sub(tally.bytes);
            tracing::info!(file = %path.display(), from = %first, "a torn end that was never acknowledged is cut");
            self.cut = Some(Cut { file: bodies_path.clone(), offset: tally.bytes, bytes });
        }
        let fresh = Opening { rewrites: opening.rewrites.saturating_add(1), ..opening.clone() };
        let fresh_path = names::bodies(start.paths, fresh.key());
        let opening = match copied(start, &bodies_path, &fresh_path, tally.bytes) {
            Ok(()) => fresh,
            Err(error) if is_no_room(&error) => {
                tracing::warn!(file = %bodies_path.display(), "no room to write a file of bodies anew; it is taken as it is");
                opening.clone()
            }
            Err(error) => return Err(io_error("writing anew", &bodies_path)(error)),
        };
        let database_bytes = seal(&path, &opening, &tally, last.seq)
            .map_err(|error| io_error("sealing", &path)(as_io(error)))?;
        self.add(opening, tally, places, database_bytes);
        Ok(())
    }

    /// Numbers that are missing between segments and behind the last, and the tail.
    fn gaps(&mut self, start: Start<'_>) {
        let mut expected = Seq(1);
        let mut lost = Vec::new();
        let mut file = names::database(start.paths, self.index.last_number().max(1));
        for segment in &self.index.segments {
            let path = names::database(start.paths, segment.key().number);
            if expected < segment.opening.first {
                lost.push((path.clone(), expected, segment.opening.first.before()));
            }
            expected = expected.max(segment.tally.end);
            file = path;
        }
        if expected <= start.applied {
            lost.push((file, expected, start.applied));
        }
        for (file, first, last) in lost {
            for entries in self.index.void.missing(first, last) {
                let (part, certainty) = (DamagedPart::Missing, Certainty::Acknowledged);
                let file = file.clone();
                self.damaged.push(Damage { file, offset: 0, part, entries: Some(entries), certainty });
            }
        }
        self.index.tail = expected.max(start.applied.next()).before();
    }
}

/// The segments there are, in order, and the files of bodies; what never counted is removed.
fn listed(start: Start<'_>) -> Result<(Vec<u32>, Vec<SegmentKey>), OpenError> {
    let directory = &start.paths.segments;
    let (mut numbers, mut bodies) = (Vec::new(), Vec::new());
    for listed in start.disk.list(directory).map_err(io_error("listing", directory))? {
        match names::named(&listed.path) {
            Named::Database(number) => numbers.push(number),
            Named::Bodies(key) => bodies.push(key),
            Named::Leftover => {
                start.disk.remove(&listed.path).map_err(io_error("removing", &listed.path))?;
            }
            Named::OfSqlite => {}
            Named::Other => {
                tracing::warn!(file = %listed.path.display(), "not a file of the journal; it is left alone");
            }
        }
    }
    numbers.sort_unstable();
    Ok((numbers, bodies))
}

/// The rows of a segment that grew, looked through.
struct Looked {
    rows: Vec<RecordRow>,
    /// The first of those that were never acknowledged.
    cut: Option<Seq>,
    damaged: Vec<Damage>,
}

/// Reads every body; rows of the last commit whose bodies never came to the disk were not acknowledged.
fn look_through(start: Start<'_>, bodies: &Path, rows: Vec<Read>) -> Looked {
    let file = start.disk.open(bodies, Access::Read).ok();
    let is_whole = |row: &RecordRow| match row.place {
        Place::Beside(offset) => file.as_ref().is_some_and(|file| {
            let length = usize::try_from(row.length).unwrap_or(usize::MAX);
            let read = read_exact_at(&**file, offset, length);
            read.is_ok_and(|bytes| crc32c::crc32c(&bytes) == row.crc)
        }),
        Place::None | Place::File(_) | Place::Released => true,
    };
    let last_batch = rows.iter().rev().find_map(|row| match row {
        Read::Sound(row) => Some(row.batch),
        Read::Damaged(_) => None,
    });
    let mut looked = Looked { rows: Vec::new(), cut: None, damaged: Vec::new() };
    for read in rows {
        let damage = |part, seq| Damage {
            file: bodies.to_owned(),
            offset: 0,
            part,
            entries: Some((seq, seq)),
            certainty: Certainty::Acknowledged,
        };
        match read {
            Read::Damaged(seq) => looked.damaged.push(damage(DamagedPart::Frame, seq)),
            Read::Sound(row) if is_whole(&row) => looked.rows.push(row),
            Read::Sound(row) if Some(row.batch) == last_batch && row.seq > start.applied => {
                looked.cut = Some(row.seq);
                break;
            }
            Read::Sound(row) => {
                looked.damaged.push(damage(DamagedPart::Body, row.seq));
                looked.rows.push(row);
            }
        }
    }
    looked
}

fn all_rows(database: &Connection) -> rusqlite::Result<Vec<Read>> {
    let mut statement = database.prepare(&format!("SELECT {COLUMNS} FROM record ORDER BY seq"))?;
    statement.query_map([], RecordRow::read)?.collect()
}

/// Keeps a copy of a write-ahead log before SQLite drops what it does not take: a person may find in it what no other copy has.
fn keep(start: Start<'_>, path: &Path, kept: &Path) -> Result<(), OpenError> {
    if is_there(start.disk, kept) {
        // An earlier start found it, and ended before it was dropped.
        return Ok(());
    }
    match copied(start, path, kept, u64::MAX) {
        Err(error) if is_no_room(&error) => {
            tracing::warn!(file = %kept.display(), "no room to keep a damaged write-ahead log");
            Ok(())
        }
        copied => copied.map_err(io_error("writing", kept)),
    }
}

/// Copies the first bytes of a file into a new one, on the disk when this returns; of one that could not be copied whole nothing stays.
///
/// The bodies that count are copied so at a start: after a failed sync the page cache may show what is not on the disk. Rows are safe
/// from that, as putting the write-ahead log into the database writes them again.
fn copied(start: Start<'_>, from: &Path, to: &Path, length: u64) -> io::Result<()> {
    let copied = renew::copy(start.disk, from, to, length).and_then(|target| target.sync_data());
    if copied.is_err() {
        remove_if_there(start.disk, to)?;
    }
    copied.and_then(|()| start.disk.sync_directory(&start.paths.segments))
}

/// Seals the database of a segment that grew, without the rows behind `last`; gives its length.
fn seal(path: &Path, opening: &Opening, tally: &Tally, last: Seq) -> rusqlite::Result<u64> {
    let database = Connection::open(path)?;
    database
        .execute_batch("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")?;
    let transaction = database.unchecked_transaction()?;
    transaction.execute("DELETE FROM record WHERE seq > ?1", [last.0.cast_signed()])?;
    segment::open_anew(&transaction, opening)?;
    segment::seal(&transaction, tally)?;
    transaction.commit()?;
    segment::rest(&database)?;
    database_bytes(&database)
}

fn database_bytes(database: &Connection) -> rusqlite::Result<u64> {
    let of = |what: &str| database.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0));
    let bytes = of("page_count")?.saturating_mul(of("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(EMPTY_DATABASE_BYTES))
}

/// What a segment says of the journal that it belongs to, and its greatest epoch; its write-ahead log is left for the next start, which
/// looks it through before SQLite does.
pub(crate) fn names_of(path: &Path) -> io::Result<Vec<(JournalId, Epoch)>> {
    let read = || -> rusqlite::Result<Option<(JournalId, Epoch)>> {
        let database = as_it_stands(path)?;
        let Some(opening) = segment::said(&database)?.opening else { return Ok(None) };
        let epoch: Option<u32> = database.query_row("SELECT max(epoch) FROM record", [], |row| row.get(0))?;
        let journal = u128::from_str_radix(&opening.journal, 16).ok().map(JournalId);
        Ok(journal.map(|journal| (journal, Epoch(epoch.unwrap_or(0)))))
    };
    match read() {
        Ok(named) => Ok(named.into_iter().collect()),
        Err(error) if is_no_table(&error) => Ok(Vec::new()),
        Err(error) => Err(as_io(error)),
    }
}

/// Opens the database of a segment and reads what that says of itself; `None` if it was never whole: its tables are made in one commit.
fn opened(start: Start<'_>, path: &Path, number: u32) -> rusqlite::Result<Option<(Connection, Said)>> {
    let read = |database: Connection| segment::said(&database).map(|said| (database, said));
    let opened = if is_there(start.disk, &names::write_ahead(start.paths, number)) {
        Connection::open(path).and_then(read)
    } else {
        // Without the write-ahead log that it ought to have, only who may write can open it.
        read_only(path).and_then(read).or_else(|_| Connection::open(path).and_then(read))
    };
    match opened {
        Err(error) if is_no_table(&error) => Ok(None),
        opened => opened.map(Some),
    }
}

fn is_no_table(error: &rusqlite::Error) -> bool {
    error.to_string().contains("no such table")
}

/// Removes the files of a segment that holds nothing, or that another one stands for.
fn remove(start: Start<'_>, number: u32, key: SegmentKey) -> Result<(), OpenError> {
    let database = names::database(start.paths, number);
    let files = [names::write_ahead(start.paths, number), names::bodies(start.paths, key), database];
    files.iter().try_for_each(|path| remove_file(start, path))
}

/// Removes a file, if it is there.
fn remove_file(start: Start<'_>, path: &Path) -> Result<(), OpenError> {
    remove_if_there(start.disk, path).map_err(io_error("removing", path))
}

fn newer(path: &Path, opening: &Opening) -> Result<(), OpenError> {
    if opening.format <= FORMAT {
        return Ok(());
    }
    Err(OpenError::NewerFormat { file: path.to_owned(), found: opening.format, known: FORMAT })
}

fn ours(start: Start<'_>, path: &Path, opening: &Opening) -> Result<(), OpenError> {
    let found = u128::from_str_radix(&opening.journal, 16).map(JournalId);
    match found {
        Ok(found) if found != start.journal => {
            Err(OpenError::Foreign { file: path.to_owned(), found, ours: start.journal })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn no_entry(path: &Path, offset: u64, part: DamagedPart) -> Damage {
    Damage { file: path.to_owned(), offset, part, entries: None, certainty: Certainty::NoEntry }
}
