//! Whether the ledger follows the journal.

use std::error::Error;
use std::fmt::Write;

use outrigger_model::WallTime;

use crate::error::LedgerError;

/// Whether the ledger follows the journal; stores go on either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerHealth {
    /// It does.
    Up,
    /// It does not; it tries again by itself.
    Down {
        /// Since when.
        since: WallTime,
        /// Why, in words.
        text: String,
        /// What ends it.
        cure: Cure,
    },
}

/// What ends a failure of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// Waiting: the database may come back.
    Wait,
    /// `outrigger rebuild`: the database is damaged.
    Rebuild,
}

impl LedgerHealth {
    pub(crate) fn down(since: WallTime, error: &LedgerError) -> Self {
        let cure = match error {
            LedgerError::Store(error) if error.is_damage() => Cure::Rebuild,
            LedgerError::Store(_)
            | LedgerError::Journal(_)
            | LedgerError::JournalRead(_)
            | LedgerError::Record(_)
            | LedgerError::Recorded(_)
            | LedgerError::Closed(_)
            | LedgerError::Scrub(_)
            | LedgerError::UnknownMember { .. }
            | LedgerError::Retired { .. } => Cure::Wait,
        };
        Self::Down { since, text: in_words(error), cure }
    }
}

/// An error with its causes, in one line.
pub(crate) fn in_words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if write!(text, ": {error}").is_err() {
            break;
        }
        cause = error.source();
    }
    text
}
