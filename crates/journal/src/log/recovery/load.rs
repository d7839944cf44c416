//! Reading the segments at a start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrigger_runtime::disk::{Access, Disk, DiskFile};
use outrigger_runtime::reserve::{Reserve, is_no_room};

use crate::begin::io_error;
use crate::begin::with_room;
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::OpenError;
use crate::head::FORMAT;
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Cut;
use crate::log::contents::Contents;
use crate::log::frame::HEAD_BYTES;
use crate::log::index::Index;
use crate::log::large::Orphan;
use crate::log::objects::Files;
use crate::log::open_segment::OpenSegment;
use crate::log::recovery::judge::{Position, judge};
use crate::log::scan::Scan;
use crate::log::seal::Opening;
use crate::log::segment::{Segment, Stage, head_at, read_sealed};
use crate::log::table::Table;
use crate::log::window::Window;
use crate::paths::{Paths, SegmentName, segment_name};
use crate::ranges::Ranges;
use crate::renew::copy;

/// All segments, read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    pub(crate) damaged: Vec<Damage>,
    pub(crate) cut: Option<Cut>,
    pub(crate) epoch: Epoch,
    /// Each body kept in a file of its own when its segment was written: its file's name and its number.
    pub(crate) names: Vec<(u128, Seq)>,
    /// The batch of the last record, if the last segment was open.
    pub(crate) last_batch: Option<Seq>,
    released: Ranges,
    scanned: Vec<(PathBuf, Contents)>,
}

/// What a start works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) paths: &'a Paths,
    pub(crate) journal: JournalId,
    pub(crate) applied: Seq,
    /// Segments up to this number are on the disk for certain.
    pub(crate) certain: u32,
}

impl Loaded {
    /// Reads all segments: of sealed ones the index, of the others every byte; seals the one that was open.
    pub(crate) fn load(place: Place<'_>, reserve: &mut Reserve) -> Result<Self, OpenError> {
        let mut loaded = Self::default();
        let numbers = list(place)?;
        let count = numbers.len();
        let mut open = None;
        for (at, number) in numbers.into_iter().enumerate() {
            let position = if at + 1 == count { Position::Last } else { Position::Inner };
            open = loaded.segment(place, number, position)?;
        }
        loaded.gaps_between(place);
        if let Some(contents) = open {
            loaded.seal(place, contents, reserve)?;
        }
        for (path, contents) in std::mem::take(&mut loaded.scanned) {
            let verdict = judge(&path, &contents, Position::Inner, place.applied, &loaded.index.void);
            loaded.damaged.extend(verdict.damaged);
        }
        loaded.missing_at_the_end(place);
        loaded.apply_releases();
        loaded.damaged = loaded.damaged.into_iter().map(|damage| loaded.index.weigh(damage)).collect();
        loaded.index.tail = loaded.end().max(place.applied.next()).before();
        Ok(loaded)
    }

    /// Takes up what the files of bodies are; gives those that no frame names.
    pub(crate) fn compared(&mut self, place: Place<'_>, files: Files) -> Vec<(PathBuf, Orphan)> {
        let Files { bytes, missing, orphans } = files;
        self.index.file_bytes = bytes;
        for (name, seq) in missing {
            let perhaps = seq > place.applied && self.last_batch.is_some_and(|batch| seq >= batch)
                || self.index.doubtful.contains(seq);
            if perhaps {
                self.index.doubtful.add(&Ranges::new(vec![(seq, seq)]));
            }
            self.damaged.push(Damage {
                file: place.paths.object(name),
                offset: 0,
                part: DamagedPart::Gone,
                entries: Some((seq, seq)),
                certainty: if perhaps { Certainty::Perhaps } else { Certainty::Acknowledged },
            });
        }
        orphans
    }

    /// The number behind the last record.
    pub(crate) fn end(&self) -> Seq {
        self.index.segments.last().map_or(Seq(1), |segment| segment.end)
    }

    /// Reads one segment; gives it back if it has to be sealed.
    fn segment(
        &mut self,
        place: Place<'_>,
        number: u32,
        position: Position,
    ) -> Result<Option<(u32, Contents)>, OpenError> {
        let path = place.paths.segment(number);
        let failed = |source| io_error("reading", &path)(source);
        ours(place, &path)?;
        let is_certain = position == Position::Inner || number <= place.certain;
        let sealed = read_sealed(place.disk, &path, place.journal).map_err(failed)?;
        if sealed.as_ref().is_some_and(|sealed| self.is_merged(number, &sealed.segment)) {
            // The crash came before it was removed.
            place.disk.remove(&path).map_err(io_error("removing", &path))?;
            return Ok(None);
        }
        if let Some(sealed) = sealed.filter(|_| is_certain) {
            let files = sealed.table.slots().filter(|slot| slot.place == crate::log::frame::Place::File);
            self.names.extend(sealed.names.into_iter().zip(files.map(|slot| slot.seq)));
            self.index.doubtful.add(&sealed.doubtful);
            let segment = Segment { file: number, ..sealed.segment };
            self.add(place, segment, sealed.table, &sealed.released, &sealed.void);
            return Ok(None);
        }
        let file = place.disk.open(&path, Access::Read).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        let durable = if position == Position::Last { place.applied } else { Seq(u64::MAX) };
        let expected = self.end();
        let contents =
            Contents::read(Scan::new(file, length, place.journal), expected, durable).map_err(failed)?;
        newer(&path, &contents)?;
        self.epoch = self.epoch.max(contents.epoch);
        if position == Position::Last {
            return Ok(Some((number, contents)));
        }
        let seal = Damage {
            file: path.clone(),
            offset: contents.records_end,
            part: DamagedPart::Seal,
            entries: None,
            certainty: Certainty::NoEntry,
        };
        self.damaged.push(seal);
        let opening = contents.opening.clone().unwrap_or_else(|| opening(number));
        let segment = Segment::of(&contents.tally, &opening, length, Stage::Sealed);
        self.count(place, Segment { file: number, ..segment }, &contents);
        self.scanned.push((path, contents));
        Ok(None)
    }

    /// Whether the segment before stands for this one too, and holds all that it holds.
    fn is_merged(&self, number: u32, segment: &Segment) -> bool {
        self.index.segments.last().is_some_and(|before| {
            let (first, last) = before.numbers;
            before.file == first
                && first < number
                && number <= last
                && before.first <= segment.first
                && segment.end <= before.end
        })
    }

    fn count(&mut self, place: Place<'_>, segment: Segment, contents: &Contents) {
        let tally = &contents.tally;
        let files = tally.table.slots().filter(|slot| slot.place == crate::log::frame::Place::File);
        self.names.extend(tally.names.iter().copied().zip(files.map(|slot| slot.seq)));
        self.add(place, segment, tally.table.clone(), &tally.released, &tally.void);
    }

    /// Puts a segment where its numbers belong, whatever its file is called.
    fn add(
        &mut self,
        place: Place<'_>,
        mut segment: Segment,
        table: Table,
        released: &Ranges,
        void: &Ranges,
    ) {
        let file = place.paths.segment(segment.file);
        let segments = &self.index.segments;
        let at = segments.partition_point(|before| before.first <= segment.first);
        let is_behind =
            at.checked_sub(1).and_then(|at| segments.get(at)).is_none_or(|it| it.end <= segment.first);
        let is_before = segments.get(at).is_none_or(|it| segment.end <= it.first);
        let fits = table.is_empty() || (is_behind && is_before);
        if !fits {
            tracing::warn!(file = %file.display(), "a segment repeats what another holds; it is left alone");
            return;
        }
        if segment.file != segment.numbers.0 {
            let (part, certainty) = (DamagedPart::Misplaced, Certainty::NoEntry);
            self.damaged.push(Damage { file, offset: 0, part, entries: None, certainty });
        }
        segment.table = (segment.bodies > 0).then(|| Arc::new(table));
        self.index.segments.insert(at, segment);
        self.released.add(released);
        self.index.void.add(void);
    }

    /// Numbers that ought to stand between two segments: they stood at the end of the one before.
    fn gaps_between(&mut self, place: Place<'_>) {
        let mut expected = Seq(1);
        let mut before: Option<&Segment> = None;
        for segment in &self.index.segments {
            if segment.first > expected {
                let (number, offset) =
                    before.map_or((segment.file, 0), |before| (before.file, before.length));
                for (first, last) in self.index.void.missing(expected, segment.first.before()) {
                    self.damaged.push(Damage {
                        file: place.paths.segment(number),
                        offset,
                        part: DamagedPart::Missing,
                        entries: Some((first, last)),
                        certainty: Certainty::Acknowledged,
                    });
                }
            }
            expected = expected.max(segment.end);
            before = Some(segment);
        }
    }

    /// What the ledger has applied and is not here.
    fn missing_at_the_end(&mut self, place: Place<'_>) {
        let end = self.end();
        let is_known =
            self.damaged.iter().any(|damage| damage.entries.is_some_and(|(first, _)| first == end));
        if end > place.applied || is_known {
            return;
        }
        let last = self.index.segments.last();
        self.damaged.push(Damage {
            file: last.map_or(place.paths.segments.clone(), |last| place.paths.segment(last.file)),
            offset: last.map_or(0, |last| last.length),
            part: DamagedPart::Missing,
            entries: Some((end, place.applied)),
            certainty: Certainty::Acknowledged,
        });
    }

    /// Cuts what is torn off the segment that was open, and seals it; one without records goes.
    fn seal(
        &mut self,
        place: Place<'_>,
        (number, contents): (u32, Contents),
        reserve: &mut Reserve,
    ) -> Result<(), OpenError> {
        let path = place.paths.segment(number);
        let mut void = self.index.void.clone();
        void.add(&contents.tally.void);
        let mut verdict = judge(&path, &contents, Position::Last, place.applied, &void);
        let before = self.index.segments.last().map(|last| (place.paths.segment(last.file), last.length));
        let first = contents.tally.table.first();
        let placed = verdict.damaged.into_iter().map(|damage| damage.placed(first, before.as_ref()));
        verdict.damaged = placed.collect();
        let has_damage = verdict.damaged.iter().any(|damage| damage.entries.is_some());
        self.doubt(&verdict.damaged);
        self.damaged.extend(verdict.damaged);
        if verdict.cut_bytes > 0 {
            let offset = contents.cut_at(verdict.keep_end);
            tracing::warn!(
                file = %path.display(), bytes = verdict.cut_bytes, offset,
                "the torn end of the journal was cut; it was never acknowledged"
            );
            self.cut = Some(Cut { file: path.clone(), offset, bytes: verdict.cut_bytes });
        }
        if contents.tally.table.is_empty() && !has_damage {
            place.disk.remove(&path).map_err(io_error("removing", &path))?;
            return sync_segments(place);
        }
        let opening = contents.opening.clone().unwrap_or_else(|| opening(number));
        let sealed =
            with_room(reserve, || self.seal_anew(place, number, &contents, &opening, verdict.keep_end));
        let length = match sealed {
            Err(error) if is_no_room(&error) => {
                tracing::warn!(file = %path.display(), "no room to write the last segment anew; it is sealed where it is");
                let file = place.disk.open(&path, Access::ReadWrite).map_err(io_error("opening", &path))?;
                self.seal_in(place, file, &contents, &opening, verdict.keep_end)
            }
            other => other,
        };
        let length = length.map_err(io_error("sealing", &path))?;
        self.last_batch = Some(contents.last_batch);
        let segment = Segment::of(&contents.tally, &opening, length, Stage::Sealed);
        self.count(place, Segment { file: number, ..segment }, &contents);
        sync_segments(place)
    }

    /// Writes the records of the last segment and its seal into a new file, which takes its place.
    fn seal_anew(
        &self,
        place: Place<'_>,
        number: u32,
        contents: &Contents,
        opening: &Opening,
        end: u64,
    ) -> io::Result<u64> {
        let (path, fresh) = (place.paths.segment(number), place.paths.unfinished(number));
        let file = copy(place.disk, &path, &fresh, end)?;
        let length = self.seal_in(place, file, contents, opening, end)?;
        place.disk.rename(&fresh, &path)?;
        Ok(length)
    }

    fn seal_in(
        &self,
        place: Place<'_>,
        file: Arc<dyn DiskFile>,
        contents: &Contents,
        opening: &Opening,
        end: u64,
    ) -> io::Result<u64> {
        let tally = contents.tally.clone();
        file.set_length(contents.cut_at(end))?;
        let mut open = OpenSegment::resumed(file, opening.clone(), tally, contents.records_end);
        let identity = (place.journal, contents.epoch);
        let length = open.seal(identity, end, self.index.doubtful.clone())?;
        open.file.sync_data()?;
        Ok(length)
    }

    /// Remembers what was lost and may never have been acknowledged; no later start could tell.
    fn doubt(&mut self, damaged: &[Damage]) {
        let doubtful = damaged.iter().filter(|damage| damage.certainty == Certainty::Perhaps);
        self.index.doubtful.add(&Ranges::new(doubtful.filter_map(|damage| damage.entries).collect()));
    }

    fn apply_releases(&mut self) {
        for (first, last) in std::mem::take(&mut self.released).iter() {
            self.index.release_all(first, last);
        }
    }
}

/// The opening of a segment whose own is damaged.
fn opening(number: u32) -> Opening {
    Opening { format: FORMAT, segments: (number, number), rewrites: 0, previous: None, original: None }
}

fn sync_segments(place: Place<'_>) -> Result<(), OpenError> {
    let directory = &place.paths.segments;
    place.disk.sync_directory(directory).map_err(io_error("syncing", directory))
}

/// The numbers of the segments, ascending; what was never finished is removed.
fn list(place: Place<'_>) -> Result<Vec<u32>, OpenError> {
    let directory = &place.paths.segments;
    let mut numbers = Vec::new();
    for listed in place.disk.list(directory).map_err(io_error("listing", directory))? {
        match segment_name(&listed.path) {
            SegmentName::Segment(number) => numbers.push(number),
            SegmentName::Unfinished => {
                place.disk.remove(&listed.path).map_err(io_error("removing", &listed.path))?;
            }
            SegmentName::Other => {
                tracing::warn!(file = %listed.path.display(), "not a file of the journal; it is left alone");
            }
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Refuses the segment of another journal, before anything of it is taken for damage.
fn ours(place: Place<'_>, path: &Path) -> Result<(), OpenError> {
    let first = || {
        let file = place.disk.open(path, Access::Read)?;
        head_at(&mut Window::new(file, HEAD_BYTES as u64, HEAD_BYTES), 0)
    };
    match first().map_err(io_error("reading", path))? {
        Some(head) if head.journal != place.journal => {
            Err(OpenError::Foreign { file: path.to_owned(), found: head.journal, ours: place.journal })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses what only a newer version can have written.
fn newer(path: &Path, contents: &Contents) -> Result<(), OpenError> {
    let unknown = contents
        .gaps
        .iter()
        .filter_map(|gap| gap.bad)
        .find_map(|bad| bad.unknown_kind.map(|kind| (bad.offset, kind)));
    if let Some((offset, found)) = unknown {
        return Err(OpenError::NewerKind { file: path.to_owned(), offset, found });
    }
    match &contents.opening {
        Some(opening) if opening.format > FORMAT => {
            Err(OpenError::NewerFormat { file: path.to_owned(), found: opening.format, known: FORMAT })
        }
        Some(_) | None => Ok(()),
    }
}
