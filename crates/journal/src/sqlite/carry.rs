//! Writing segments anew: with the bodies that are still kept, or two small ones as one.
//!
//! Crash-safe at every step: the new database counts only when it has been renamed over the first of the old ones, complete and synced; the
//! new file of bodies bears another name. What is left over is removed after that, and by the next start if this one does not get so far.

use std::io;
use std::sync::Arc;

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::{Access, read_exact_at, remove_if_there};
use rusqlite::Connection;

use crate::commit::{Setback, before_sync, for_good};
use crate::engine::{Forwarded, Obstacle, Plan};
use crate::ids::Seq;
use crate::options::SEGMENT_ENTRIES_MAX;
use crate::paths::SegmentKey;
use crate::sqlite::copy::Sqlite;
use crate::sqlite::index::{Places, Segment, Stage};
use crate::sqlite::names;
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::row::{Place, Read, RecordRow};
use crate::sqlite::segment::{self, Opening, Tally};
use crate::sqlite::shared::{Shared, as_io};

/// A segment is written anew when one part in this many of its bodies is let go.
const WORTH_WHILE: u64 = 2;
/// Rows read at once.
const ROWS: usize = 256;

/// Segments to be written anew as one.
#[derive(Debug)]
pub(crate) struct Together {
    shared: Arc<Shared>,
    sources: Vec<Segment>,
}

/// A complete and synced database, and its file of bodies, that may take the place of others.
#[derive(Debug)]
pub(crate) struct Written {
    segment: Segment,
    places: Places,
    replaced: Vec<SegmentKey>,
}

impl Sqlite {
    /// Chooses what to write anew.
    pub(crate) fn worth_while(&self) -> Option<Together> {
        let index = self.shared.index();
        let is_free = |segment: &&Segment| {
            segment.stage == Stage::Sealed && !self.keeping.stuck.contains(&segment.key())
        };
        let wasteful = index.segments.iter().filter(is_free).find(|segment| {
            let free = segment.tally.bytes.saturating_sub(segment.tally.kept_bytes);
            free > 0 && free.saturating_mul(WORTH_WHILE) >= segment.tally.bytes
        });
        let size_max = self.shared.home.options.segment_bytes_max;
        let pair = || {
            index.segments.windows(2).find(|pair| {
                pair.iter().all(|segment| is_free(&segment))
                    && matches!(pair, [a, b] if fit_together(a, b, size_max))
            })
        };
        let sources = wasteful.map(std::slice::from_ref).or_else(pair)?.to_vec();
        Some(Together { shared: self.shared.clone(), sources })
    }

    /// Puts what was written anew in the place of what it was made from.
    pub(crate) fn replace(&mut self, written: Written) -> Result<(), Setback> {
        let Written { mut segment, places, replaced } = written;
        let home = self.shared.home.clone();
        let number = segment.key().number;
        segment.places = (segment.tally.bodies > 0).then(|| Arc::new(places));
        {
            let mut index = self.shared.index_mut();
            // Bodies that were let go while it was written.
            let numbers = (segment.opening.first.0..segment.tally.end.0).map(Seq);
            let gone: Vec<Seq> =
                numbers.filter(|seq| segment.is_kept(*seq) && !index.is_kept(*seq)).collect();
            for seq in gone {
                segment.release(seq);
            }
            let unfinished = names::unfinished(&home.paths, number);
            let renamed = home.disk.rename(&unfinished, &names::database(&home.paths, number));
            renamed.map_err(before_sync("renaming a segment written anew"))?;
            let at = index.segments.iter().position(|old| replaced.contains(&old.key())).unwrap_or(0);
            index.segments.retain(|old| !replaced.contains(&old.key()));
            index.segments.insert(at, segment);
        }
        self.shared.forget(&replaced);
        let synced = home.disk.sync_directory(&home.paths.segments);
        synced.map_err(for_good("syncing the directory of segments"))?;
        let databases = replaced.iter().skip(1).map(|key| names::database(&home.paths, key.number));
        let bodies = replaced.iter().map(|key| names::bodies(&home.paths, *key));
        for path in databases.chain(bodies) {
            let removed = remove_if_there(&*home.disk, &path);
            removed.map_err(for_good("removing what was written anew"))?;
        }
        self.keeping.reserve.refill().map_err(for_good("taking the reserve back"))
    }
}

/// Whether two neighbours without bodies are worth merging: like sizes, so that nothing is copied over and over.
fn fit_together(a: &Segment, b: &Segment, size_max: u64) -> bool {
    let bytes = a.database_bytes.saturating_add(b.database_bytes);
    a.tally.bodies + b.tally.bodies == 0
        && a.tally.end == b.opening.first
        && bytes <= size_max
        && a.database_bytes <= b.database_bytes.saturating_mul(2)
        && a.tally.entries.saturating_add(b.tally.entries) <= SEGMENT_ENTRIES_MAX
}

impl Plan for Together {
    fn keys(&self) -> Vec<SegmentKey> {
        self.sources.iter().map(Segment::key).collect()
    }

    fn write(&self) -> Result<Forwarded, Obstacle> {
        let home = &self.shared.home;
        let keys = self.keys();
        let (Some(first), Some(last)) = (self.sources.first(), self.sources.last()) else {
            return Err(Obstacle::Stuck(keys));
        };
        let rewrites = self.sources.iter().map(|source| source.opening.rewrites).max().unwrap_or(0);
        let opening = Opening {
            numbers: (first.opening.numbers.0, last.opening.numbers.1),
            rewrites: rewrites.saturating_add(1),
            ..first.opening.clone()
        };
        let path = names::unfinished(&home.paths, opening.numbers.0);
        let bodies = names::bodies(&home.paths, opening.key());
        for leftover in [&path, &bodies] {
            let removed = remove_if_there(&*home.disk, leftover);
            removed.map_err(before_sync("removing an unfinished segment")).map_err(Obstacle::Setback)?;
        }
        let written = self.fill(&opening);
        if written.is_err() {
            for leftover in [&path, &bodies] {
                if let Err(error) = remove_if_there(&*home.disk, leftover) {
                    tracing::warn!(file = %leftover.display(), %error, "an unfinished segment could not be removed");
                }
            }
        }
        let (segment, places) = written?;
        Ok(Forwarded::Sqlite(Written { segment, places, replaced: keys }))
    }
}

/// A segment being written anew.
struct Fresh {
    database: Connection,
    bodies: Arc<dyn DiskFile>,
    first: Seq,
    tally: Tally,
    places: Places,
    end: u64,
}

impl Together {
    fn fill(&self, opening: &Opening) -> Result<(Segment, Places), Obstacle> {
        let home = &self.shared.home;
        let path = names::unfinished(&home.paths, opening.numbers.0);
        let wrote = |error| Obstacle::Setback(before_sync("writing a segment anew")(as_io(error)));
        let setback = |setback| Obstacle::Setback(setback);
        // Nothing counts before all is synced below.
        let database = Connection::open(&path).and_then(|database| {
            database.execute_batch(
                "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN",
            )?;
            segment::begin(&database, opening)?;
            Ok(database)
        });
        let bodies = home.disk.create(&names::bodies(&home.paths, opening.key()));
        let bodies = bodies.map_err(before_sync("making a file of bodies")).map_err(setback)?;
        let tally = Tally::empty(opening.first, &opening.previous);
        let (first, places) = (opening.first, Places::default());
        let mut fresh = Fresh { database: database.map_err(wrote)?, bodies, first, tally, places, end: 0 };
        for source in &self.sources {
            self.copy(source, &mut fresh)?;
        }
        let Fresh { database, bodies, tally, places, .. } = fresh;
        let database_bytes = segment::seal(&database, &tally).and_then(|()| {
            database.execute_batch("COMMIT")?;
            let pages: i64 = database.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(pages.unsigned_abs().saturating_mul(4096))
        });
        let database_bytes = database_bytes.map_err(wrote)?;
        drop(database);
        let synced = bodies
            .sync_data()
            .and_then(|()| home.disk.open(&path, Access::ReadWrite)?.sync_data())
            .and_then(|()| home.disk.sync_directory(&home.paths.segments));
        synced.map_err(for_good("syncing a segment written anew")).map_err(setback)?;
        let (opening, stage) = (opening.clone(), Stage::Sealed);
        Ok((Segment { opening, tally, stage, database_bytes, places: None }, places))
    }

    fn copy(&self, source: &Segment, fresh: &mut Fresh) -> Result<(), Obstacle> {
        let stuck = |why: String| {
            tracing::warn!(
                segment = source.key().number,
                why,
                "a segment cannot be written anew and stays as it is"
            );
            Obstacle::Stuck(self.keys())
        };
        let reader = SqliteReader { shared: self.shared.clone() };
        let bodies = match source.tally.bodies {
            0 => None,
            _ => self.shared.bodies(source.key()).map_err(|error| stuck(error.to_string()))?,
        };
        let mut from = source.opening.first;
        while from < source.tally.end {
            let rows = reader.rows(source, from, ROWS).map_err(|error| stuck(error.to_string()))?;
            let rows = rows.filter(|rows| !rows.is_empty());
            let Some(rows) = rows else { break };
            for row in rows {
                let row = match row {
                    Read::Sound(row) => row,
                    Read::Damaged(seq) => return Err(stuck(format!("the row of entry {seq} is damaged"))),
                };
                if let Some(lacking) = self.lacking(from, row.seq) {
                    return Err(stuck(lacking));
                }
                from = row.seq.next();
                put(source, row, bodies.as_deref(), fresh).map_err(|error| match error {
                    Unput::Damaged(why) => stuck(why),
                    Unput::Setback(setback) => Obstacle::Setback(setback),
                })?;
            }
        }
        if let Some(lacking) = self.lacking(from, source.tally.end) {
            return Err(stuck(lacking));
        }
        // Numbers at its end that void records explain.
        fresh.tally.end = source.tally.end;
        if fresh.tally.chain == source.tally.chain {
            Ok(())
        } else {
            Err(stuck("its records are not those that were sealed".to_owned()))
        }
    }

    /// In words the first numbers from `from` up to `end` that no void record explains.
    fn lacking(&self, from: Seq, end: Seq) -> Option<String> {
        if from >= end {
            return None;
        }
        let missing = self.shared.index().void.missing(from, end.before());
        missing.first().map(|(first, last)| format!("entries {first} to {last} are missing"))
    }
}

/// Why a row was not copied.
enum Unput {
    Damaged(String),
    Setback(Setback),
}

/// Copies a row, with its body only where that is still kept.
fn put(
    source: &Segment,
    mut row: RecordRow,
    bodies: Option<&dyn DiskFile>,
    fresh: &mut Fresh,
) -> Result<(), Unput> {
    match row.place {
        Place::Beside(_) | Place::File(_) if !source.is_kept(row.seq) => row.place = Place::Released,
        Place::Beside(offset) => {
            let damaged = |why: String| Unput::Damaged(format!("the bytes of entry {}: {why}", row.seq));
            let length = usize::try_from(row.length).map_err(|error| damaged(error.to_string()))?;
            let file = bodies.ok_or_else(|| damaged("their file is gone".to_owned()))?;
            let body = read_exact_at(file, offset, length).map_err(|error| damaged(error.to_string()))?;
            if crc32c::crc32c(&body) != row.crc {
                return Err(damaged("they are damaged".to_owned()));
            }
            let written = fresh.bodies.write_at(&[io::IoSlice::new(&body)], fresh.end);
            written.map_err(before_sync("writing bodies anew")).map_err(Unput::Setback)?;
            row.place = Place::Beside(fresh.end);
            fresh.end += row.length;
        }
        Place::None | Place::File(_) | Place::Released => {}
    }
    let inserted = row.insert(&fresh.database).map_err(as_io);
    inserted.map_err(before_sync("writing a segment anew")).map_err(Unput::Setback)?;
    fresh.tally.count(&row);
    fresh.places.push(fresh.first, row.seq, row.place);
    Ok(())
}
