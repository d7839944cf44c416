//! Whether a member has all that could be an answer to a question.

use outrigger_model::{MemberNumber, MemberSet, StudyUid};

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::store::{LedgerReads, StoreError};

/// Open postings looked at to find those of a study; of more, one is taken to be of it.
const OWED_LOOKED_AT_MAX: usize = 64;

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// Whatever there is.
    Anything,
    /// These studies.
    Studies(Vec<StudyUid>),
}

impl Ledger {
    /// Which of these members owe something that the question is about, or may.
    pub async fn owing(&self, members: Vec<MemberNumber>, within: Within) -> Result<MemberSet, LedgerError> {
        self.query(move |books| {
            let mut owing = MemberSet::EMPTY;
            for member in &members {
                if owes(books, *member, &within)? {
                    owing.insert(*member);
                }
            }
            Ok(owing)
        })
        .await
    }
}

fn owes(books: &dyn LedgerReads, member: MemberNumber, within: &Within) -> Result<bool, StoreError> {
    let Within::Studies(studies) = within else {
        return Ok(!books.open_postings(member, 1)?.is_empty());
    };
    let owed = books.open_postings(member, OWED_LOOKED_AT_MAX + 1)?;
    if owed.len() > OWED_LOOKED_AT_MAX {
        return Ok(true);
    }
    for seq in owed {
        let study = books.entry(seq)?.and_then(|entry| entry.header.study);
        if study.is_none_or(|study| studies.contains(&study)) {
            return Ok(true);
        }
    }
    Ok(false)
}
