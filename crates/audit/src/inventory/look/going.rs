//! Studies that are being looked up, and those that were a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_model::StudyUid;
use outrigger_runtime::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

/// A study of which something is known is not looked up again within this, so that whoever asks for what nobody has does not keep
/// the members listing it.
const LATELY: Duration = Duration::from_secs(5);
/// Studies remembered as looked up a moment ago: more than can be within that time.
const REMEMBERED_MAX: usize = 1_000;

/// A leaf lock, and time.
#[derive(Debug)]
pub(super) struct Going {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashMap<StudyUid, watch::Receiver<()>>,
    ended: HashMap<StudyUid, Instant>,
}

/// A look-up, until this is dropped.
pub(super) struct UnderWay<'g> {
    going: &'g Going,
    study: StudyUid,
    _ended: watch::Sender<()>,
}

/// The end of somebody else's look-up.
pub(super) struct Ended(watch::Receiver<()>);

impl Ended {
    pub(super) async fn wait(mut self) {
        // Nothing is ever sent: it ends when whoever looks it up is done, or gone.
        while self.0.changed().await.is_ok() {}
    }
}

impl Going {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// Begins a look-up, or gives the end of the one that is under way.
    pub(super) fn begin(&self, study: &StudyUid) -> Result<UnderWay<'_>, Ended> {
        let mut state = self.lock();
        if let Some(ended) = state.under_way.get(study) {
            return Err(Ended(ended.clone()));
        }
        let (sender, ended) = watch::channel(());
        state.under_way.insert(study.clone(), ended);
        Ok(UnderWay { going: self, study: study.clone(), _ended: sender })
    }

    pub(super) fn under_way(&self, study: &StudyUid) -> Option<Ended> {
        self.lock().under_way.get(study).cloned().map(Ended)
    }

    /// Whether it was looked up a moment ago, or is being.
    pub(super) fn was_lately(&self, study: &StudyUid) -> bool {
        let now = self.clock.now();
        let state = self.lock();
        let ended = state.ended.get(study);
        state.under_way.contains_key(study)
            || ended.is_some_and(|ended| now.saturating_duration_since(*ended) < LATELY)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = self.going.clock.now();
        let mut state = self.going.lock();
        state.under_way.remove(&self.study);
        if state.ended.len() >= REMEMBERED_MAX {
            state.ended.retain(|_, ended| now.saturating_duration_since(*ended) < LATELY);
        }
        if state.ended.len() < REMEMBERED_MAX {
            state.ended.insert(self.study.clone(), now);
        }
    }
}
