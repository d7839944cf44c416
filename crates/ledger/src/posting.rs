//! Open postings: what one member still owes for one entry.

use std::fmt;
use std::str::FromStr;

use outrigger_model::{ConfirmLevel, MemberNumber, Seq, Status, SuspenseReason, WallTime};
use serde::{Deserialize, Serialize};

use crate::entry::LaneNumber;

/// A posting, open or closed: an entry at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PostingKey {
    /// The entry.
    pub entry: Seq,
    /// The member.
    pub member: MemberNumber,
}

/// An open posting; closed ones are marks of their entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingRow {
    /// Which posting.
    pub key: PostingKey,
    /// The study of its entry.
    pub lane: LaneNumber,
    /// How far it got.
    pub stage: Stage,
    /// Not to be touched before, by the ledger's steady clock.
    pub not_before: WallTime,
    /// How often the object was sent.
    pub attempts: u32,
    /// How often it was sent again after the member had said that it was stored.
    pub healed: u32,
    /// Why it stands in suspense.
    pub suspense: Option<Suspended>,
}

/// How far an open posting got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Never sent, or to be sent as if it never had been.
    Untried,
    /// Sent without success; waits for its time.
    Retry,
    /// The member has it up to this level, below the one it must reach.
    Stored(ConfirmLevel),
    /// A person must look.
    Suspense,
}

/// Why a posting stands in suspense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspended {
    /// The kind of reason.
    pub reason: SuspenseReason,
    /// The member's own status.
    pub status: Option<Status>,
    /// In words.
    pub text: String,
    /// Since when.
    pub at: WallTime,
}

/// An attempt, as `why` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: WallTime,
    /// By which route.
    pub route: String,
    /// The member's status, if it gave one.
    pub status: Option<Status>,
    /// In words.
    pub text: String,
}

/// What became of a posting that was worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The member has it up to this level.
    Reached(ConfirmLevel),
    /// The member has it up to this level and can be asked for no more: that closes the posting, whatever is asked of the member.
    Settled(ConfirmLevel),
    /// It stays as far as it is, and is tried again then.
    RetryAt {
        /// When.
        at: WallTime,
    },
    /// The member does not have what it said it had: it is sent again then.
    SendAgain {
        /// When.
        at: WallTime,
    },
    /// A person must look.
    Suspend(SuspenseReason),
    /// Nothing was done: it stays as it was.
    Released,
}

/// What was done about a posting, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The posting.
    pub posting: PostingKey,
    /// What was tried, if anything was.
    pub attempt: Option<Attempt>,
    /// What became of it.
    pub outcome: ReportOutcome,
}

impl PostingRow {
    /// A posting nobody has worked on.
    pub(crate) fn fresh(key: PostingKey, lane: LaneNumber) -> Self {
        Self {
            key,
            lane,
            stage: Stage::Untried,
            not_before: WallTime(0),
            attempts: 0,
            healed: 0,
            suspense: None,
        }
    }

    /// The level reached so far.
    pub fn level(&self) -> Option<ConfirmLevel> {
        match self.stage {
            Stage::Stored(level) => Some(level),
            Stage::Untried | Stage::Retry | Stage::Suspense => None,
        }
    }

    /// The member has it up to `level`; a lower one than before changes nothing.
    pub(crate) fn reach(&mut self, level: ConfirmLevel, next: WallTime) {
        if self.level().is_none_or(|before| before < level) {
            self.stage = Stage::Stored(level);
        }
        self.not_before = next;
        self.suspense = None;
    }

    /// It waits until `at`, as far as it is.
    pub(crate) fn retry(&mut self, at: WallTime) {
        self.stage = match self.stage {
            Stage::Stored(level) => Stage::Stored(level),
            Stage::Untried | Stage::Retry | Stage::Suspense => Stage::Retry,
        };
        self.not_before = at;
        self.suspense = None;
    }

    /// It is sent anew at `at`, whatever the member had said.
    pub(crate) fn send_again(&mut self, at: WallTime) {
        if self.level().is_some() {
            self.healed = self.healed.saturating_add(1);
        }
        self.stage = Stage::Retry;
        self.not_before = at;
        self.suspense = None;
    }

    /// Its time has come.
    pub(crate) fn wait_no_more(&mut self) {
        self.not_before = WallTime(0);
    }

    /// A person must look.
    pub(crate) fn suspend(&mut self, suspended: Suspended) {
        self.stage = Stage::Suspense;
        self.not_before = WallTime(0);
        self.suspense = Some(suspended);
    }
}

/// The word a reason is known by, in filters, JSON and the database.
pub fn reason_code(reason: &SuspenseReason) -> &'static str {
    match reason {
        SuspenseReason::Refused => "refused",
        SuspenseReason::NoContext => "no-context",
        SuspenseReason::KeptFailing => "kept-failing",
        SuspenseReason::Differs => "differs",
        SuspenseReason::Lost => "lost",
        SuspenseReason::Damaged => "damaged",
        SuspenseReason::Undeliverable => "undeliverable",
    }
}

/// The reason a word stands for.
pub fn reason_of_code(code: &str) -> Option<SuspenseReason> {
    [
        SuspenseReason::Refused,
        SuspenseReason::NoContext,
        SuspenseReason::KeptFailing,
        SuspenseReason::Differs,
        SuspenseReason::Lost,
        SuspenseReason::Damaged,
        SuspenseReason::Undeliverable,
    ]
    .into_iter()
    .find(|reason| reason_code(reason) == code)
}

impl fmt::Display for PostingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.entry, self.member.0)
    }
}

/// A text names no posting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no posting; ENTRY:MEMBER is expected, as `suspense list` shows it")]
pub struct PostingKeyError {
    text: String,
}

impl FromStr for PostingKey {
    type Err = PostingKeyError;

    fn from_str(text: &str) -> Result<Self, PostingKeyError> {
        let bad = || PostingKeyError { text: text.to_owned() };
        let (entry, member) = text.split_once(':').ok_or_else(bad)?;
        let entry = Seq(entry.parse().map_err(|_| bad())?);
        let member = member.parse().map(MemberNumber).map_err(|_| bad())?;
        if member.0 >= MemberNumber::COUNT_MAX { Err(bad()) } else { Ok(Self { entry, member }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PostingKey = PostingKey { entry: Seq(12), member: MemberNumber(3) };

    #[test]
    fn a_key_goes_there_and_back() {
        assert_eq!(KEY.to_string().parse(), Ok(KEY));
        for bad in ["12", "12:", "a:1", "12:64", "12:3:4"] {
            assert!(bad.parse::<PostingKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn levels_only_rise_until_it_is_sent_again() {
        let mut posting = PostingRow::fresh(KEY, LaneNumber(1));
        posting.retry(WallTime(5));
        assert_eq!((posting.stage, posting.not_before), (Stage::Retry, WallTime(5)));
        posting.reach(ConfirmLevel::Present, WallTime(6));
        posting.reach(ConfirmLevel::Accepted, WallTime(7));
        assert_eq!(posting.stage, Stage::Stored(ConfirmLevel::Present));
        posting.retry(WallTime(8));
        assert_eq!(posting.stage, Stage::Stored(ConfirmLevel::Present));
        posting.send_again(WallTime(9));
        assert_eq!((posting.stage, posting.healed), (Stage::Retry, 1));
    }

    #[test]
    fn every_reason_has_a_word() {
        for code in ["refused", "no-context", "kept-failing", "differs", "lost", "damaged", "undeliverable"] {
            assert_eq!(reason_of_code(code).as_ref().map(reason_code), Some(code));
        }
        assert_eq!(reason_of_code("bored"), None);
    }
}
