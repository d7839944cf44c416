//! One page of the matches of a search, in an order that is the same each time it is asked for, whoever answers first.

use std::cmp::Reverse;

use outrigger_model::{Answer, Level, Tag};

/// The place of a match: studies the newest first, series and instances by their numbers; then by UID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    moment: Reverse<(String, String)>,
    number: i64,
    uid: String,
}

/// The matches of one page and those before it, as they come.
pub(super) struct Page {
    level: Level,
    offset: usize,
    /// Matches kept: those of the page and those before it.
    kept_max: usize,
    kept: Vec<(Place, Answer)>,
    seen: usize,
}

impl Page {
    /// The page of `limit` matches behind the first `offset`.
    pub(super) fn new(level: Level, offset: usize, limit: usize) -> Self {
        Self { level, offset, kept_max: offset.saturating_add(limit), kept: Vec::new(), seen: 0 }
    }

    /// Takes the next match; no more are held than twice those of the page and before.
    pub(super) fn push(&mut self, answer: Answer) {
        self.seen += 1;
        if self.kept_max == 0 {
            return;
        }
        self.kept.push((place(self.level, &answer), answer));
        if self.kept.len() >= self.kept_max.saturating_mul(2) {
            self.sort();
        }
    }

    /// Matches held.
    pub(super) fn held(&self) -> usize {
        self.kept.len()
    }

    /// The matches of the page, and how many are behind it.
    pub(super) fn finish(mut self) -> (Vec<Answer>, usize) {
        self.sort();
        let behind = self.seen.saturating_sub(self.kept_max);
        let page = self.kept.into_iter().skip(self.offset).map(|(_, answer)| answer);
        (page.collect(), behind)
    }

    fn sort(&mut self) {
        self.kept.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        self.kept.truncate(self.kept_max);
    }
}

fn place(level: Level, answer: &Answer) -> Place {
    let text = |tag| answer.value(tag).unwrap_or_default().to_owned();
    let number = |tag| text(tag).trim().parse().unwrap_or(i64::MAX);
    let none = Reverse(Default::default());
    match level {
        Level::Patient | Level::Study => Place {
            moment: Reverse((text(Tag::STUDY_DATE), text(Tag::STUDY_TIME))),
            number: 0,
            uid: text(Tag::STUDY_INSTANCE_UID),
        },
        Level::Series => {
            Place { moment: none, number: number(Tag::SERIES_NUMBER), uid: text(Tag::SERIES_INSTANCE_UID) }
        }
        Level::Image => {
            Place { moment: none, number: number(Tag::INSTANCE_NUMBER), uid: text(Tag::SOP_INSTANCE_UID) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(uid: usize, date: &str) -> Answer {
        let attributes =
            vec![(Tag::STUDY_INSTANCE_UID, format!("1.{uid:03}")), (Tag::STUDY_DATE, date.to_owned())];
        Answer { attributes }
    }

    fn uids(answers: &[Answer]) -> Vec<&str> {
        answers.iter().map(|answer| answer.attributes[0].1.as_str()).collect()
    }

    #[test]
    fn pages_are_the_same_in_whatever_order_matches_come() {
        let dates = ["20260101", "20260301", ""];
        let studies: Vec<Answer> = (0..100).map(|uid| study(uid, dates[uid % 3])).collect();
        let mut whole = Vec::new();
        for offset in (0..100).step_by(7) {
            let mut pages = [7, 11, 63].map(|step| {
                let mut page = Page::new(Level::Study, offset, 7);
                (0..100).map(|at| studies[at * step % 100].clone()).for_each(|answer| page.push(answer));
                assert!(page.kept.len() <= 2 * (offset + 7));
                let (answers, behind) = page.finish();
                assert_eq!(behind, 100_usize.saturating_sub(offset + 7));
                answers
            });
            assert_eq!(pages[0], pages[1]);
            assert_eq!(pages[0], pages[2]);
            whole.append(&mut pages[0]);
        }
        let mut expected: Vec<usize> = (0..100).collect();
        expected.sort_by_key(|uid| (Reverse(dates[uid % 3]), *uid));
        let expected: Vec<String> = expected.iter().map(|uid| format!("1.{uid:03}")).collect();
        assert_eq!(uids(&whole), expected);
    }

    #[test]
    fn a_page_of_nothing_counts_all_the_same() {
        let mut page = Page::new(Level::Image, 0, 0);
        page.push(study(1, ""));
        assert_eq!(page.finish(), (Vec::new(), 1));
    }
}
