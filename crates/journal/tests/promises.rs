//! What a journal has promised in a test, and whether it holds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use outrigger_journal::{
    Append, AppendError, Certainty, Damage, Entry, Journal, JournalReader, OpenError, Opened, Presence,
    ReadError, RecordKind, Seq,
};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Clock, Random};

use crate::kit::{all_of, bytes, closing, object, options};

pub(crate) const DIRECTORY: &str = "/node/journal";
pub(crate) const LARGE: usize = (1 << 20) + 100;

/// What was promised, and what may have happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promises {
    pub(crate) acknowledged: BTreeMap<Seq, (Bytes, Option<Bytes>)>,
    attempted: BTreeSet<Bytes>,
    /// Releases that were asked for: these bodies may be gone.
    may_be_released: BTreeSet<Seq>,
    /// Releases that were confirmed: these bodies must be gone.
    pub(crate) released: BTreeSet<Seq>,
    next_seed: u64,
    /// Entries that some start has called damaged, and that perhaps never were acknowledged.
    doubted: RefCell<BTreeSet<Seq>>,
}

/// Whether the journal goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Went {
    On,
    Down,
}

impl Promises {
    pub(crate) fn append(&mut self, journal: &mut Journal, lengths: &[Option<usize>]) -> Went {
        let mut sent = Vec::new();
        let batch: Vec<Append> = lengths
            .iter()
            .map(|length| {
                self.next_seed += 1;
                let seed = self.next_seed;
                let append = length.map_or_else(|| closing(seed), |length| object(seed, length));
                self.attempted.insert(append.header.clone());
                sent.push((append.header.clone(), length.map(|length| bytes(seed, length))));
                append
            })
            .collect();
        let mut went = Went::On;
        for (outcome, sent) in journal.append(batch).into_iter().zip(sent) {
            match outcome {
                Ok(receipt) => {
                    let before = self.acknowledged.insert(receipt.seq(), sent);
                    assert!(before.is_none(), "number {} was given twice", receipt.seq());
                }
                Err(AppendError::Failed) => went = Went::Down,
                Err(AppendError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        went
    }

    /// Whatever a start has found counts as promised from then on: others may have been told.
    pub(crate) fn found(&mut self, reader: &JournalReader) {
        let entries = reader.records(Seq(0), usize::MAX).unwrap();
        for entry in entries {
            let Entry::Record(record) = entry else { continue };
            if matches!(record.kind, RecordKind::Release | RecordKind::Void) {
                continue;
            }
            let body = match reader.body(record.seq) {
                // Damage is told by the checks, if the entry was promised.
                Ok(source) if source.read_block(0).is_err() => continue,
                Ok(source) => Some(all_of(&*source)),
                Err(ReadError::Released(_) | ReadError::Unknown(_)) => None,
                Err(_) => continue,
            };
            self.acknowledged.entry(record.seq).or_insert((record.header, body));
        }
    }

    pub(crate) fn release(&mut self, journal: &mut Journal, every: u64) -> Went {
        let seqs: Vec<Seq> = self.acknowledged.keys().copied().filter(|seq| seq.0 % every != 0).collect();
        self.may_be_released.extend(&seqs);
        match journal.release(&seqs) {
            Ok(()) => self.released.extend(&seqs),
            Err(_) if journal.state().health == outrigger_journal::Health::Failed => return Went::Down,
            Err(_) => {}
        }
        Went::On
    }
}

/// Checks a journal against what was promised.
pub(crate) fn holds(disk: &SimDisk, promises: &Promises, applied: Seq) -> Result<Journal, String> {
    let options = options(Path::new(DIRECTORY));
    let opened = Journal::open(disk.shared(), Clock::System, Random::System, options, applied);
    still_holds(opened, promises)
}

/// Checks a journal that was just opened against what was promised.
pub(crate) fn still_holds(opened: Result<Opened, OpenError>, promises: &Promises) -> Result<Journal, String> {
    let Opened { journal, report } =
        opened.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
    // No bit was flipped, so all that can be wrong is what never was acknowledged.
    let has_others = journal.state().copies.len() > 1;
    let is_excused = |damage: &Damage| match damage.certainty {
        Certainty::Perhaps => true,
        Certainty::NoEntry => has_others && damage.entries.is_some(),
        Certainty::Acknowledged => false,
    };
    if let Some(damage) = report.damaged.iter().find(|damage| !is_excused(damage)) {
        return Err(format!("damage: {damage}"));
    }
    let named = report.damaged.iter().filter_map(|damage| damage.entries);
    promises.doubted.borrow_mut().extend(named.flat_map(|(first, last)| (first.0..=last.0).map(Seq)));
    let reader = journal.reader();
    let mut seen = BTreeMap::new();
    let mut after = Seq(0);
    loop {
        let entries = reader.records(after, 10).map_err(|error| error.to_string())?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            after = entry_holds(&reader, promises, entry, &mut seen)?;
            let is_read = reader.body(after).map_or(true, |body| body.read_block(0).is_ok());
            if !is_read && !promises.doubted.borrow().contains(&after) {
                return Err(format!("the body of {after} cannot be read, and the start did not say so"));
            }
        }
    }
    if let Some(lost) = promises.acknowledged.keys().find(|seq| !seen.contains_key(seq)) {
        return Err(format!("acknowledged entry {lost} is lost"));
    }
    scrub_holds(&reader, promises)?;
    Ok(journal)
}

fn scrub_holds(reader: &JournalReader, promises: &Promises) -> Result<(), String> {
    let is_promised = |damage: &&Damage| {
        let promised = |seq| promises.acknowledged.contains_key(&Seq(seq));
        damage.entries.is_none_or(|(first, last)| (first.0..=last.0).any(promised))
    };
    let mut scrub = reader.scrub();
    while let Some(step) = scrub.step() {
        if let Some(damage) = step.damaged.iter().find(is_promised) {
            return Err(format!("scrub: {damage}"));
        }
    }
    Ok(())
}

/// Checks one entry, and gives the number it ends at.
fn entry_holds(
    reader: &JournalReader,
    promises: &Promises,
    entry: Entry,
    seen: &mut BTreeMap<Seq, Bytes>,
) -> Result<Seq, String> {
    let record = match entry {
        Entry::Record(record) => record,
        Entry::Damaged(damage) => {
            let (first, last) = damage.entries.unwrap();
            let lost = (first.0..=last.0).find(|seq| promises.acknowledged.contains_key(&Seq(*seq)));
            return lost.map_or(Ok(last), |lost| Err(format!("acknowledged entry {lost} is lost: {damage}")));
        }
    };
    let seq = record.seq;
    let is_own = matches!(record.kind, RecordKind::Release | RecordKind::Void);
    if !is_own && seen.values().any(|header| *header == record.header) {
        return Err(format!("entry {seq} is there twice: {:?}", record.header));
    }
    seen.insert(seq, record.header.clone());
    if is_own {
        return Ok(seq);
    }
    if !promises.attempted.contains(&record.header) {
        return Err(format!("entry {seq} was never appended: {:?}", record.header));
    }
    let Some((header, body)) = promises.acknowledged.get(&seq) else { return Ok(seq) };
    if *header != record.header {
        return Err(format!("entry {seq} is {:?} and was {header:?}", record.header));
    }
    let Some(body) = body else { return Ok(seq) };
    let presence = record.body.map(|facts| facts.presence);
    if promises.released.contains(&seq) && presence != Some(Presence::Released) {
        return Err(format!("the body of {seq} is back"));
    }
    if reader.is_known_released(seq) && !promises.may_be_released.contains(&seq) {
        return Err(format!("the body of {seq} passes for released"));
    }
    match reader.body(seq) {
        Ok(source) if all_of(&*source) == body => Ok(seq),
        Err(ReadError::Released(seq)) if promises.may_be_released.contains(&seq) => Ok(seq),
        Ok(_) => Err(format!("the body of {seq} is another")),
        Err(error) => Err(format!("the body of {seq}: {error}")),
    }
}
