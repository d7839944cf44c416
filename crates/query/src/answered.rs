//! Who answered a query: kept for the last of them, so that a person can see why an answer is what it is.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outrigger_model::{Level, MemberName, QueryRoot, WallTime};

use crate::ask::Unanswered;

/// Queries remembered: some minutes of a busy day, some 100 KB.
pub const REMEMBERED_MAX: usize = 200;

/// A query, and who answered it; it names no patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// When the answer ended.
    pub at: WallTime,
    /// In which model it was put.
    pub root: QueryRoot,
    /// At which level.
    pub level: Level,
    /// Answers given.
    pub answers: u64,
    /// How many of them the catalogue had.
    pub catalogue: u64,
    /// How long it took until whoever asked had taken them all.
    pub took: Duration,
    /// What each member asked said, the preferred first.
    pub members: Vec<Reply>,
    /// Matches of members that were no answers to the query.
    pub left_out: usize,
    /// What may be missing, if something may.
    pub shortfall: Option<Shortfall>,
}

impl Answering {
    /// Says in the log who answered.
    pub(crate) fn log(&self) {
        let members: Vec<String> = self.members.iter().map(ToString::to_string).collect();
        let members = members.join(", ");
        tracing::info!(level = ?self.level, answers = self.answers, catalogue = self.catalogue, members, left_out = self.left_out, "who answered a query");
        if let Some(shortfall) = &self.shortfall {
            tracing::warn!(level = ?self.level, "an answer is {shortfall}");
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {} ms", self.member, self.matches, self.took.as_millis())?;
        match &self.not_whole {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

/// What a member said to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The member.
    pub member: MemberName,
    /// Its matches.
    pub matches: usize,
    /// How long it took.
    pub took: Duration,
    /// Why these are not all it has, if they are not.
    pub not_whole: Option<String>,
}

/// What may be missing from an answer: members whose content nobody knows did not answer, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Each such member, and why.
    pub members: Vec<(MemberName, String)>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("incomplete:")?;
        for (place, (member, why)) in self.members.iter().enumerate() {
            write!(f, "{} {member}: {why}", if place == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

/// The last queries; a leaf lock.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<VecDeque<Answering>>);

impl Lately {
    pub(crate) fn note(&self, answering: Answering) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX {
            all.pop_front();
        }
        all.push_back(answering);
    }

    /// The newest first.
    pub(crate) fn all(&self) -> Vec<Answering> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

/// An error with its causes, in a line.
pub(crate) fn in_words(error: &Unanswered) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
