//! Reading whole series over the connections to a member.

use std::time::Duration;

use outrigger_member::{AskSession, MemberError, Returned};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};

use super::slow::Pace;
use super::{FetchError, Lines, encodings};
use crate::plan::Planned;

/// How long a member that gave nothing of a series is asked for single instances alone.
const ONE_BY_ONE: Duration = Duration::from_secs(60);

/// A connection over which a series is read, with its place among those to the member.
pub(crate) struct WholeLine<'a> {
    pub(crate) session: Box<dyn AskSession>,
    pub(crate) place: SemaphorePermit<'a>,
}

/// Whether a series is asked for as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// By this route.
    Whole(usize),
    /// Its instances are asked for one by one.
    OneByOne,
    /// The member failed a moment ago: others come first.
    LeftAlone,
}

impl Lines {
    /// How the instances of a series are had from the member.
    pub(crate) fn series(&self) -> Series {
        let state = self.lock();
        if state.failing.is_some() || state.pace == Pace::Slow {
            return Series::LeftAlone;
        }
        // By the first route, as single instances are: another is not taken for the sake of speed.
        let now = self.clock.now();
        let first = self.routes.order(self.source.routes.len(), now).first().copied();
        let gives = |route: &usize| self.source.routes.get(*route).is_some_and(|route| route.gives_series());
        match (state.one_by_one_until, first.filter(gives)) {
            (Some(until), _) if now < until => Series::OneByOne,
            (Some(_) | None, Some(route)) => Series::Whole(route),
            (Some(_) | None, None) => Series::OneByOne,
        }
    }

    /// Connects to read a series; `None` where no place is free beside those that are left for single instances.
    pub(crate) async fn whole_line(
        &self,
        route: usize,
        first: &Planned,
    ) -> Result<Option<WholeLine<'_>>, FetchError> {
        // Whoever reads a series keeps its place for long: half of them stay for the others.
        if self.places.available_permits() <= self.source.connections / 2 {
            return Ok(None);
        }
        let (Ok(place), Some(member)) = (self.places.try_acquire(), self.source.routes.get(route)) else {
            return Ok(None);
        };
        self.make_room();
        let returned = [Returned {
            sop_class: first.sop_class.clone(),
            encodings: encodings(Some(&first.transfer_syntax)),
        }];
        let opened = timeout(self.timeout, member.ask(&returned)).await;
        let opened = opened.map_err(|_| FetchError::Silent(self.timeout));
        let session = opened.and_then(|opened| opened.map_err(FetchError::Member));
        let session = session.inspect_err(|error| self.note_route(route, error))?;
        Ok(Some(WholeLine { session, place }))
    }

    /// How long nothing may come of a series that is read.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }

    /// Notes why a series did not come to its end, that has been read since then.
    ///
    /// A lost connection is left to those who ask for single instances: if the member is away they find it out at once.
    pub(crate) fn note_series(&self, began: Instant, error: &FetchError, came: usize) {
        match error {
            FetchError::Silent(_) | FetchError::Member(MemberError::Connect(_)) => {
                self.note_failure(began, error);
            }
            FetchError::Member(_) if came == 0 => {
                self.lock().one_by_one_until = Some(self.clock.now() + ONE_BY_ONE);
            }
            FetchError::Member(_)
            | FetchError::OutsideStudies
            | FetchError::Slow
            | FetchError::LeftAlone(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
