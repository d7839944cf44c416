//! Opening a journal: its copies are found, chosen, opened and brought to the same end.

use std::sync::Arc;

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{Clock, Random};

use crate::adopt::leave_known;
use crate::begin::io_error;
use crate::book::{Book, Now};
use crate::commit::Setback;
use crate::copies::InUse;
use crate::damage::Damage;
use crate::engine::{self, Opening};
use crate::error::OpenError;
use crate::head::{Generation, Head};
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::{Cut, Journal, Opened, RecoveryReport};
use crate::options::{Options, OptionsError, Place};
use crate::paths::Paths;
use crate::ranges::Ranges;
use crate::reader::{CopyReader, JournalReader, weigh};
use crate::record::Entry;
use crate::start::{Decision, FoundCopy, Locks, Standing, decide, lock_all, look};
use crate::transfer::{self, Orphans, Stuck};

/// Records before their common end in which copies are compared: a copy that is not of this life differs at once.
const COMPARED: u64 = 64;

/// A copy as it was opened.
struct Begun {
    copy: InUse,
    tail: Seq,
    orphans: Orphans,
    damaged: Vec<Damage>,
    cut: Option<Cut>,
    epoch: Epoch,
}

pub(crate) fn open(
    disk: ArcDisk,
    (clock, random): (Clock, Random),
    options: Options,
    applied: Seq,
) -> Result<Opened, OpenError> {
    options.check().map_err(OpenError::Options)?;
    let locks = lock_all(&*disk, &options)?;
    let found = look(&*disk, &options.copies, &locks)?;
    let mut standing = match decide(&options.copies, found, applied, options.accept_loss.as_deref())? {
        Decision::On(standing) => standing,
        Decision::New => first(&disk, &random, &options)?,
    };
    let book = Arc::new(Book::new(standing.journal, (clock, random), &options.copies));
    let found = std::mem::take(&mut standing.copies);
    let (mut begun, given_up) = begin_all(&book, &disk, (&options, &locks), (found, applied))?;
    standing.give_up(given_up, options.accept_loss.as_deref());
    let tail = begun.iter().map(|begun| begun.tail).max().unwrap_or_default();
    book.tail.send_replace(tail);
    alike(&begun)?;
    let levelled = level(&JournalReader { book: book.clone() }, &mut begun, tail)?;
    let mut journal = Journal {
        book,
        disk,
        options,
        locks,
        copies: Vec::new(),
        generation: standing.generation.number,
        stale: standing.stale,
        epoch: begun.iter().map(|begun| begun.epoch).max().unwrap_or_default(),
        next: tail.next(),
        void: Ranges::default(),
        debt: None,
    };
    let mut report = RecoveryReport { levelled, loss: standing.loss, ..RecoveryReport::default() };
    let orphans = journal.take_in(begun, &mut report);
    if let Some(loss) = &report.loss {
        tracing::warn!(by = loss.accepted_by, copies = ?loss.copies, "copies of the journal are given up");
        journal.enter_next().map_err(|setback| failed(&journal, setback))?;
    }
    report.adopted = journal.adopt(orphans)?;
    for at in journal.copies.iter().map(|copy| copy.at).collect::<Vec<_>>() {
        journal.clear(at);
    }
    journal.fill_new_places()?;
    report.entries = journal.state().entries;
    Ok(Opened { journal, report })
}

impl Journal {
    /// Takes the copies in that were opened, and what was found in them; gives the files in each that nothing names.
    fn take_in(&mut self, begun: Vec<Begun>, report: &mut RecoveryReport) -> Vec<Orphans> {
        let readers: Vec<CopyReader> = begun.iter().map(|begun| begun.copy.reader.clone()).collect();
        let mut orphans = Vec::with_capacity(begun.len());
        for mut begun in begun {
            if readers.len() > 1 {
                leave_known(&mut begun.orphans, &begun.damaged, &self.reader());
            }
            report.damaged.extend(weighed(&begun, &readers));
            report.cut = longer(report.cut.take(), begun.cut);
            self.copies.push(begun.copy);
            orphans.push(begun.orphans);
        }
        orphans
    }
}

/// Opens the copies that were found, all in the same start of the journal; gives those besides that cannot be opened, where a person
/// accepts their loss and another stands.
fn begin_all(
    book: &Book,
    disk: &ArcDisk,
    (options, locks): (&Options, &Locks),
    (found, applied): (Vec<FoundCopy>, Seq),
) -> Result<(Vec<Begun>, Vec<FoundCopy>), OpenError> {
    let mut given_up = Vec::new();
    let open = |found: FoundCopy| {
        let place = options.copies.get(found.at).map(|place| place.engine);
        let lock = locks.get(found.at).cloned().flatten();
        let (Some(engine), Some(lock)) = (place, lock) else { return Err(nowhere(&found)) };
        let FoundCopy { at, directory, head, damage } = found;
        let opening = Opening {
            disk: disk.clone(),
            random: book.random.clone(),
            options: options.clone(),
            place: Place { engine, directory },
            lock,
            head,
            head_damage: damage,
            applied,
        };
        let engine::Found { engine, epoch, tail, cut, damaged, orphans } = engine::open(opening)?;
        Ok(Begun { copy: InUse::new(at, engine), tail, orphans, damaged, cut, epoch })
    };
    let (mut begun, mut refused) = (Vec::new(), None);
    for found in found {
        match open(found.clone()) {
            Ok(opened) => begun.push(opened),
            Err(error) if options.accept_loss.is_some() => {
                tracing::error!(error = &error as &dyn std::error::Error, copy = %found.directory.display(), "a copy of the journal cannot be opened");
                given_up.push(found);
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = refused.filter(|_| begun.is_empty()) {
        return Err(error);
    }
    let epoch = begun.iter().map(|begun| begun.epoch).max().unwrap_or_default();
    for begun in &mut begun {
        begun.epoch = epoch;
        book.set(begun.copy.at, Now::InUse(begun.copy.reader.clone()));
        let outcome = begun.copy.engine().map_or(Ok(()), |engine| engine.begin_epoch(epoch));
        outcome.map_err(|setback| Stuck::Write(setback).in_copy(&begun.copy.home.paths.directory))?;
    }
    Ok((begun, given_up))
}

/// A new journal, in its first place; the others come in before anything is written.
fn first(disk: &ArcDisk, random: &Random, options: &Options) -> Result<Standing, OpenError> {
    let place = options.copies.first().ok_or(OpenError::Options(OptionsError::NoCopy))?;
    let journal = JournalId(random.u128().map_err(OpenError::Random)?);
    let head = Head::new(journal, random.u64().map_err(OpenError::Random)?, place.engine);
    let path = Paths::new(&place.directory).head();
    head.write(&**disk, &path).map_err(io_error("writing", &path))?;
    let generation: Generation = head.generation();
    let copy = FoundCopy { at: 0, directory: place.directory.clone(), head, damage: None };
    Ok(Standing { journal, generation, copies: vec![copy], stale: Vec::new(), loss: None })
}

fn nowhere(found: &FoundCopy) -> OpenError {
    OpenError::Head { file: Paths::new(&found.directory).head() }
}

/// Compares copies in what they have in common last.
fn alike(begun: &[Begun]) -> Result<(), OpenError> {
    let Some((one, others)) = begun.split_first() else { return Ok(()) };
    for other in others {
        let end = one.tail.min(other.tail);
        let from = Seq(end.0.saturating_sub(COMPARED));
        let records = |begun: &Begun| -> Vec<_> {
            let entries = begun.copy.reader.records(from, usize::try_from(COMPARED).unwrap_or(usize::MAX));
            let record = |entry| match entry {
                Entry::Record(record) if record.seq <= end => Some(record),
                Entry::Record(_) | Entry::Damaged(_) => None,
            };
            entries.unwrap_or_default().into_iter().filter_map(record).collect()
        };
        let (ones, theirs) = (records(one), records(other));
        let differs = ones.iter().find(|record| {
            let facts = |record: &crate::Record| record.body.map(|facts| (facts.length, facts.sha256));
            let same = theirs.iter().find(|their| their.seq == record.seq);
            same.is_some_and(|their| {
                (their.epoch, their.kind, &their.header, facts(their))
                    != (record.epoch, record.kind, &record.header, facts(record))
            })
        });
        if let Some(record) = differs {
            let directory = |begun: &Begun| begun.copy.home.paths.directory.clone();
            let (one, other, seq) = (directory(one), directory(other), record.seq);
            return Err(OpenError::Contradiction { one, other, seq });
        }
    }
    Ok(())
}

/// Has every copy take what it lacks at its end from the others; gives how many entries.
fn level(source: &JournalReader, begun: &mut [Begun], tail: Seq) -> Result<u64, OpenError> {
    let mut levelled = 0;
    for Begun { copy, tail: after, orphans, .. } in begun {
        if *after == tail {
            continue;
        }
        tracing::info!(
            copy = %copy.home.paths.directory.display(), from = %after.next(), to = %tail,
            "a copy of the journal takes from another what it lacks"
        );
        let before = *after;
        let Some(engine) = copy.engine() else { continue };
        let brought = transfer::bring(source, engine, (after, tail), orphans);
        brought.map_err(|stuck| stuck.in_copy(&copy.home.paths.directory))?;
        levelled += tail.0 - before.0;
    }
    Ok(levelled)
}

fn failed(journal: &Journal, setback: Setback) -> OpenError {
    let directory = journal.options.copies.first().map(|place| place.directory.clone()).unwrap_or_default();
    Stuck::Write(setback).in_copy(&directory)
}

/// What was found damaged in a copy, in the light of what the others have.
fn weighed(begun: &Begun, readers: &[CopyReader]) -> Vec<Damage> {
    let others: Vec<CopyReader> = begun.copy.reader.others(readers).cloned().collect();
    begun.damaged.iter().cloned().map(|damage| weigh(damage, &begun.copy.reader, &others)).collect()
}

fn longer(one: Option<Cut>, other: Option<Cut>) -> Option<Cut> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.bytes > one.bytes { other } else { one }),
        (one, other) => one.or(other),
    }
}
