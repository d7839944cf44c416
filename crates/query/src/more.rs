//! Studies of which a member showed more than the catalogue knows, until they are looked up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_model::StudyUid;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::reader::Reader;

/// Studies that wait to be looked up: what a day's list shows at once. The next inventory finds what is beyond.
const WAITING_MAX: usize = 256;
/// Studies of which it is remembered what was shown: those of some hours.
const REMEMBERED_MAX: usize = 2_000;
/// What is shown again and was looked up is not looked up again within this: some members count what they do not give.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// What was shown and is not known; a leaf lock.
#[derive(Debug, Default)]
pub(crate) struct More {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<StudyUid>,
    shown: HashMap<StudyUid, (String, Instant)>,
}

impl More {
    /// A member showed this of a study.
    pub(crate) fn note(&self, study: StudyUid, shown: String, now: Instant) {
        let mut state = self.lock();
        let is_lately = |at: Instant| now.saturating_duration_since(at) < AGAIN_AFTER;
        if state.shown.get(&study).is_some_and(|(before, at)| *before == shown && is_lately(*at)) {
            return;
        }
        if state.shown.len() >= REMEMBERED_MAX {
            state.shown.retain(|_, (_, at)| is_lately(*at));
        }
        let is_waiting = state.waiting.contains(&study);
        let is_full = state.shown.len() >= REMEMBERED_MAX || state.waiting.len() >= WAITING_MAX;
        if is_full && !is_waiting {
            return;
        }
        state.shown.insert(study.clone(), (shown, now));
        if !is_waiting {
            state.waiting.push_back(study);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn next(&self) -> StudyUid {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(study) = self.lock().waiting.pop_front() {
                return study;
            }
            changed.await;
        }
    }

    fn take(&self, study: &StudyUid) -> Option<StudyUid> {
        let mut state = self.lock();
        let at = state.waiting.iter().position(|waiting| waiting == study)?;
        state.waiting.remove(at)
    }

    fn was_shown(&self, study: &StudyUid) -> bool {
        self.lock().shown.contains_key(study)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// The next study of which a member showed more than the catalogue knows; whoever is given it looks it up.
    pub async fn shown_more(&self) -> StudyUid {
        self.shared.more.next().await
    }

    /// Takes this study, if a member showed more of it than the catalogue knows, from those that wait to be looked up.
    pub fn take_shown_more(&self, study: &StudyUid) -> Option<StudyUid> {
        self.shared.more.take(study)
    }

    /// Whether a member showed more of this study than the catalogue knew then, as far as it is remembered.
    pub fn was_shown(&self, study: &StudyUid) -> bool {
        self.shared.more.was_shown(study)
    }
}
