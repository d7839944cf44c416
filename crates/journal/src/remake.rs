//! Making a copy anew from the others, into a fresh directory of its place, while the journal is written.

use std::io;
use std::path::{Path, PathBuf};

use outrigger_runtime::disk::{Disk, remove_if_there};

use crate::begin::{has_segments, is_there};
use crate::book::Now;
use crate::commit::Setback;
use crate::copies::InUse;
use crate::engine::{self, Engine, Opening};
use crate::error::OpenError;
use crate::head::Head;
use crate::ids::{Epoch, Seq};
use crate::journal::Journal;
use crate::options::Place;
use crate::paths::{Paths, later_copy};
use crate::reader::JournalReader;
use crate::start;
use crate::transfer::{self, Stuck};

/// A copy that came so near to the end, in entries, is brought to it between two commits.
const NEAR: u64 = 256;

/// Why a copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RemakeError {
    /// It could not be begun.
    #[error("a new copy of the journal could not be begun in {directory}")]
    Begin {
        /// Its directory.
        directory: PathBuf,
        /// The cause.
        #[source]
        source: Box<OpenError>,
    },
    /// The others could not be read, or it could not be written.
    #[error("a new copy of the journal could not be filled in {directory}")]
    Fill {
        /// Its directory.
        directory: PathBuf,
        /// The cause.
        #[source]
        source: Box<OpenError>,
    },
    /// No other copy stands.
    #[error("no copy of the journal stands that another could be made from")]
    NoSource,
    /// The work was lost.
    #[error("a new copy of the journal was not finished")]
    Lost,
}

/// What a new copy is made with.
pub(crate) struct Making {
    pub(crate) at: usize,
    opening: Opening,
    source: JournalReader,
}

/// A copy that was filled up to some entry.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) at: usize,
    engine: Box<dyn Engine>,
    tail: Seq,
}

/// Whether a fresh copy is in use.
#[derive(Debug)]
pub(crate) enum Joined {
    Yes,
    /// It is too far behind to be brought to the end at once.
    Behind(Fresh),
}

impl Making {
    /// Fills the copy up to where the tail is meanwhile; blocks for as long as that takes.
    pub(crate) fn fill(self) -> Result<Fresh, RemakeError> {
        let Self { at, opening, source } = self;
        let directory = opening.place.directory.clone();
        let begin = |error| RemakeError::Begin { directory: directory.clone(), source: Box::new(error) };
        let paths = Paths::new(&directory);
        let disk = opening.disk.clone();
        disk.create_directory(&directory)
            .map_err(|source| begin(crate::begin::io_error("making", &directory)(source)))?;
        let path = paths.head();
        opening
            .head
            .write(&*disk, &path)
            .map_err(|source| begin(crate::begin::io_error("writing", &path)(source)))?;
        let engine::Found { engine, tail, .. } = engine::open(opening).map_err(begin)?;
        let fresh = Fresh { at, engine, tail };
        fresh.go_on(&source)
    }
}

impl Fresh {
    /// Fills it further, up to where the tail is meanwhile.
    pub(crate) fn go_on(mut self, source: &JournalReader) -> Result<Self, RemakeError> {
        loop {
            let last = source.tail();
            if last.0.saturating_sub(self.tail.0) <= NEAR {
                return Ok(self);
            }
            self.bring(source, last)?;
        }
    }

    fn bring(&mut self, source: &JournalReader, last: Seq) -> Result<(), RemakeError> {
        let brought = transfer::bring(source, &mut *self.engine, (&mut self.tail, last), &mut Vec::new());
        brought.map_err(|stuck| unfilled(&self.engine.home().paths.directory, stuck))
    }
}

impl Journal {
    /// Which place needs a copy: one where none counts, else one whose copy is harmed and others may have what it lost.
    pub(crate) fn wanting(&self) -> Option<usize> {
        let empty = self.book.empty_places().first().copied();
        let harmed = || {
            let harmed = self.copies.iter().find(|copy| copy.home.is_harmed());
            harmed.filter(|_| self.copies.len() > 1).map(|copy| copy.at)
        };
        empty.or_else(harmed)
    }

    /// Begins to make a copy for a place.
    pub(crate) fn making(&mut self, at: usize) -> Result<Making, RemakeError> {
        let Some(place) = self.options.copies.get(at).cloned() else { return Err(RemakeError::NoSource) };
        let begin =
            |error| RemakeError::Begin { directory: place.directory.clone(), source: Box::new(error) };
        let lock = match self.locks.get(at) {
            Some(Some(lock)) => lock.clone(),
            // Its disk was away at the start.
            Some(None) | None => start::lock_place(&*self.disk, &place.directory).map_err(begin)?,
        };
        if let Some(held) = self.locks.get_mut(at) {
            *held = Some(lock.clone());
        }
        let root = Paths::new(&place.directory);
        let has_segments = has_segments(&*self.disk, &root).map_err(begin)?;
        let name = self.book.random.u64().map_err(|_| RemakeError::Lost)?;
        let head = Head::unfinished(self.book.journal, name, place.engine);
        // Where nothing was yet, the copy is the place.
        let is_untouched = self.copies.iter().all(|copy| copy.at != at)
            && !self.stale.iter().any(|(stale, _)| *stale == at)
            && !has_segments
            && !is_there(&*self.disk, &root.head());
        let directory =
            if is_untouched { place.directory.clone() } else { later_copy(&place.directory, &head.copy) };
        let opening = Opening {
            disk: self.disk.clone(),
            random: self.book.random.clone(),
            options: self.options.clone(),
            place: Place { engine: place.engine, directory },
            lock,
            // The start that follows is this one.
            head: Head { epoch: Epoch(self.epoch.0.saturating_sub(1)), ..head },
            head_damage: None,
            applied: Seq(0),
        };
        Ok(Making { at, opening, source: self.reader() })
    }

    /// Brings a fresh copy to the end and puts it in use; what stood in its place before is removed.
    pub(crate) fn join(&mut self, mut fresh: Fresh) -> Result<Joined, RemakeError> {
        let tail = self.book.tail();
        if tail.0.saturating_sub(fresh.tail.0) > NEAR || self.debt.is_some() {
            return Ok(Joined::Behind(fresh));
        }
        let source = self.reader();
        fresh.bring(&source, tail)?;
        let Fresh { at, engine, .. } = fresh;
        let directory = engine.home().paths.directory.clone();
        let mut copy = InUse::new(at, engine);
        if self.copies.iter().any(InUse::is_on_a_thread) {
            let started = copy.on_a_thread();
            started.map_err(|error| {
                unfilled(&directory, Stuck::Write(Setback::Failed { doing: "starting its thread", error }))
            })?;
        }
        self.put_in(copy).map_err(|setback| unfilled(&directory, Stuck::Write(setback)))?;
        if self.copies.iter().all(|copy| copy.at != at) {
            let error = io::Error::other("it failed as it came in");
            let failed = Setback::Failed { doing: "writing its head", error };
            return Err(unfilled(&directory, Stuck::Write(failed)));
        }
        tracing::info!(copy = %directory.display(), generation = self.generation, "a copy of the journal was made anew and is in use");
        self.clear(at);
        Ok(Joined::Yes)
    }

    /// Makes every copy that is wanting, one after another, and waits for it; what the writer does beside its commits.
    pub fn remake(&mut self) -> Result<u64, RemakeError> {
        let mut made = 0;
        while let Some(at) = self.wanting() {
            let filled = self.making(at).and_then(Making::fill);
            match filled.and_then(|fresh| self.join(fresh)) {
                Ok(Joined::Yes) => made += 1,
                Ok(Joined::Behind(_)) => return Ok(made),
                Err(error) => {
                    self.not_remade(at, &error);
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    /// Notes that a copy is being made where none counts.
    pub(crate) fn begin_remaking(&self, at: usize) {
        if self.copies.iter().all(|copy| copy.at != at) {
            self.book.set(at, Now::Rebuilding);
        }
    }

    /// Notes why there is none yet.
    pub(crate) fn not_remade(&self, at: usize, error: &RemakeError) {
        if self.copies.iter().all(|copy| copy.at != at) {
            self.book.set(at, Now::Out(format!("{error}: {}", innermost(error))));
        }
    }

    /// In a journal that holds nothing yet, all places come in before the first record.
    pub(crate) fn fill_new_places(&mut self) -> Result<(), OpenError> {
        if self.book.tail() > Seq(0) {
            return Ok(());
        }
        match self.remake() {
            Ok(_) | Err(RemakeError::NoSource | RemakeError::Lost) => Ok(()),
            Err(RemakeError::Begin { source, .. } | RemakeError::Fill { source, .. }) => Err(*source),
        }
    }

    /// Removes what copies left in a place that count no more.
    pub(crate) fn clear(&mut self, at: usize) {
        let (gone, stale): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.stale).into_iter().partition(|(of, _)| *of == at);
        self.stale = stale;
        for (_, directory) in gone {
            if let Err(error) = remove_copy(&*self.disk, &directory) {
                tracing::warn!(directory = %directory.display(), %error, "what is left of a copy of the journal that counts no more could not be removed");
            }
        }
    }
}

fn unfilled(directory: &Path, stuck: Stuck) -> RemakeError {
    RemakeError::Fill { directory: directory.to_owned(), source: Box::new(stuck.in_copy(directory)) }
}

/// The cause of all.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// Removes the files of a copy, its head first, so that what is left is none.
fn remove_copy(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    let paths = Paths::new(directory);
    remove_if_there(disk, &paths.head())?;
    disk.sync_directory(directory)?;
    for files in [&paths.segments, &paths.objects, &paths.spool] {
        for listed in disk.list(files)? {
            remove_if_there(disk, &listed.path)?;
        }
    }
    remove_if_there(disk, &paths.reserve())
}
