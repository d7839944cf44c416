//! SQLite as what keeps a copy.

use std::io;
use std::sync::Arc;

use crate::commit::{Batch, Setback, for_good};
use crate::engine::{Engine, Forwarded, IsKept, Plan, of_another};
use crate::home::Home;
use crate::ids::Seq;
use crate::keeping::Keeping;
use crate::options::SEGMENT_ENTRIES_MAX;
use crate::ranges::Ranges;
use crate::reader::CopyReader;
use crate::sqlite::index::{Places, Segment, Stage};
use crate::sqlite::open_segment::OpenSegment;
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::row::Place;
use crate::sqlite::segment::{FORMAT, Opening, Tally};
use crate::sqlite::shared::Shared;

/// The engine, owned by whoever writes it.
#[derive(Debug)]
pub(crate) struct Sqlite {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeping: Keeping,
    /// Made by the first append.
    pub(crate) open: Option<OpenSegment>,
    /// Whether nothing was written since the last pause.
    pub(crate) activity: Activity,
}

/// Whether anything is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Idle,
    Writing,
}

impl Sqlite {
    /// The open segment, with room for `length` bytes by its size; a full one is sealed and a new one begun for records from `next` on.
    fn open_for(&mut self, next: Seq, length: u64) -> Result<&mut OpenSegment, Setback> {
        let size_max = self.shared.home.options.segment_bytes_max;
        let is_full = self.open.as_ref().is_some_and(|open| {
            let bytes = open.tally.bytes.saturating_add(open.database_bytes);
            open.tally.entries > 0
                && (bytes.saturating_add(length) > size_max || open.tally.entries >= SEGMENT_ENTRIES_MAX)
        });
        if is_full {
            self.seal()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin(next)?,
        };
        Ok(self.open.insert(open))
    }

    fn begin(&self, next: Seq) -> Result<OpenSegment, Setback> {
        let (number, previous) = {
            let index = self.shared.index();
            (index.last_number().saturating_add(1), index.chain())
        };
        let journal = self.shared.home.journal.to_string();
        let numbers = (number, number);
        let opening = Opening { format: FORMAT, journal, numbers, rewrites: 0, first: next, previous };
        let open = OpenSegment::begin(&self.shared.home, opening)?;
        self.shared.index_mut().segments.push(Segment {
            opening: open.opening.clone(),
            tally: open.tally.clone(),
            stage: Stage::Open,
            database_bytes: open.database_bytes,
            places: Some(Arc::new(Places::default())),
        });
        self.shared.grows(Some((open.key(), open.database.clone())));
        Ok(open)
    }

    /// Seals the open segment, if there is one with records in it.
    fn seal(&mut self) -> Result<(), Setback> {
        let Some(open) = self.open.as_ref().filter(|open| open.tally.entries > 0) else { return Ok(()) };
        open.seal()?;
        let bytes = open.database_bytes;
        {
            let mut index = self.shared.index_mut();
            if let Some(segment) = index.segments.last_mut() {
                segment.stage = Stage::Sealed;
                segment.database_bytes = bytes;
                if segment.tally.bodies == 0 {
                    segment.places = None;
                }
            }
        }
        self.shared.grows(None);
        self.open = None;
        Ok(())
    }

    /// Removes the files of large objects among these records.
    fn remove_files(&self, gone: &[Seq]) -> Result<(), Setback> {
        let reader = SqliteReader { shared: self.shared.clone() };
        for seq in gone {
            let row = match reader.row(*seq) {
                Ok(Some(row)) => row,
                Ok(None) => {
                    tracing::warn!(entry = %seq, "a damaged row does not tell which file it released; the next start removes it");
                    continue;
                }
                Err(error) => return Err(for_good("reading what is released")(io::Error::other(error))),
            };
            let Place::File(name) = row.place else { continue };
            self.shared.home.remove_object(name)?;
            let mut index = self.shared.index_mut();
            index.file_bytes = index.file_bytes.saturating_sub(row.length);
        }
        Ok(())
    }
}

impl Engine for Sqlite {
    fn home(&self) -> &Arc<Home> {
        &self.shared.home
    }

    fn reader(&self) -> CopyReader {
        CopyReader::new(self.shared.home.clone(), Arc::new(SqliteReader { shared: self.shared.clone() }))
    }

    fn bytes(&self) -> u64 {
        self.shared.index().bytes()
    }

    fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    fn keeping_mut(&mut self) -> &mut Keeping {
        &mut self.keeping
    }

    fn write(&mut self, batch: &Batch) -> Result<(), Setback> {
        self.activity = Activity::Writing;
        let length = batch.numbered().map(|(_, record)| record.frame_bytes()).sum();
        let open = self.open_for(batch.first, length)?;
        let rows = open.write(batch)?;
        let (tally, database_bytes) = (open.tally.clone(), open.database_bytes);
        let mut index = self.shared.index_mut();
        index.void.add(&batch.void);
        for row in &rows {
            index.tail = row.seq;
            if matches!(row.place, Place::File(_)) {
                index.file_bytes = index.file_bytes.saturating_add(row.length);
            }
        }
        if let Some(segment) = index.segments.last_mut() {
            if let Some(places) = segment.places.as_mut() {
                let places = Arc::make_mut(places);
                for row in &rows {
                    places.push(segment.opening.first, row.seq, row.place);
                }
            }
            let (bodies, kept_bytes) = (segment.tally.bodies, segment.tally.kept_bytes);
            let fresh = rows.iter().filter(|row| row.place.is_kept()).count() as u64;
            let beside = rows.iter().filter(|row| matches!(row.place, Place::Beside(_)));
            let fresh_bytes: u64 = beside.map(|row| row.length).sum();
            segment.tally = Tally { bodies: bodies + fresh, kept_bytes: kept_bytes + fresh_bytes, ..tally };
            segment.database_bytes = database_bytes;
        }
        Ok(())
    }

    fn with_kept(&self, asked: &mut dyn FnMut(&IsKept<'_>)) {
        let index = self.shared.index();
        asked(&|seq| index.is_kept(seq));
    }

    fn let_go(&mut self, released: &Ranges) -> Result<(), Setback> {
        let gone = self.shared.index_mut().release(released);
        self.remove_files(&gone)
    }

    fn plan(&self) -> Option<Box<dyn Plan>> {
        self.worth_while().map(|plan| Box::new(plan) as Box<dyn Plan>)
    }

    fn put_in_place(&mut self, forwarded: Forwarded) -> Result<(), Setback> {
        match forwarded {
            Forwarded::Sqlite(written) => self.replace(written),
            Forwarded::Log(_) => Err(of_another()),
        }
    }

    fn pause(&mut self) -> Result<(), Setback> {
        let before = std::mem::replace(&mut self.activity, Activity::Idle);
        match self.open.as_mut() {
            Some(open) if before == Activity::Idle => open.checkpoint(),
            Some(_) | None => Ok(()),
        }
    }

    fn close(mut self: Box<Self>) -> Result<(), Setback> {
        self.seal()?;
        let (last_number, release_mark) = {
            let index = self.shared.index();
            (index.last_number(), index.release_mark())
        };
        self.keeping.close(&self.shared.home, last_number, release_mark)
    }
}
