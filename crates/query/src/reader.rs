//! The handle that all readers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outrigger_ledger::Ledger;
use outrigger_member::Member;
use outrigger_member::breaker::Breaker;
use outrigger_member::routes::{Rest, Routes};
use outrigger_model::{MemberName, MemberNumber, WallTime};
use outrigger_runtime::{Clock, Threads};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answered::Lately;
use crate::ask::Respondent;
use crate::choose::Respondents;
use crate::find::ANSWERED_AT_ONCE_MAX;
use crate::gather::MATCHES_HELD_MAX;
use crate::lines::Lines;
use crate::more::More;
use crate::suspect::Suspects;

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
    /// Who answers queries (`[query] source`).
    pub respondents: Respondents,
    /// Longest wait for one answer of a member (`[query] timeout`).
    pub timeout: Duration,
    /// Time.
    pub clock: Clock,
    /// Where what members give is looked over.
    pub threads: Threads,
}

/// Reads from catalogue, journal and members; clones share it.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) lines: Vec<Lines>,
    pub(crate) threads: Threads,
    pub(crate) respondents: Vec<Arc<Respondent>>,
    pub(crate) asked: Respondents,
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
    /// Room for the matches of members.
    pub(crate) held: Arc<Semaphore>,
    /// Places for queries that are being answered.
    pub(crate) answering: Arc<Semaphore>,
    pub(crate) lately: Lately,
    /// What members showed beyond the catalogue.
    pub(crate) more: More,
    /// What they did not give as it was accepted.
    pub(crate) suspects: Suspects,
    /// Queries begun and ended, instances opened: so that what may wait can see that others are served.
    pub(crate) served: AtomicU64,
}

impl Source {
    /// Notes that a route failed, and tells of it once for each time that it is left; with one route alone there is nothing to be put
    /// in order.
    pub(crate) fn route_failed(&self, routes: &Routes, route: usize, why: String, now: Instant) {
        if self.routes.len() > 1 && routes.failed(route, why.clone(), now) == Rest::Begun {
            let (member, error) = (&self.name, why);
            tracing::warn!(%member, route = route.saturating_add(1), error, "a route to a member does not answer, and is asked after its others");
        }
    }
}

impl Shared {
    /// Notes that something is done for somebody.
    pub(crate) fn note_served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

impl Reader {
    /// A reader of these.
    pub fn new(options: ReaderOptions) -> Self {
        let ReaderOptions { ledger, mut sources, respondents: asked, timeout, clock, threads } = options;
        sources.sort_by_key(|source| (source.preference, source.number));
        let respondents =
            sources.iter().map(|source| Arc::new(Respondent::new(source.clone(), timeout, clock.clone())));
        let respondents = respondents.collect();
        let lines = sources.into_iter().map(|source| Lines::new(source, timeout, clock.clone())).collect();
        let held = Arc::new(Semaphore::new(MATCHES_HELD_MAX));
        let answering = Arc::new(Semaphore::new(ANSWERED_AT_ONCE_MAX));
        let lately = Lately::default();
        let shared = Shared {
            ledger,
            lines,
            threads,
            respondents,
            asked,
            timeout,
            clock,
            held,
            answering,
            lately,
            more: More::default(),
            suspects: Suspects::default(),
            served: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How much was done for others so far: it moves with each query and each instance that is given.
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }

    /// Whether a member is asked to answer queries.
    pub fn standing(&self, member: MemberNumber) -> Option<Breaker> {
        let found = self.shared.respondents.iter().find(|respondent| respondent.source.number == member);
        found.map(|respondent| respondent.breaker())
    }

    /// Since when a member answers no queries and is left alone, if it is.
    pub fn left_alone_since(&self, member: MemberNumber) -> Option<WallTime> {
        let found = self.shared.respondents.iter().find(|respondent| respondent.source.number == member);
        found.and_then(|respondent| respondent.left_alone_since())
    }

    /// Since when a member gives no objects, if it was asked for one in the last ten minutes and has given none since.
    pub fn gives_nothing_since(&self, member: MemberNumber) -> Option<WallTime> {
        let lines = self.shared.lines.iter().find(|lines| lines.source.number == member)?;
        let span = i64::try_from(lines.gives_nothing_for()?.as_micros()).ok()?;
        Some(WallTime(self.shared.clock.wall_us().saturating_sub(span)))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("members", &self.shared.lines.len()).finish_non_exhaustive()
    }
}
