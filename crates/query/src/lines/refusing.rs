//! Members that are there and give none of what they are asked for, as an archive whose files are gone while its index shows them: they
//! are asked after the others, as those that do not answer.

use outrigger_member::MemberError;
use tokio::time::Instant;

use super::{Failing, FetchError, Lines, State};

/// Refusals in a row after which a member counts as giving nothing. Fewer are single objects that it has lost; more would have each
/// retrieval wait for as many again, of a member that takes seconds for each.
pub(super) const REFUSALS_MAX: u32 = 5;

/// Objects in a row that a member has by the books and did not give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusals {
    pub(super) count: u32,
    /// When it began.
    first: Instant,
}

impl Lines {
    /// Notes that the member gave an object: it gives them, whatever it refused before.
    pub(crate) fn note_given(&self) {
        let mut state = self.lock();
        if state.is_refusing() {
            state.failing = None;
        }
        state.refusals = None;
    }

    /// Notes that the member did not give an object that it has by the books.
    pub(crate) fn note_refused(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        let before = state.refusals.unwrap_or(Refusals { count: 0, first: now });
        let refusals = Refusals { count: before.count.saturating_add(1), ..before };
        state.refusals = Some(refusals);
        match &mut state.failing {
            // It failed, and has given nothing since.
            Some(failing) => (failing.since, failing.failed_at) = (now, now),
            None if refusals.count >= REFUSALS_MAX => {
                let (fell_at, silences) = (refusals.first, 0);
                state.failing = Some(Failing { since: now, failed_at: now, fell_at, silences });
            }
            None => {}
        }
    }

    /// Notes what an answer says of the member, whatever is in it: it is there. Only an object ends that it gives nothing; what it
    /// refuses says no more than that asking it costs no time-out.
    pub(super) fn note_answered(&self, is_given: bool) {
        let mut state = self.lock();
        let is_refusing = state.is_refusing();
        match &mut state.failing {
            Some(failing) if is_refusing || !is_given => failing.silences = 0,
            failing => *failing = None,
        }
    }
}

impl State {
    fn is_refusing(&self) -> bool {
        self.refusals.is_some_and(|refusals| refusals.count >= REFUSALS_MAX)
    }
}

impl FetchError {
    /// Whether the member answered, and does not give what it was asked for.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Member(error) => match error {
                MemberError::NoContext { .. }
                | MemberError::NotFound
                | MemberError::OtherClass { .. }
                | MemberError::Refused { .. }
                | MemberError::Unable { .. }
                | MemberError::Http(_) => true,
                MemberError::Connect(_)
                | MemberError::Lost { .. }
                | MemberError::Source(_)
                | MemberError::OutsideStudies => false,
            },
            Self::OutsideStudies | Self::Silent(_) | Self::Slow | Self::LeftAlone(_) => false,
        }
    }
}
