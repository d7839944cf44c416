//! Members that are there and slow before the first byte of an object, as archives are that fetch it from tape first: they are asked
//! again when nobody else gives it, and waited for as long as their own time-out says.

use std::time::Duration;

use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::Body;
use tokio::time::{Instant, timeout};

use super::moving::Patience;
use super::{FetchError, LEFT_ALONE, Lines, Turn, is_of_member};
use crate::plan::Planned;

/// Longest wait for a first byte, beyond any archive's way from its tapes; the `response_timeout` of the route ends it before.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(600);
/// How long a member is not waited for again that was there and gave nothing all the same: 2,000 instances would each wait for it.
const IN_VAIN: Duration = Duration::from_secs(600);

/// How a member was before the first byte of what it gave last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pace {
    #[default]
    Usual,
    /// It took longer than the time-out, or is being waited for: others are asked first.
    Slow,
    /// It was waited for in vain then, and is not until a time.
    InVain { since: Instant, until: Instant },
}

impl Lines {
    /// Reads an instance from the member, however long its first byte takes; nobody else gives it. A member that does not even say
    /// that it is there is not waited for.
    pub(crate) async fn fetch_patiently(
        &self,
        instance: &Planned,
    ) -> Result<(TransferSyntaxUid, Body), FetchError> {
        self.is_waited_for()?;
        if !self.is_there().await {
            let was_slow = self.lock().pace == Pace::Slow;
            self.waited_in_vain(LEFT_ALONE);
            if was_slow {
                // It was not asked for this one yet.
                return self.fetch(instance, Turn::LastResort(self.clock.now())).await;
            }
            return Err(FetchError::Silent(self.timeout));
        }
        self.lock().pace = Pace::Slow;
        let Ok(_waiting) = (match self.patient.try_acquire() {
            Ok(place) => Ok(place),
            Err(_) => match self.fetch_at_once(instance).await {
                Err(FetchError::Silent(_)) => self.patient.acquire().await,
                answered => return answered,
            },
        }) else {
            return Err(FetchError::Silent(self.timeout));
        };
        // Never closed, so that the only failure is none.
        let Ok(_place) = self.places.acquire().await else { return Err(FetchError::Silent(self.timeout)) };
        // Those who had the places before may have waited in vain.
        self.is_waited_for()?;
        let began = self.clock.now();
        let mut patience = Patience::for_first_byte(began, self.timeout, FIRST_BYTE_MAX);
        let fetched = self.fetch_within(&mut patience, instance).await;
        match &fetched {
            Err(error) if is_of_member(error) => {
                self.waited_in_vain(IN_VAIN);
                self.note_failure(began, error);
            }
            answered => {
                self.note_answered(answered.is_ok());
                self.lock().pace = if patience.was_slow() { Pace::Slow } else { Pace::Usual };
            }
        }
        fetched
    }

    /// Reads an instance while others are waited for long: it may be at hand all the same.
    async fn fetch_at_once(&self, instance: &Planned) -> Result<(TransferSyntaxUid, Body), FetchError> {
        let Ok(_place) = self.places.acquire().await else { return Err(FetchError::Silent(self.timeout)) };
        let mut patience = Patience::from(self.clock.now(), self.timeout, instance.length);
        self.fetch_within(&mut patience, instance).await
    }

    fn is_waited_for(&self) -> Result<(), FetchError> {
        let now = self.clock.now();
        match self.lock().pace {
            Pace::InVain { since, until } if now < until => {
                Err(FetchError::LeftAlone(now.saturating_duration_since(since)))
            }
            Pace::InVain { .. } | Pace::Usual | Pace::Slow => Ok(()),
        }
    }

    fn waited_in_vain(&self, time: Duration) {
        let since = self.clock.now();
        self.lock().pace = Pace::InVain { since, until: since + time };
    }

    async fn is_there(&self) -> bool {
        for route in &self.source.routes {
            if matches!(timeout(self.timeout, route.health()).await, Ok(Ok(()))) {
                return true;
            }
        }
        false
    }
}
