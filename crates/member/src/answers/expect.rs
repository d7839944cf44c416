//! Objects that members were asked to send us, by SOP Instance UID.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_model::{AeTitle, SopInstanceUid, TransferSyntaxUid};
use outrigger_runtime::Body;
use tokio::sync::oneshot;

use crate::arrived::Arrived;

/// An object as it came.
type Object = (TransferSyntaxUid, Body);

/// Who asked for a C-MOVE: Move Originator AE Title (0000,1030) and Message ID (0000,1031).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveOriginator {
    /// The AE title that asked.
    pub ae_title: AeTitle,
    /// The message id of the C-MOVE-RQ.
    pub message_id: u16,
}

/// What is awaited; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    // A lock on a leaf map, held for a look-up and never across an await.
    awaited: Arc<Mutex<HashMap<SopInstanceUid, Vec<Awaited>>>>,
    last: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Awaited {
    number: u64,
    originator: MoveOriginator,
    arrived: Arrived,
    arrival: oneshot::Sender<Object>,
}

/// The waiting side; nothing is expected any more when it is dropped.
#[derive(Debug)]
pub struct Expectation {
    expectations: Expectations,
    instance: SopInstanceUid,
    number: u64,
    arrival: oneshot::Receiver<Object>,
}

/// The right to deliver one object that is awaited.
#[derive(Debug)]
pub(super) struct Claim {
    instance: SopInstanceUid,
    awaited: Awaited,
    expectations: Expectations,
}

impl Expectations {
    /// Awaits an instance; what comes of it is counted by `arrived`.
    pub fn expect(
        &self,
        instance: &SopInstanceUid,
        originator: MoveOriginator,
        arrived: Arrived,
    ) -> Expectation {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, arrival) = oneshot::channel();
        let awaited = Awaited { number, originator, arrived, arrival: sender };
        self.awaited().entry(instance.clone()).or_default().push(awaited);
        Expectation { expectations: self.clone(), instance: instance.clone(), number, arrival }
    }

    /// Claims whoever awaits the instance: the one that the originator names, or the first; archives leave the
    /// originator out or set it to something else.
    pub(super) fn claim(
        &self,
        instance: &SopInstanceUid,
        originator: Option<&MoveOriginator>,
    ) -> Option<Claim> {
        let mut all = self.awaited();
        let waiting = all.get_mut(instance)?;
        let named = waiting.iter().position(|awaited| originator == Some(&awaited.originator));
        let place = named.unwrap_or(0);
        let awaited = (place < waiting.len()).then(|| waiting.remove(place))?;
        if waiting.is_empty() {
            all.remove(instance);
        }
        Some(Claim { instance: instance.clone(), awaited, expectations: self.clone() })
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<SopInstanceUid, Vec<Awaited>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expectation {
    /// The object, when it comes; `None` if it came and could not be taken in.
    pub async fn arrival(&mut self) -> Option<(TransferSyntaxUid, Body)> {
        (&mut self.arrival).await.ok()
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        let mut all = self.expectations.awaited();
        if let Some(waiting) = all.get_mut(&self.instance) {
            waiting.retain(|awaited| awaited.number != self.number);
            if waiting.is_empty() {
                all.remove(&self.instance);
            }
        }
    }
}

impl Claim {
    /// Counts what comes of the object.
    pub(super) fn arrived(&self) -> &Arrived {
        &self.awaited.arrived
    }

    /// Hands the object over; `Err` if nobody waits any more.
    pub(super) fn deliver(self, object: Object) -> Result<(), Gone> {
        self.awaited.arrival.send(object).map_err(|_| Gone)
    }

    /// Puts the expectation back: what came was not the object.
    pub(super) fn give_back(self) {
        self.expectations.awaited().entry(self.instance).or_default().push(self.awaited);
    }
}

/// Nobody waits any more.
#[derive(Debug)]
pub(super) struct Gone;

#[cfg(test)]
mod tests {
    use outrigger_runtime::Content;

    use super::*;

    fn originator(message_id: u16) -> MoveOriginator {
        MoveOriginator { ae_title: AeTitle::new("OUTRIGGER_M").unwrap(), message_id }
    }

    fn object(length: u64) -> Object {
        let body = Body { length, sha256: [0; 32], block_crcs: Vec::new(), content: Content::Memory(vec![]) };
        (TransferSyntaxUid::known("1.2"), body)
    }

    #[tokio::test]
    async fn the_originator_decides_and_the_first_else() {
        let expectations = Expectations::default();
        let instance = SopInstanceUid::known("1.2.3");
        let mut first = expectations.expect(&instance, originator(1), Arrived::default());
        let mut second = expectations.expect(&instance, originator(2), Arrived::default());
        for (named, length) in [(2, 22), (9, 11)] {
            let claim = expectations.claim(&instance, Some(&originator(named))).unwrap();
            claim.deliver(object(length)).unwrap();
        }
        assert_eq!(first.arrival().await.unwrap().1.length, 11);
        assert_eq!(second.arrival().await.unwrap().1.length, 22);
        assert!(expectations.claim(&instance, None).is_none());
    }

    #[tokio::test]
    async fn nothing_is_left_of_what_nobody_awaits() {
        let expectations = Expectations::default();
        let (one, other) = (SopInstanceUid::known("1.2.3"), SopInstanceUid::known("1.2.4"));
        let expected = expectations.expect(&one, originator(1), Arrived::default());
        assert!(expectations.claim(&other, None).is_none());
        expectations.claim(&one, None).unwrap().give_back();
        let claim = expectations.claim(&one, None).unwrap();
        drop(expected);
        assert!(claim.deliver(object(1)).is_err());
        drop(expectations.expect(&one, originator(1), Arrived::default()));
        assert!(expectations.awaited().is_empty());
    }
}
