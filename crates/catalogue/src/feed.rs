//! The change feed: every change has a number, one more than the one before, given in the transaction that makes the change.

use outrigger_model::{SopInstanceUid, StudyUid, WallTime};
use serde::{Deserialize, Serialize};

use crate::error::CatalogueError;
use crate::record::{self, RecordKind, number_key};
use crate::tables::{Tables, View};

/// The record that has the number of the last change.
pub(crate) const LAST: &str = "changes";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// An instance came for the first time.
    Stored,
    /// Other bytes came under a SOP Instance UID.
    NewVersion,
    /// An instance is not shown any more.
    Hidden,
    /// An instance is not shown any more, and its bytes go later.
    Deleted,
    /// An instance is shown again, or may come again.
    Restored,
    /// The bytes of a deleted instance are gone.
    Purged,
    /// A person said which version of an instance stands for it.
    Chosen,
    /// Attributes of a study or its patient are others.
    Edited,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An instance.
    Instance(SopInstanceUid),
    /// A study.
    Study(StudyUid),
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Counted from 1, without a gap.
    pub number: u64,
    /// When, by the clock of the archive.
    pub at: WallTime,
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub subject: Subject,
    /// The decision behind it.
    pub decision: Option<u64>,
}

/// A change as it is kept: there are as many as instances, so names are short.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    t: WallTime,
    k: ChangeKind,
    s: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<u64>,
}

/// Whether changes are noted: a front door has its journal for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    Changes,
    Nothing,
}

/// Changes of one transaction.
#[derive(Debug)]
pub(crate) struct Notes {
    noted: Noted,
    changes: Vec<Kept>,
}

impl Notes {
    pub(crate) fn new(noted: Noted) -> Self {
        Self { noted, changes: Vec::new() }
    }

    /// Whether they are kept at all.
    pub(crate) fn noted(&self) -> Noted {
        self.noted
    }

    pub(crate) fn add(&mut self, at: WallTime, kind: ChangeKind, subject: Subject, decision: Option<u64>) {
        if self.noted == Noted::Changes {
            self.changes.push(Kept { t: at, k: kind, s: subject, d: decision });
        }
    }

    /// Numbers and writes them.
    pub(crate) fn save(self, tables: &mut dyn Tables) -> Result<(), CatalogueError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut number: u64 = record::read(tables, RecordKind::Position, LAST)?.unwrap_or(0);
        for change in &self.changes {
            number += 1;
            record::write(tables, RecordKind::Change, &number_key(number), change)?;
        }
        record::write(tables, RecordKind::Position, LAST, &number)
    }
}

/// The number of the last change; 0 before the first.
pub(crate) fn last(view: &dyn View) -> Result<u64, CatalogueError> {
    Ok(record::look(view, RecordKind::Position, LAST)?.unwrap_or(0))
}

/// Changes behind a number, at most `limit`, in order.
pub(crate) fn changes(view: &dyn View, since: u64, limit: usize) -> Result<Vec<Change>, CatalogueError> {
    let end = record::end_of("");
    let found = view.records(RecordKind::Change, &number_key(since), &end, limit)?;
    found.into_iter().map(change).collect()
}

fn change((key, value): record::Record) -> Result<Change, CatalogueError> {
    let bad = |source| CatalogueError::BadRow {
        table: "record",
        row: RecordKind::Change.number(),
        source: Box::new(source),
    };
    let number = u64::from_str_radix(&key, 16).map_err(bad)?;
    let Kept { t: at, k: kind, s: subject, d: decision } = record::parsed(RecordKind::Change, &value)?;
    Ok(Change { number, at, kind, subject, decision })
}
