//! What follows from an attempt: pure, so that every case is a row in a table.

use std::time::Duration;

use outrigger_model::{ConfirmLevel, SuspenseReason, WallTime};
use outrigger_runtime::backoff::Backoff;

/// Waiting after an object was refused for now: the member is there, so soon, and then ever more rarely.
const LATER: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(600) };

/// Attempts after which an object that keeps failing is set aside, if the member took others meanwhile: enough for a
/// member that is short of room for some minutes, few enough that a person hears of it within the hour.
const ATTEMPTS_BEFORE_SUSPENSE: u32 = 8;

/// Attempts after which an object is set aside on which the member drops the connection, as on all others, though it answers a
/// C-ECHO each time: by the waits between them three to five hours, in which an archive whose store is broken while it answers
/// is mended, or a person has long been called; yet no object is tried for ever that nobody hears of.
pub const LOSSES_BEFORE_SUSPENSE: u32 = 40;

/// How an attempt to store an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Stored.
    Stored,
    /// Refused, may be tried again.
    Later,
    /// Refused for good.
    ForGood,
    /// No context fits, and nothing it can become losslessly has one.
    NoContext,
    /// It may or may not have been stored.
    Unknown,
    /// Our bytes of it are damaged, and no other copy could be read.
    Damaged,
    /// Our bytes of it are gone or damaged, and one that may have another copy breaks off when it is to give it.
    Withheld,
    /// It cannot be encoded in a way the member takes.
    Undeliverable,
    /// Nothing was tried: the connection was lost before it.
    Untried,
}

/// Whether the member took other objects since this one was first tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It did, so the fault may lie in this object.
    Succeed,
    /// It did not, so the fault lies in the member.
    FailToo,
    /// It did not, and loses them all while it answers a C-ECHO: the fault lies in the member, or in each of them.
    AreLost,
}

/// What becomes of the posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The member has it, up to this level.
    Reached(ConfirmLevel),
    /// It is tried again then.
    RetryAt(WallTime),
    /// A person must look.
    Suspend(SuspenseReason),
    /// It stays as it was.
    GiveBack,
}

/// Decides what becomes of a posting after an attempt; `attempts` counts this one, from 1.
pub fn next(ending: Ending, attempts: u32, others: Others, now: WallTime, jitter: u8) -> Next {
    match ending {
        Ending::Stored => Next::Reached(ConfirmLevel::Accepted),
        Ending::ForGood => Next::Suspend(SuspenseReason::Refused),
        Ending::NoContext => Next::Suspend(SuspenseReason::NoContext),
        Ending::Damaged => Next::Suspend(SuspenseReason::Damaged),
        Ending::Undeliverable => Next::Suspend(SuspenseReason::Undeliverable),
        Ending::Untried => Next::GiveBack,
        Ending::Withheld if attempts >= LOSSES_BEFORE_SUSPENSE => Next::Suspend(SuspenseReason::Damaged),
        Ending::Later | Ending::Unknown
            if attempts >= ATTEMPTS_BEFORE_SUSPENSE && others == Others::Succeed =>
        {
            Next::Suspend(SuspenseReason::KeptFailing)
        }
        Ending::Later | Ending::Unknown
            if attempts >= LOSSES_BEFORE_SUSPENSE && others == Others::AreLost =>
        {
            Next::Suspend(SuspenseReason::KeptFailing)
        }
        Ending::Later | Ending::Unknown | Ending::Withheld => {
            Next::RetryAt(now.after(LATER.after(attempts, jitter)))
        }
    }
}

/// Decides what becomes of an open posting whose object the member accepted and shows, and refuses to give back; `attempts`
/// counts this one, from 1, and `again` is when it would be asked for next.
pub fn after_withholding(attempts: u32, others: Others, again: WallTime) -> Next {
    match others {
        Others::Succeed if attempts >= ATTEMPTS_BEFORE_SUSPENSE => Next::Suspend(SuspenseReason::KeptFailing),
        Others::Succeed | Others::FailToo | Others::AreLost => Next::RetryAt(again),
    }
}

/// Stores of one object after which its loss at a member needs a person: somebody or something there removes it.
const STORES_BEFORE_SUSPENSE: u32 = 3;

/// Decides what becomes of a posting that the member accepted and does not have; `stores` counts the times it was stored, from 1.
pub fn after_loss(stores: u32, now: WallTime, jitter: u8) -> Next {
    if stores >= STORES_BEFORE_SUSPENSE {
        return Next::Suspend(SuspenseReason::Lost);
    }
    Next::RetryAt(now.after(LATER.after(stores.max(1), jitter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_000_000);

    fn check(ending: Ending, attempts: u32, others: Others, expected: &Next) {
        assert_eq!(&next(ending, attempts, others, NOW, 255), expected, "{ending:?} {attempts} {others:?}");
    }

    #[test]
    fn every_ending_has_its_consequence() {
        let at = |seconds| Next::RetryAt(NOW.after(Duration::from_secs(seconds)));
        let suspend = Next::Suspend;
        check(Ending::Stored, 1, Others::FailToo, &Next::Reached(ConfirmLevel::Accepted));
        check(Ending::ForGood, 1, Others::Succeed, &suspend(SuspenseReason::Refused));
        check(Ending::NoContext, 1, Others::Succeed, &suspend(SuspenseReason::NoContext));
        check(Ending::Damaged, 1, Others::Succeed, &suspend(SuspenseReason::Damaged));
        check(Ending::Undeliverable, 1, Others::Succeed, &suspend(SuspenseReason::Undeliverable));
        check(Ending::Untried, 9, Others::Succeed, &Next::GiveBack);
        check(Ending::Later, 1, Others::Succeed, &at(2));
        check(Ending::Unknown, 2, Others::Succeed, &at(4));
        check(Ending::Later, 8, Others::Succeed, &suspend(SuspenseReason::KeptFailing));
        check(Ending::Unknown, 8, Others::Succeed, &suspend(SuspenseReason::KeptFailing));
    }

    #[test]
    fn the_ledger_holds_no_wait_to_be_of_a_wrong_clock() {
        assert!(LATER.longest <= outrigger_ledger::RETRY_WAIT_MAX);
        assert!(crate::confirm::worker::AGAIN.longest <= outrigger_ledger::RETRY_WAIT_MAX);
    }

    #[test]
    fn a_lost_object_is_stored_again_twice() {
        assert_eq!(after_loss(1, NOW, 255), Next::RetryAt(NOW.after(Duration::from_secs(2))));
        assert_eq!(after_loss(2, NOW, 255), Next::RetryAt(NOW.after(Duration::from_secs(4))));
        assert_eq!(after_loss(3, NOW, 255), Next::Suspend(SuspenseReason::Lost));
    }

    #[test]
    fn what_a_member_goes_on_withholding_needs_a_person_if_it_gives_others() {
        let again = Next::RetryAt(NOW);
        assert_eq!(after_withholding(7, Others::Succeed, NOW), again);
        assert_eq!(after_withholding(8, Others::Succeed, NOW), Next::Suspend(SuspenseReason::KeptFailing));
        assert_eq!(after_withholding(1_000_000, Others::FailToo, NOW), again);
    }

    #[test]
    fn a_member_that_takes_nothing_is_retried_for_ever_and_ever_more_rarely() {
        check(Ending::Later, 8, Others::FailToo, &Next::RetryAt(NOW.after(Duration::from_secs(256))));
        check(Ending::Later, 1_000_000, Others::FailToo, &Next::RetryAt(NOW.after(Duration::from_secs(600))));
        check(Ending::Unknown, 39, Others::AreLost, &Next::RetryAt(NOW.after(Duration::from_secs(600))));
        check(Ending::Unknown, 40, Others::AreLost, &Next::Suspend(SuspenseReason::KeptFailing));
    }

    #[test]
    fn what_another_member_withholds_is_waited_for_some_hours() {
        check(Ending::Withheld, 8, Others::Succeed, &Next::RetryAt(NOW.after(Duration::from_secs(256))));
        check(Ending::Withheld, 39, Others::FailToo, &Next::RetryAt(NOW.after(Duration::from_secs(600))));
        check(Ending::Withheld, 40, Others::FailToo, &Next::Suspend(SuspenseReason::Damaged));
    }
}
