//! Ascending, disjoint stretches of the sequence.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// Ascending, disjoint stretches of the sequence, first and last number of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ranges(Vec<(Seq, Seq)>);

impl Ranges {
    /// These stretches, sorted and joined where they touch.
    pub(crate) fn new(mut stretches: Vec<(Seq, Seq)>) -> Self {
        stretches.sort_unstable();
        let mut joined: Vec<(Seq, Seq)> = Vec::with_capacity(stretches.len());
        for (first, last) in stretches {
            match joined.last_mut() {
                Some(before) if first <= before.1.next() => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Adds those of another.
    pub(crate) fn add(&mut self, other: &Self) {
        let mut all = std::mem::take(&mut self.0);
        all.extend_from_slice(&other.0);
        *self = Self::new(all);
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= seq);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| seq <= *last)
    }

    /// How far from `first` on, up to `last`, the answer of [`Ranges::contains`] stays the same.
    pub(crate) fn run(&self, first: Seq, last: Seq) -> Seq {
        let behind = self.0.partition_point(|(start, _)| *start <= first);
        let within = behind.checked_sub(1).and_then(|at| self.0.get(at)).filter(|(_, end)| first <= *end);
        match (within, self.0.get(behind)) {
            (Some((_, end)), _) => last.min(*end),
            (None, Some((start, _))) => last.min(Seq(start.0 - 1)),
            (None, None) => last,
        }
    }

    /// What is left of `first` to `last` without these stretches.
    pub(crate) fn missing(&self, first: Seq, last: Seq) -> Vec<(Seq, Seq)> {
        let mut left = Vec::new();
        let mut from = first;
        while from <= last {
            let end = self.run(from, last);
            if !self.contains(from) {
                left.push((from, end));
            }
            from = end.next();
        }
        left
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seq, Seq)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In parts of at most `limit` stretches.
    pub(crate) fn chunks(&self, limit: usize) -> impl Iterator<Item = Self> + '_ {
        self.0.chunks(limit).map(|part| Self(part.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(stretches: &[(u64, u64)]) -> Ranges {
        Ranges::new(stretches.iter().map(|(first, last)| (Seq(*first), Seq(*last))).collect())
    }

    #[test]
    fn stretches_join_and_are_found() {
        let joined = ranges(&[(8, 9), (1, 2), (3, 4), (4, 4)]);
        assert_eq!(joined, ranges(&[(1, 4), (8, 9)]));
        let within: Vec<u64> = (0..12).filter(|seq| joined.contains(Seq(*seq))).collect();
        assert_eq!(within, [1, 2, 3, 4, 8, 9]);
        assert_eq!(joined.missing(Seq(3), Seq(11)), [(Seq(5), Seq(7)), (Seq(10), Seq(11))]);
        assert_eq!(joined.missing(Seq(1), Seq(4)), []);
        let mut more = joined.clone();
        more.add(&ranges(&[(5, 7)]));
        assert_eq!(more, ranges(&[(1, 9)]));
    }
}
