//! Connections to one member for reading: kept for the next instance, given up when idle.

mod moving;
mod refusing;
mod slow;
mod whole;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outrigger_member::routes::{Routes, is_of_route};
use outrigger_member::{AskSession, MemberError, Returned, encodings};
use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::{Body, Clock};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::moving::Patience;
use self::refusing::Refusals;
use self::slow::Pace;
pub(crate) use self::whole::{Series, WholeLine};
use crate::plan::Planned;
use crate::reader::Source;

/// A connection without a question is not used again after this: archives end idle associations, and count them.
const IDLE: Duration = Duration::from_secs(2);
/// A member that did not answer is asked last for so long.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// Time-outs in a row after which it is not even asked last for that time, but once by each retrieval: a dead archive costs one of
/// 2,000 instances these and one more.
const SILENCES_MAX: u32 = 3;

/// How long a failure to give an object counts where nobody asked for one since: the member may be back.
const FAILED_LATELY: Duration = Duration::from_secs(600);

/// Why a member does not give an instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("it cannot be named to a member, being outside studies")]
    OutsideStudies,
    #[error("nothing came of it within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("it is slow to begin, and others come first")]
    Slow,
    #[error("it was left alone, having failed {} s ago", .0.as_secs())]
    LeftAlone(Duration),
    #[error(transparent)]
    Member(MemberError),
}

impl FetchError {
    /// What is said of it to clients, who need not know the addresses behind.
    pub(crate) fn without_address(&self) -> String {
        match self {
            Self::Member(MemberError::Http(refusal)) => refusal.without_url(),
            other => other.to_string(),
        }
    }
}

/// The connections to one member.
pub(crate) struct Lines {
    pub(crate) source: Source,
    timeout: Duration,
    clock: Clock,
    places: Semaphore,
    /// Half of the places: no more are taken by what is waited for long, as from tape, so that it holds up nothing that is at hand.
    patient: Semaphore,
    routes: Routes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: VecDeque<Idle>,
    failing: Option<Failing>,
    refusals: Option<Refusals>,
    pace: Pace,
    /// Until when it is asked for single instances alone, having given nothing of a series.
    one_by_one_until: Option<Instant>,
}

/// A member that does not answer, or gives nothing of what it is asked for.
#[derive(Clone, Copy)]
struct Failing {
    /// Since when it is left alone: since it failed, or since one has begun to find out whether it is back.
    since: Instant,
    failed_at: Instant,
    /// When it failed first, having given something before.
    fell_at: Instant,
    /// Time-outs in a row; other failures cost nobody that time.
    silences: u32,
}

struct Idle {
    route: usize,
    session: Box<dyn AskSession>,
    since: Instant,
}

/// Whether there is anybody else to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be.
    Usual,
    /// Nobody; what failed before then may be back, and is asked once more, however often it failed.
    LastResort(Instant),
}

impl Lines {
    pub(crate) fn new(source: Source, timeout: Duration, clock: Clock) -> Self {
        let places = Semaphore::new(source.connections.max(1));
        let patient = Semaphore::new((source.connections / 2).max(1));
        let (routes, state) = (Routes::default(), Mutex::default());
        Self { source, timeout, clock, places, patient, routes, state }
    }

    /// Reads an instance from the member, by one route after another, all as long as its bytes move within the time-out.
    pub(crate) async fn fetch(
        &self,
        instance: &Planned,
        turn: Turn,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        self.is_asked(turn)?;
        // Never closed, so that the only failure is none.
        let Ok(_place) = self.places.acquire().await else { return Err(FetchError::Silent(self.timeout)) };
        // Those who had the places before may have found it silent.
        self.is_asked(turn)?;
        let began = self.begin();
        let mut patience = Patience::from(began, self.timeout, instance.length);
        let fetched = self.fetch_within(&mut patience, instance).await;
        match &fetched {
            Err(error) if is_of_member(error) => self.note_failure(began, error),
            answered => self.note_answered(answered.is_ok()),
        }
        fetched
    }

    async fn fetch_within(
        &self,
        patience: &mut Patience,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        let mut last = FetchError::Silent(self.timeout);
        for route in self.routes.order(self.source.routes.len(), self.clock.now()) {
            match self.fetch_by(route, patience, instance).await {
                Ok(fetched) => {
                    self.routes.worked(route);
                    return Ok(fetched);
                }
                Err(error) => {
                    self.note_route(route, &error);
                    // The time is over for every route: others are asked before this one by the next of them.
                    if matches!(error, FetchError::Silent(_)) {
                        return Err(error);
                    }
                    last = error;
                }
            }
        }
        Err(last)
    }

    fn note_route(&self, route: usize, error: &FetchError) {
        if is_of_member(error) {
            self.source.route_failed(&self.routes, route, error.to_string(), self.clock.now());
        }
    }

    async fn fetch_by(
        &self,
        route: usize,
        patience: &mut Patience,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        if let Some(mut session) = self.idle(route, instance) {
            match self.ask(&mut *session, patience, instance).await {
                // A kept connection that is lost says nothing of the member: it may have been ended meanwhile.
                Err(FetchError::Member(MemberError::Connect(_) | MemberError::Lost { .. })) => {}
                answered => {
                    self.keep(route, session);
                    return answered;
                }
            }
        }
        self.make_room();
        let member = self.source.routes.get(route).ok_or(FetchError::Silent(self.timeout))?;
        let returned = [Returned {
            sop_class: instance.sop_class.clone(),
            encodings: encodings(Some(&instance.transfer_syntax)),
        }];
        let opened = patience.for_answer(member.ask(&returned)).await;
        let mut session = opened.ok_or(FetchError::Silent(self.timeout))?.map_err(FetchError::Member)?;
        let answered = self.ask(&mut *session, patience, instance).await;
        self.keep(route, session);
        answered
    }

    async fn ask(
        &self,
        session: &mut dyn AskSession,
        patience: &mut Patience,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        let (Some(study), Some(series)) = (&instance.study, &instance.series) else {
            return Err(FetchError::OutsideStudies);
        };
        let arrived = session.arrived();
        let asked = session.fetch(study, series, &instance.sop_instance, &instance.sop_class);
        let answered = patience.for_object(&arrived, asked).await;
        answered.ok_or(FetchError::Silent(self.timeout))?.map_err(FetchError::Member)
    }

    /// Takes a kept connection that gives instances of this class.
    fn idle(&self, route: usize, instance: &Planned) -> Option<Box<dyn AskSession>> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.idle.retain(|idle| idle.session.is_open() && now.saturating_duration_since(idle.since) < IDLE);
        let fits = |idle: &Idle| idle.route == route && idle.session.gives(&instance.sop_class);
        let at = state.idle.iter().position(fits)?;
        state.idle.remove(at).map(|idle| idle.session)
    }

    /// Keeps a connection for the next instance, if it is still one.
    fn keep(&self, route: usize, session: Box<dyn AskSession>) {
        if !session.is_open() {
            return;
        }
        let since = self.clock.now();
        let mut state = self.lock();
        state.idle.push_back(Idle { route, session, since });
        if state.idle.len() > self.source.connections {
            state.idle.pop_front();
        }
    }

    /// Gives up kept connections that would be too many beside those in use, of which the caller's is one: an archive serves so
    /// many at once, and one without a question keeps another waiting there.
    fn make_room(&self) {
        let room = self.places.available_permits();
        let excess: Vec<Idle> = {
            let mut state = self.lock();
            let count = state.idle.len().saturating_sub(room);
            state.idle.drain(..count).collect()
        };
        drop(excess);
    }

    /// Whether it is asked now, or left alone.
    fn is_asked(&self, turn: Turn) -> Result<(), FetchError> {
        let State { failing, pace, .. } = &*self.lock();
        if *pace == Pace::Slow {
            return Err(FetchError::Slow);
        }
        let Some(Failing { since, failed_at, silences, .. }) = *failing else { return Ok(()) };
        let ago = self.clock.now().saturating_duration_since(since);
        let is_last_resort = match turn {
            Turn::Usual => false,
            Turn::LastResort(began) => silences < SILENCES_MAX || failed_at < began,
        };
        if ago < LEFT_ALONE && !is_last_resort { Err(FetchError::LeftAlone(ago)) } else { Ok(()) }
    }

    /// When it fell, if it has given nothing since.
    pub(crate) fn fell_at(&self) -> Option<Instant> {
        self.lock().failing.map(|failing| failing.fell_at)
    }

    /// How long ago it fell, if it failed lately and has not given anything since.
    pub(crate) fn gives_nothing_for(&self) -> Option<Duration> {
        let (now, failing) = (self.clock.now(), self.lock().failing?);
        let lately = now.saturating_duration_since(failing.failed_at) < FAILED_LATELY;
        lately.then(|| now.saturating_duration_since(failing.fell_at))
    }

    /// When it failed last, if it has given nothing since: whose failure is longest ago is most likely back.
    pub(crate) fn failed_at(&self) -> Option<Instant> {
        self.lock().failing.map(|failing| failing.failed_at)
    }

    /// Begins to ask; while one asks a member that failed, the others go on leaving it alone.
    fn begin(&self) -> Instant {
        let now = self.clock.now();
        if let Some(failing) = &mut self.lock().failing {
            failing.since = now;
        }
        now
    }

    /// Those who asked together found one failure, not many.
    fn note_failure(&self, began: Instant, error: &FetchError) {
        let now = self.clock.now();
        let silence = u32::from(matches!(error, FetchError::Silent(_)));
        let mut state = self.lock();
        let silences = match state.failing {
            Some(Failing { failed_at, silences, .. }) if failed_at > began => silences.max(silence),
            Some(Failing { silences, .. }) if silence > 0 => silences.saturating_add(1),
            Some(_) | None => silence,
        };
        let fell_at = state.failing.map_or(now, |failing| failing.fell_at);
        state.failing = Some(Failing { since: now, failed_at: now, fell_at, silences });
    }

    /// A leaf lock: nothing is awaited under it.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a failure says something of the member, and not of the instance alone.
fn is_of_member(error: &FetchError) -> bool {
    match error {
        FetchError::Silent(_) => true,
        FetchError::Member(error) => is_of_route(error),
        FetchError::OutsideStudies | FetchError::Slow | FetchError::LeftAlone(_) => false,
    }
}

#[cfg(test)]
mod tests;
