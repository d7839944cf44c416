//! Reading, while the writer writes.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::BlockSource;

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::ReadError;
use crate::home::Contents;
use crate::ids::Seq;
use crate::log::FileBody;
use crate::paths::SegmentKey;
use crate::reader::{Reads, Scrub};
use crate::record::{BodyFacts, Entry, Presence, Record};
use crate::sqlite::bodies::BesideBody;
use crate::sqlite::index::{Segment, Spot};
use crate::sqlite::names;
use crate::sqlite::row::{COLUMNS, Place, Read, RecordRow};
use crate::sqlite::scrub::SqliteScrub;
use crate::sqlite::shared::{Shared, as_io, held};

/// Reads while the writer writes.
#[derive(Debug, Clone)]
pub(crate) struct SqliteReader {
    pub(crate) shared: Arc<Shared>,
}

impl Reads for SqliteReader {
    fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let mut entries = Vec::new();
        let mut from = after.next();
        while entries.len() < limit {
            let spot = self.shared.index().find(from);
            match spot {
                Spot::End => break,
                Spot::Void { last } => from = last.next(),
                Spot::Lost { last } => {
                    entries.push(Entry::Damaged(self.missing(None, from, last)));
                    from = last.next();
                }
                Spot::In(segment) => {
                    let Some(rows) = self.rows(&segment, from, limit - entries.len())? else { continue };
                    from = self.listed(&segment, from, &rows, limit, &mut entries);
                }
            }
        }
        Ok(entries)
    }

    fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError> {
        loop {
            let segment = match self.shared.index().find(seq) {
                Spot::In(segment) => segment,
                Spot::Lost { last } => {
                    return Err(ReadError::Damaged { seq, damage: self.missing(None, seq, last) });
                }
                Spot::Void { .. } | Spot::End => return Err(ReadError::Unknown(seq)),
            };
            let Some(rows) = self.rows(&segment, seq, 1)? else { continue };
            let row = match rows.first() {
                Some(Read::Sound(row)) if row.seq == seq => row,
                Some(Read::Damaged(found)) if *found == seq => {
                    let damage = self.damage(segment.key(), DamagedPart::Frame, seq);
                    return Err(ReadError::Damaged { seq, damage });
                }
                Some(_) | None => return Err(self.none_at(&segment, seq)),
            };
            match row.place {
                Place::None => return Err(ReadError::Unknown(seq)),
                Place::Released => return Err(ReadError::Released(seq)),
                Place::Beside(_) | Place::File(_) if !segment.is_kept(seq) => {
                    return Err(ReadError::Released(seq));
                }
                Place::File(name) => return self.file_body(row, name),
                Place::Beside(offset) => {
                    let path = names::bodies(&self.shared.home.paths, segment.key());
                    let file = self.shared.bodies(segment.key());
                    let file = file.map_err(|source| ReadError::Io { path, source })?;
                    // Written anew in between.
                    let Some(file) = file else { continue };
                    let what = format!("journal entry {seq}");
                    let (length, crc) = (row.length, row.crc);
                    return Ok(Arc::new(BesideBody { file, what, offset, length, crc }));
                }
            }
        }
    }

    fn is_known_released(&self, seq: Seq) -> bool {
        self.shared.index().is_released(seq)
    }

    fn tail(&self) -> Seq {
        self.shared.index().tail
    }

    fn contents(&self) -> Contents {
        self.shared.contents()
    }

    fn scrub(&self) -> Scrub {
        Scrub::new(SqliteScrub::new(self.clone()))
    }
}

impl SqliteReader {
    /// Rows of a segment from a number on, up to `limit`; `None` if that version of it is gone.
    pub(crate) fn rows(
        &self,
        segment: &Segment,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Vec<Read>>, ReadError> {
        let path = names::database(&self.shared.home.paths, segment.key().number);
        let read = || -> rusqlite::Result<Option<Vec<Read>>> {
            let Some(database) = self.shared.database(segment.key())? else { return Ok(None) };
            let database = held(&database);
            let sql =
                format!("SELECT {COLUMNS} FROM record WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3");
            let mut statement = database.prepare_cached(&sql)?;
            let bounds = [
                from.0.cast_signed(),
                segment.tally.end.0.cast_signed(),
                i64::try_from(limit).unwrap_or(i64::MAX),
            ];
            let rows = statement.query_map(bounds, RecordRow::read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Some)
        };
        read().map_err(|error| ReadError::Io { path, source: as_io(error) })
    }

    /// The row of a number; nothing where it is damaged or there is none.
    pub(crate) fn row(&self, seq: Seq) -> Result<Option<RecordRow>, ReadError> {
        loop {
            let Spot::In(segment) = self.shared.index().find(seq) else { return Ok(None) };
            let Some(rows) = self.rows(&segment, seq, 1)? else { continue };
            return Ok(match rows.into_iter().next() {
                Some(Read::Sound(row)) if row.seq == seq => Some(row),
                Some(_) | None => None,
            });
        }
    }

    /// Lists rows with what is missing between them; gives the number to go on from.
    fn listed(
        &self,
        segment: &Segment,
        from: Seq,
        rows: &[Read],
        limit: usize,
        entries: &mut Vec<Entry>,
    ) -> Seq {
        let mut next = from;
        for row in rows {
            let seq = match row {
                Read::Sound(row) => row.seq,
                Read::Damaged(seq) => *seq,
            };
            self.gap(segment, next, seq, entries);
            entries.push(match row {
                Read::Sound(row) => Entry::Record(record(row, segment)),
                Read::Damaged(seq) => Entry::Damaged(self.damage(segment.key(), DamagedPart::Frame, *seq)),
            });
            next = seq.next();
            if entries.len() >= limit {
                return next;
            }
        }
        self.gap(segment, next, segment.tally.end, entries);
        segment.tally.end
    }

    /// Tells of numbers without a row that no void record explains.
    fn gap(&self, segment: &Segment, from: Seq, end: Seq, entries: &mut Vec<Entry>) {
        if from < end {
            let missing = self.shared.index().void.missing(from, end.before());
            entries.extend(
                missing
                    .into_iter()
                    .map(|(first, last)| Entry::Damaged(self.missing(Some(segment.key()), first, last))),
            );
        }
    }

    fn none_at(&self, segment: &Segment, seq: Seq) -> ReadError {
        if self.shared.index().void.contains(seq) {
            return ReadError::Unknown(seq);
        }
        ReadError::Damaged { seq, damage: self.missing(Some(segment.key()), seq, seq) }
    }

    fn file_body(&self, row: &RecordRow, name: u128) -> Result<Arc<dyn BlockSource>, ReadError> {
        let path = self.shared.home.paths.object(name);
        match FileBody::of(&*self.shared.home.disk, &path, row.length, row.crc) {
            Ok(Some(body)) => Ok(Arc::new(body)),
            // Released and removed since it was looked up?
            Ok(None) if !self.shared.index().is_kept(row.seq) => Err(ReadError::Released(row.seq)),
            Ok(None) => {
                let damage = Damage { file: path, ..self.of_entries(DamagedPart::Body, (row.seq, row.seq)) };
                Err(ReadError::Damaged { seq: row.seq, damage })
            }
            Err(source) => Err(ReadError::Io { path, source }),
        }
    }

    /// Damage to one entry.
    pub(crate) fn damage(&self, key: SegmentKey, part: DamagedPart, seq: Seq) -> Damage {
        let file = names::database(&self.shared.home.paths, key.number);
        Damage { file, ..self.of_entries(part, (seq, seq)) }
    }

    fn missing(&self, key: Option<SegmentKey>, first: Seq, last: Seq) -> Damage {
        let number = key.map_or_else(|| self.shared.index().last_number(), |key| key.number);
        let file = names::database(&self.shared.home.paths, number);
        Damage { file, ..self.of_entries(DamagedPart::Missing, (first, last)) }
    }

    fn of_entries(&self, part: DamagedPart, entries: (Seq, Seq)) -> Damage {
        let file = self.shared.home.paths.directory.clone();
        Damage { file, offset: 0, part, entries: Some(entries), certainty: Certainty::Acknowledged }
    }
}

/// A record as it is read, its body let go if that was done since it was written.
fn record(row: &RecordRow, segment: &Segment) -> Record {
    let presence = match row.place {
        Place::None => None,
        Place::Beside(_) | Place::File(_) if segment.is_kept(row.seq) => Some(Presence::Kept),
        Place::Beside(_) | Place::File(_) | Place::Released => Some(Presence::Released),
    };
    Record {
        seq: row.seq,
        epoch: row.epoch,
        at_us: row.at_us,
        kind: row.kind,
        header: Bytes::copy_from_slice(&row.header),
        body: presence.map(|presence| BodyFacts { length: row.length, sha256: row.sha256, presence }),
    }
}
