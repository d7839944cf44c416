//! Connections to one member for reading: kept for the next instance, given up when idle.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outrigger_dataset::transcode;
use outrigger_member::{AskSession, MemberError, Returned};
use outrigger_model::{TransferSyntaxUid, transfer_syntax};
use outrigger_runtime::{Body, Clock};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::plan::Planned;
use crate::reader::Source;

/// A connection without a question is not used again after this: archives end idle associations, and count them.
const IDLE: Duration = Duration::from_secs(2);
/// A member that did not answer is asked last for so long.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// Encodings a member may keep an instance in, whatever it was sent in.
const COMMON_ENCODINGS: [&str; 10] = [
    transfer_syntax::EXPLICIT_VR_LE,
    transfer_syntax::IMPLICIT_VR_LE,
    transfer_syntax::DEFLATED,
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.91",
];

/// Why a member does not give an instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("it cannot be named to a member, being outside studies")]
    OutsideStudies,
    #[error("it did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("it was left alone, having failed {} s ago", .0.as_secs())]
    LeftAlone(Duration),
    #[error("it does not give it")]
    Member(#[source] MemberError),
}

/// The connections to one member.
pub(crate) struct Lines {
    pub(crate) source: Source,
    timeout: Duration,
    clock: Clock,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: VecDeque<Idle>,
    failed_at: Option<Instant>,
}

struct Idle {
    route: usize,
    session: Box<dyn AskSession>,
    since: Instant,
}

impl Lines {
    pub(crate) fn new(source: Source, timeout: Duration, clock: Clock) -> Self {
        let places = Semaphore::new(source.connections.max(1));
        Self { source, timeout, clock, places, state: Mutex::default() }
    }

    /// Reads an instance from the member, by one route after another; each answer within the time-out.
    pub(crate) async fn fetch(&self, instance: &Planned) -> Result<(TransferSyntaxUid, Body), FetchError> {
        if let Some(ago) = self.failed_ago().filter(|ago| *ago < LEFT_ALONE) {
            return Err(FetchError::LeftAlone(ago));
        }
        // Never closed, so that the only failure is none.
        let Ok(_place) = self.places.acquire().await else { return Err(FetchError::Silent(self.timeout)) };
        let mut last = FetchError::Silent(self.timeout);
        for route in 0..self.source.routes.len() {
            match self.fetch_by(route, instance).await {
                Ok(fetched) => {
                    self.lock().failed_at = None;
                    return Ok(fetched);
                }
                Err(error) => last = error,
            }
        }
        if is_of_member(&last) {
            self.lock().failed_at = Some(self.clock.now());
        }
        Err(last)
    }

    async fn fetch_by(
        &self,
        route: usize,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        if let Some(mut session) = self.idle(route, instance)
            && let Ok(fetched) = self.ask(&mut *session, instance).await
        {
            // A kept connection that fails says nothing of the member: it may have been ended meanwhile.
            self.keep(route, session);
            return Ok(fetched);
        }
        let member = self.source.routes.get(route).ok_or(FetchError::Silent(self.timeout))?;
        let returned = [Returned {
            sop_class: instance.sop_class.clone(),
            encodings: encodings(&instance.transfer_syntax),
        }];
        let opened = timeout(self.timeout, member.ask(&returned)).await;
        let mut session =
            opened.map_err(|_| FetchError::Silent(self.timeout))?.map_err(FetchError::Member)?;
        let fetched = self.ask(&mut *session, instance).await?;
        self.keep(route, session);
        Ok(fetched)
    }

    async fn ask(
        &self,
        session: &mut dyn AskSession,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        let (Some(study), Some(series)) = (&instance.study, &instance.series) else {
            return Err(FetchError::OutsideStudies);
        };
        let asked = session.fetch(study, series, &instance.sop_instance, &instance.sop_class);
        let answered = timeout(self.timeout + allowance(instance.length), asked).await;
        answered.map_err(|_| FetchError::Silent(self.timeout))?.map_err(FetchError::Member)
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

    fn keep(&self, route: usize, session: Box<dyn AskSession>) {
        let since = self.clock.now();
        let mut state = self.lock();
        state.idle.push_back(Idle { route, session, since });
        if state.idle.len() > self.source.connections {
            state.idle.pop_front();
        }
    }

    fn failed_ago(&self) -> Option<Duration> {
        let failed_at = self.lock().failed_at?;
        Some(self.clock.now().saturating_duration_since(failed_at))
    }

    /// A leaf lock: nothing is awaited under it.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slowest that a member may give the bytes themselves, so that a large object is not given up in the middle: 4 MB a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 4 << 20;

fn allowance(length: u64) -> Duration {
    Duration::from_secs(length / SLOWEST_BYTES_PER_SECOND)
}

/// Whether a failure says something of the member, and not of the instance alone.
fn is_of_member(error: &FetchError) -> bool {
    match error {
        FetchError::Silent(_) => true,
        FetchError::Member(error) => matches!(error, MemberError::Connect(_) | MemberError::Lost { .. }),
        FetchError::OutsideStudies | FetchError::LeftAlone(_) => false,
    }
}

/// The encodings an instance may come in: its own first, what it can be made of losslessly, and what archives keep.
fn encodings(own: &TransferSyntaxUid) -> Vec<TransferSyntaxUid> {
    let mut encodings = vec![own.clone()];
    let common = COMMON_ENCODINGS.iter().map(|uid| TransferSyntaxUid::known(uid));
    for encoding in transcode::targets(own).into_iter().chain(common) {
        if !encodings.contains(&encoding) {
            encodings.push(encoding);
        }
    }
    encodings
}
