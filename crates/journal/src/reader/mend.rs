//! What one copy has lost, from another that has it.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::{BlockError, BlockSource};

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::ids::Seq;
use crate::reader::copy::CopyReader;
use crate::record::{Entry, Presence};

/// Entries of a damaged stretch that are read at once from another copy.
const STRETCH_MAX: usize = 1 << 14;

/// Puts what another copy has in the place of what one has lost; gives how far the other was asked, where that is not to the end.
pub(crate) fn mend(entries: Vec<Entry>, other: &CopyReader, limit: usize) -> Vec<Entry> {
    let mut mended = Vec::with_capacity(entries.len());
    for entry in entries {
        let Entry::Damaged(Damage { entries: Some((first, last)), .. }) = &entry else {
            mended.push(entry);
            continue;
        };
        let (first, last) = (*first, *last);
        let Ok(asked) = other.records(first.before(), limit.min(STRETCH_MAX)) else {
            mended.push(entry);
            continue;
        };
        let is_cut = asked.last().is_some_and(|found| found.last() < last);
        let within: Vec<Entry> = asked.into_iter().filter(|found| found.first() <= last).collect();
        if !within.iter().any(|found| matches!(found, Entry::Record(_))) {
            mended.push(entry);
            continue;
        }
        mended.extend(within);
        if is_cut {
            // The next page goes on from here.
            return mended;
        }
    }
    mended
}

/// What is damaged in a copy, as something by which nothing is lost where another has all that it is about, which is read. The copy is then
/// harmed, and worth being made anew; from copies that have lost the same it would come out no better.
pub(crate) fn weigh(damage: Damage, of: &CopyReader, others: &[CopyReader]) -> Damage {
    let Some((first, last)) = damage.entries.filter(|_| damage.certainty != Certainty::NoEntry) else {
        return damage;
    };
    if !others.iter().any(|other| has_all(other, damage.part, (first, last))) {
        return damage;
    }
    of.home.note_harm();
    Damage { certainty: Certainty::NoEntry, ..damage }
}

/// Whether a copy has these entries with all of their bytes.
fn has_all(copy: &CopyReader, part: DamagedPart, (first, last): (Seq, Seq)) -> bool {
    let count =
        usize::try_from(last.0.saturating_sub(first.0)).map_or(usize::MAX, |behind| behind.saturating_add(1));
    if count > STRETCH_MAX || copy.tail() < last {
        return false;
    }
    let Ok(entries) = copy.records(first.before(), count) else { return false };
    entries.iter().take_while(|entry| entry.first() <= last).all(|entry| match entry {
        Entry::Damaged(_) => false,
        Entry::Record(record) => match record.body {
            Some(facts) if facts.presence == Presence::Kept => is_readable(copy, record.seq),
            // Bytes that were damaged before they were let go here are had nowhere.
            Some(_) => !matches!(part, DamagedPart::Body | DamagedPart::Gone),
            None => true,
        },
    })
}

fn is_readable(copy: &CopyReader, seq: Seq) -> bool {
    let Ok(body) = copy.body(seq) else { return false };
    let mut read = 0;
    for index in 0.. {
        match body.read_block(index) {
            Ok(block) if block.is_empty() => break,
            Ok(block) => read += block.len() as u64,
            Err(_) => return false,
        }
        if read >= body.length() {
            break;
        }
    }
    read == body.length()
}

/// The bytes of an entry, from the first copy that has each block sound.
#[derive(Debug)]
pub(crate) struct Either {
    pub(crate) seq: Seq,
    pub(crate) first: Arc<dyn BlockSource>,
    pub(crate) of: CopyReader,
    pub(crate) others: Vec<CopyReader>,
}

impl BlockSource for Either {
    fn length(&self) -> u64 {
        self.first.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let error = match self.first.read_block(index) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        tracing::warn!(
            entry = %self.seq, copy = %self.of.home.paths.directory.display(), %error,
            "a copy of the journal cannot give these bytes; another is asked"
        );
        self.of.home.note_harm();
        for other in &self.others {
            let Ok(body) = other.body(self.seq) else { continue };
            match body.read_block(index) {
                Ok(bytes) if body.length() == self.length() => return Ok(bytes),
                Ok(_) | Err(_) => {}
            }
        }
        Err(error)
    }

    fn at_hand(&self, position: u64) -> Option<Bytes> {
        self.first.at_hand(position)
    }
}
