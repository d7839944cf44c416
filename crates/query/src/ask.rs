//! Putting a query to one member: within a time, over kept connections, and not at all while it is left alone.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_member::breaker::{Breaker, Failure, Turn};
use outrigger_member::routes::{Routes, is_of_route};
use outrigger_member::{Answered, AskSession, MemberError};
use outrigger_model::{Level, Query, QueryRoot, WallTime, with_causes};
use outrigger_runtime::Clock;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::again;
use crate::reader::Source;

/// Queries a member answers at once, whatever it takes for storing: archives work at each with one of their few threads, and
/// what is asked over more connections only waits there instead of here.
const AT_ONCE_MAX: usize = 4;
/// A connection without a query is not used again after this: archives end idle associations, and count them.
const IDLE: Duration = Duration::from_secs(2);
/// Where the reader has no randomness of its own: only one task tries a member again, so that nothing has to be spread.
pub(crate) const NO_JITTER: u8 = 255;

/// Why a member does not answer a query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("it is left alone, having failed before")]
    LeftAlone,
    #[error("it did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("it had too many queries to answer")]
    Busy,
    #[error("it has no route for questions")]
    NoRoute,
    #[error("it does not answer it")]
    Member(#[source] MemberError),
}

/// A member as one that answers queries.
pub(crate) struct Respondent {
    pub(crate) source: Source,
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
    places: Semaphore,
    routes: Routes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: VecDeque<Idle>,
    breaker: Breaker,
    /// Since when it is left alone.
    left_alone_since: Option<WallTime>,
}

struct Idle {
    route: usize,
    session: Box<dyn AskSession>,
    since: Instant,
}

/// How long a query may take at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Until then.
    pub(crate) until: Instant,
    /// What a time that runs out says.
    pub(crate) overrun: Overrun,
    /// Whether it is asked while it is left alone.
    pub(crate) left_alone: LeftAlone,
}

/// What becomes of a query to a member that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftAlone {
    /// It is not asked.
    Spared,
    /// It is: nobody else answers, and it may be back.
    AskedToo,
}

/// What it says of a member that it did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// It had all the time there is for one: it is silent.
    Silent,
    /// It had only what another left of it: nothing.
    Nothing,
}

impl Respondent {
    pub(crate) fn new(source: Source, timeout: Duration, clock: Clock) -> Self {
        let places = Semaphore::new(source.connections.clamp(1, AT_ONCE_MAX));
        Self { source, timeout, clock, places, routes: Routes::default(), state: Mutex::default() }
    }

    /// Whether it may be asked now.
    pub(crate) fn is_left_alone(&self) -> bool {
        !matches!(self.lock().breaker, Breaker::Closed { .. })
    }

    pub(crate) fn breaker(&self) -> Breaker {
        self.lock().breaker
    }

    /// Since when it is left alone, if it is.
    pub(crate) fn left_alone_since(&self) -> Option<WallTime> {
        self.lock().left_alone_since
    }

    /// Asks it, by one route after another, for at most so many matches.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        query: &Query,
        most: usize,
        allowed: Allowed,
    ) -> Result<Answered, Unanswered> {
        if allowed.left_alone == LeftAlone::AskedToo {
            // Only so many find out at once.
            let Ok(_place) = self.places.try_acquire() else { return Err(Unanswered::LeftAlone) };
            return self.ask_now(query, most, allowed).await;
        }
        if self.is_left_alone() {
            return Err(Unanswered::LeftAlone);
        }
        let Ok(Ok(_place)) = timeout_at(allowed.until, self.places.acquire()).await else {
            return Err(Unanswered::Busy);
        };
        // Whoever waited for a place behind one that found it silent need not find out again.
        if self.is_left_alone() {
            return Err(Unanswered::LeftAlone);
        }
        self.ask_now(query, most, allowed).await
    }

    async fn ask_now(
        self: &Arc<Self>,
        query: &Query,
        most: usize,
        allowed: Allowed,
    ) -> Result<Answered, Unanswered> {
        let asked_at = self.clock.now();
        let answered = match timeout_at(allowed.until, self.by_any_route(query, most, allowed.until)).await {
            Ok(answered) => answered,
            Err(_) => Err(Unanswered::Silent(self.clock.now().saturating_duration_since(asked_at))),
        };
        match (&answered, allowed.overrun) {
            (Err(Unanswered::Silent(_)), Overrun::Nothing) => {}
            _ => self.note(&answered),
        }
        answered
    }

    /// Asks it again while it is left alone; says whether it is back.
    pub(crate) async fn ask_again(&self, query: &Query) -> bool {
        let until = self.clock.now() + self.timeout;
        let answered = timeout_at(until, self.by_any_route(query, 1, until)).await;
        let answered = answered.unwrap_or(Err(Unanswered::Silent(self.timeout)));
        self.turn_of(&answered) == Turn::Closed
    }

    async fn by_any_route(&self, query: &Query, most: usize, until: Instant) -> Result<Answered, Unanswered> {
        let order = self.routes.order(self.source.routes.len(), self.clock.now());
        self.by_routes(&order, query, most, until).await
    }

    /// By the first of the routes; by the next where it fails, and beside it once half of what is left of the time is over: one that
    /// is slow has all of it, and one that hangs does not use up that of the others.
    fn by_routes<'a>(
        &'a self,
        routes: &'a [usize],
        query: &'a Query,
        most: usize,
        until: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Answered, Unanswered>> + Send + 'a>> {
        Box::pin(async move {
            let Some((first, rest)) = routes.split_first() else { return Err(Unanswered::NoRoute) };
            let mut asked = pin!(self.by(*first, query, most));
            if rest.is_empty() {
                return self.noted(*first, asked.await);
            }
            let now = self.clock.now();
            let half = until.saturating_duration_since(now) / 2;
            let mut next = self.by_routes(rest, query, most, until);
            if let Ok(answered) = timeout_at(now + half, &mut asked).await {
                match self.noted(*first, answered) {
                    Ok(answered) => return Ok(answered),
                    Err(_) => return next.await,
                }
            }
            tokio::select! {
                biased;
                answered = &mut asked => match self.noted(*first, answered) {
                    Ok(answered) => Ok(answered),
                    Err(_) => next.await,
                },
                answered = &mut next => match answered {
                    Ok(answered) => {
                        self.route_failed(*first, &Unanswered::Silent(half));
                        Ok(answered)
                    }
                    Err(_) => self.noted(*first, asked.await),
                },
            }
        })
    }

    /// Notes how a route did.
    fn noted(&self, route: usize, answered: Result<Answered, Unanswered>) -> Result<Answered, Unanswered> {
        match &answered {
            Ok(_) => self.routes.worked(route),
            Err(Unanswered::Member(error)) if !is_of_route(error) => {}
            Err(error) => self.route_failed(route, error),
        }
        answered
    }

    fn route_failed(&self, route: usize, error: &Unanswered) {
        self.source.route_failed(&self.routes, route, with_causes(error), self.clock.now());
    }

    async fn by(&self, route: usize, query: &Query, most: usize) -> Result<Answered, Unanswered> {
        if let Some(mut session) = self.idle(route)
            && let Ok(answered) = put(&mut *session, query, most).await
        {
            // A kept connection that fails says nothing of the member: it may have been ended meanwhile.
            self.keep(route, session);
            return Ok(answered);
        }
        let member = self.source.routes.get(route).ok_or(Unanswered::NoRoute)?;
        let mut session = member.ask(&[]).await.map_err(Unanswered::Member)?;
        let answered = put(&mut *session, query, most).await;
        self.keep(route, session);
        answered.map_err(Unanswered::Member)
    }

    fn idle(&self, route: usize) -> Option<Box<dyn AskSession>> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.idle.retain(|idle| idle.session.is_open() && now.saturating_duration_since(idle.since) < IDLE);
        let at = state.idle.iter().position(|idle| idle.route == route)?;
        state.idle.remove(at).map(|idle| idle.session)
    }

    fn keep(&self, route: usize, session: Box<dyn AskSession>) {
        if session.is_open() {
            let since = self.clock.now();
            let mut state = self.lock();
            state.idle.push_back(Idle { route, session, since });
            if state.idle.len() > AT_ONCE_MAX {
                state.idle.pop_front();
            }
        }
    }

    fn note(self: &Arc<Self>, answered: &Result<Answered, Unanswered>) {
        if self.turn_of(answered) == Turn::Opened {
            again::until_back(self);
        }
    }

    fn turn_of(&self, answered: &Result<Answered, Unanswered>) -> Turn {
        let now = self.clock.now();
        let failure = match answered {
            Err(Unanswered::Silent(_)) => Some(Failure::Silent),
            Err(Unanswered::Member(error)) if is_of_route(error) => Some(Failure::Refused),
            // It answered, whatever it said.
            Ok(_) | Err(Unanswered::Member(_)) => None,
            Err(Unanswered::LeftAlone | Unanswered::Busy | Unanswered::NoRoute) => return Turn::None,
        };
        let mut state = self.lock();
        let turn = match failure {
            Some(failure) => state.breaker.failed(failure, now, NO_JITTER),
            None => state.breaker.succeeded(),
        };
        match turn {
            Turn::Opened => {
                state.idle.clear();
                state.left_alone_since = Some(WallTime(self.clock.wall_us()));
            }
            Turn::Closed => state.left_alone_since = None,
            Turn::None => {}
        }
        drop(state);
        let member = &self.source.name;
        match (turn, answered) {
            (Turn::Opened, Err(error)) => {
                tracing::warn!(%member, error = error as &dyn std::error::Error, "a member is not asked any more, and tried again in the background");
            }
            (Turn::Closed, _) => tracing::info!(%member, "a member answers queries again, and is asked"),
            _ => {}
        }
        turn
    }

    /// When it may be tried again, where it is left alone; whoever gets the call tries it.
    pub(crate) fn permit(&self) -> outrigger_member::breaker::Permit {
        self.lock().breaker.permit(self.clock.now())
    }

    /// A leaf lock: nothing is awaited under it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the query, in the model of studies where the member does not know that of patients.
async fn put(session: &mut dyn AskSession, query: &Query, most: usize) -> Result<Answered, MemberError> {
    match session.find(query, most).await {
        Err(MemberError::NoContext { .. })
            if query.root == QueryRoot::Patient && query.level != Level::Patient =>
        {
            let query = Query { root: QueryRoot::Study, ..query.clone() };
            session.find(&query, most).await
        }
        answered => answered,
    }
}
