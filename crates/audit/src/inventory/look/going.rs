//! Studies that are being looked up, and those that were a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_model::StudyUid;
use outrigger_runtime::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::looked::Looked;

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
    under_way: HashMap<StudyUid, watch::Receiver<Looked>>,
    ended: HashMap<StudyUid, (Instant, Looked)>,
}

/// A look-up, until this is dropped.
pub(super) struct UnderWay<'g> {
    going: &'g Going,
    study: StudyUid,
    looked: watch::Sender<Looked>,
}

/// The end of somebody else's look-up.
pub(super) struct Ended(watch::Receiver<Looked>);

impl Ended {
    /// Who was heard; it ends when whoever looks it up is done, or gone.
    pub(super) async fn wait(mut self) -> Looked {
        while self.0.changed().await.is_ok() {}
        self.0.borrow().clone()
    }
}

impl UnderWay<'_> {
    /// It is done, and these were heard.
    pub(super) fn done(self, looked: Looked) -> Looked {
        self.looked.send_replace(looked.clone());
        looked
    }
}

impl Going {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// Begins a look-up, or gives the end of the one that is under way; if it is given up, this is who was heard.
    pub(super) fn begin(&self, study: &StudyUid, given_up: Looked) -> Result<UnderWay<'_>, Ended> {
        let mut state = self.lock();
        if let Some(ended) = state.under_way.get(study) {
            return Err(Ended(ended.clone()));
        }
        let (looked, ended) = watch::channel(given_up);
        state.under_way.insert(study.clone(), ended);
        Ok(UnderWay { going: self, study: study.clone(), looked })
    }

    pub(super) fn under_way(&self, study: &StudyUid) -> Option<Ended> {
        self.lock().under_way.get(study).cloned().map(Ended)
    }

    /// Who was heard of it, if it was looked up a moment ago.
    pub(super) fn lately(&self, study: &StudyUid) -> Option<Looked> {
        let now = self.clock.now();
        let state = self.lock();
        let (ended, looked) = state.ended.get(study)?;
        (now.saturating_duration_since(*ended) < LATELY).then(|| looked.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let (now, looked) = (self.going.clock.now(), self.looked.borrow().clone());
        let mut state = self.going.lock();
        state.under_way.remove(&self.study);
        if state.ended.len() >= REMEMBERED_MAX {
            state.ended.retain(|_, (ended, _)| now.saturating_duration_since(*ended) < LATELY);
        }
        if state.ended.len() < REMEMBERED_MAX {
            state.ended.insert(self.study.clone(), (now, looked));
        }
    }
}
