//! The handle that all readers share.

use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::Ledger;
use outrigger_member::Member;
use outrigger_model::{MemberName, MemberNumber};
use outrigger_runtime::Clock;

use crate::lines::Lines;

/// A member as readers see it.
#[derive(Clone)]
pub struct Source {
    /// Its permanent number.
    pub number: MemberNumber,
    /// Its name.
    pub name: MemberName,
    /// The lowest is asked first.
    pub preference: u8,
    /// Ways to reach it, in order of preference.
    pub routes: Vec<Arc<dyn Member>>,
    /// Connections for reading at once.
    pub connections: usize,
}

/// What readers read from.
#[derive(Clone)]
pub struct ReaderOptions {
    /// Catalogue, books and journal.
    pub ledger: Ledger,
    /// The members.
    pub sources: Vec<Source>,
    /// Longest wait for one answer of a member (`[query] timeout`).
    pub timeout: Duration,
    /// Time.
    pub clock: Clock,
}

/// Reads from catalogue, journal and members; clones share it.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) lines: Vec<Lines>,
}

impl Reader {
    /// A reader of these.
    pub fn new(options: ReaderOptions) -> Self {
        let ReaderOptions { ledger, mut sources, timeout, clock } = options;
        sources.sort_by_key(|source| (source.preference, source.number));
        let lines = sources.into_iter().map(|source| Lines::new(source, timeout, clock.clone())).collect();
        Self { shared: Arc::new(Shared { ledger, lines }) }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("members", &self.shared.lines.len()).finish_non_exhaustive()
    }
}
