//! What a member was seen to accept: pairs of SOP class and transfer syntax from real negotiations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_model::{SopClassUid, TransferSyntaxUid};

/// Pairs remembered for one member: some 200 classes in some 40 encodings, of which a site uses a fraction.
const PAIRS_MAX: usize = 4096;

/// Whether a member took a pair when it was last proposed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The context was accepted.
    Accepted,
    /// The context was refused.
    Refused,
}

/// What one member was seen to accept; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Learnt {
    // A lock on a leaf map, held for a look-up and never across an await.
    pairs: Arc<Mutex<BTreeMap<(SopClassUid, TransferSyntaxUid), Seen>>>,
}

impl Learnt {
    /// What was seen of a pair, if it was ever proposed.
    pub fn seen(&self, class: &SopClassUid, syntax: &TransferSyntaxUid) -> Option<Seen> {
        self.pairs().get(&(class.clone(), syntax.clone())).copied()
    }

    /// The encodings that were accepted for any class, with how many classes each.
    pub fn accepted(&self) -> BTreeMap<TransferSyntaxUid, usize> {
        let mut accepted = BTreeMap::new();
        for ((_, syntax), seen) in self.pairs().iter() {
            if *seen == Seen::Accepted {
                *accepted.entry(syntax.clone()).or_default() += 1;
            }
        }
        accepted
    }

    /// Remembers what became of a pair; when there are too many, new ones are not remembered.
    pub(crate) fn note(&self, class: &SopClassUid, syntax: &TransferSyntaxUid, seen: Seen) {
        let mut pairs = self.pairs();
        let key = (class.clone(), syntax.clone());
        if pairs.len() < PAIRS_MAX || pairs.contains_key(&key) {
            pairs.insert(key, seen);
        }
    }

    fn pairs(&self) -> MutexGuard<'_, BTreeMap<(SopClassUid, TransferSyntaxUid), Seen>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_negotiation_counts() {
        let learnt = Learnt::default();
        let (ct, mr) = (SopClassUid::known("1.2"), SopClassUid::known("1.4"));
        let (rle, plain) = (TransferSyntaxUid::known("1.5"), TransferSyntaxUid::known("1.2.1"));
        learnt.note(&ct, &rle, Seen::Accepted);
        learnt.note(&mr, &rle, Seen::Accepted);
        learnt.note(&ct, &plain, Seen::Refused);
        assert_eq!(learnt.accepted(), BTreeMap::from([(rle.clone(), 2)]));
        learnt.clone().note(&ct, &rle, Seen::Refused);
        assert_eq!(learnt.seen(&ct, &rle), Some(Seen::Refused));
        assert_eq!(learnt.seen(&mr, &plain), None);
    }

    #[test]
    fn it_is_bounded() {
        let learnt = Learnt::default();
        let class = SopClassUid::known("1.2");
        let syntax = |number: usize| TransferSyntaxUid::new(&format!("1.{number}")).unwrap();
        for number in 0..=PAIRS_MAX {
            learnt.note(&class, &syntax(number), Seen::Accepted);
        }
        assert_eq!(learnt.accepted().len(), PAIRS_MAX);
        learnt.note(&class, &syntax(0), Seen::Refused);
        assert_eq!(learnt.seen(&class, &syntax(0)), Some(Seen::Refused));
    }
}
