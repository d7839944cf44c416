//! What is accepted and not yet applied, by SOP Instance UID, and which UIDs are being accepted this moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_model::{Seq, Sha256Digest, SopInstanceUid};
use tokio::sync::oneshot;

/// Entries held while the applier is behind: some 20 MB. Beyond that the oldest are forgotten, and what they would have told is settled by the applier.
const TAIL_MAX: usize = 65_536;

/// What is accepted and not yet applied.
#[derive(Debug)]
pub(crate) struct Tail {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    by_uid: HashMap<SopInstanceUid, Vec<(Seq, Sha256Digest)>>,
    in_order: BTreeMap<Seq, SopInstanceUid>,
    /// Everything accepted behind this is either applied or held.
    complete_after: Seq,
    applied: Seq,
}

/// What is known of a SOP Instance UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// It is new.
    Nothing,
    /// The same bytes stand under this entry.
    Same(Seq),
    /// Only other bytes came, last under this entry.
    Other(Seq),
    /// It may have come before.
    Unknown,
}

impl Tail {
    /// Knows nothing of what stands in the journal between `applied` and `accepted`.
    pub(crate) fn new(applied: Seq, accepted: Seq) -> Self {
        let known =
            Known { by_uid: HashMap::new(), in_order: BTreeMap::new(), complete_after: accepted, applied };
        Self { known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is complete before anything can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of `instance` from what is held.
    pub(crate) fn find(&self, instance: &SopInstanceUid, sha256: &Sha256Digest) -> Earlier {
        let known = self.known();
        let held = known.by_uid.get(instance).map_or(&[][..], Vec::as_slice);
        // The newest: it may have come because one before it is damaged.
        let same = held.iter().rfind(|(_, digest)| digest == sha256).map(|(seq, _)| Earlier::Same(*seq));
        let complete = known.applied >= known.complete_after;
        let other = match held.last() {
            _ if !complete => Earlier::Unknown,
            Some((seq, _)) => Earlier::Other(*seq),
            None => Earlier::Nothing,
        };
        same.unwrap_or(other)
    }

    /// An entry is on stable storage.
    pub(crate) fn accepted(&self, seq: Seq, instance: &SopInstanceUid, sha256: Sha256Digest) {
        let mut known = self.known();
        if seq <= known.applied {
            return;
        }
        known.by_uid.entry(instance.clone()).or_default().push((seq, sha256));
        known.in_order.insert(seq, instance.clone());
        if known.in_order.len() > TAIL_MAX
            && let Some((oldest, uid)) = known.in_order.pop_first()
        {
            known.forget(oldest, &uid);
            known.complete_after = known.complete_after.max(oldest);
        }
    }

    /// Everything up to `seq` is in the database now.
    pub(crate) fn applied(&self, seq: Seq) {
        let mut known = self.known();
        known.applied = known.applied.max(seq);
        let rest = known.in_order.split_off(&Seq(seq.0.saturating_add(1)));
        for (held, uid) in std::mem::replace(&mut known.in_order, rest) {
            known.forget(held, &uid);
        }
    }
}

impl Known {
    fn forget(&mut self, seq: Seq, instance: &SopInstanceUid) {
        if let Some(held) = self.by_uid.get_mut(instance) {
            held.retain(|(other, _)| *other != seq);
            if held.is_empty() {
                self.by_uid.remove(instance);
            }
        }
    }
}

/// SOP Instance UIDs that are being accepted this moment: one acceptance at a time for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accepting {
    waiting: Arc<Mutex<HashMap<SopInstanceUid, Vec<oneshot::Sender<()>>>>>,
}

/// The turn of one acceptance; the next may begin when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    accepting: Accepting,
    instance: SopInstanceUid,
}

impl Accepting {
    /// Waits until nobody else accepts `instance`.
    pub(crate) async fn turn(&self, instance: &SopInstanceUid) -> Turn {
        loop {
            let next = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                match waiting.get_mut(instance) {
                    None => {
                        waiting.insert(instance.clone(), Vec::new());
                        return Turn { accepting: self.clone(), instance: instance.clone() };
                    }
                    Some(others) => {
                        let (ended, end) = oneshot::channel();
                        others.push(ended);
                        end
                    }
                }
            };
            // Whether it is told or merely dropped, the other acceptance has ended.
            if let Err(dropped) = next.await {
                tracing::trace!(%dropped, "an acceptance of the same instance ended");
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.accepting.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropping the senders wakes those who wait.
        waiting.remove(&self.instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "1.2.3";

    fn uid() -> SopInstanceUid {
        SopInstanceUid::known(UID)
    }

    fn digest(byte: u8) -> Sha256Digest {
        Sha256Digest([byte; 32])
    }

    #[test]
    fn what_stood_unapplied_at_the_start_is_unknown_until_it_is_applied() {
        let tail = Tail::new(Seq(3), Seq(5));
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Unknown);
        tail.accepted(Seq(6), &uid(), digest(1));
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Same(Seq(6)));
        assert_eq!(tail.find(&uid(), &digest(2)), Earlier::Unknown);
        tail.applied(Seq(5));
        assert_eq!(tail.find(&uid(), &digest(2)), Earlier::Other(Seq(6)));
        tail.applied(Seq(6));
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Nothing);
    }

    #[test]
    fn an_entry_applied_before_its_receipt_came_is_not_held() {
        let tail = Tail::new(Seq(0), Seq(0));
        tail.applied(Seq(1));
        tail.accepted(Seq(1), &uid(), digest(1));
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Nothing);
    }

    #[test]
    fn what_is_forgotten_makes_the_answer_unknown() {
        let tail = Tail::new(Seq(0), Seq(0));
        for seq in 1..=TAIL_MAX as u64 + 1 {
            tail.accepted(Seq(seq), &SopInstanceUid::new(&format!("1.{seq}")).unwrap(), digest(1));
        }
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Unknown);
        tail.applied(Seq(1));
        assert_eq!(tail.find(&uid(), &digest(1)), Earlier::Nothing);
    }

    #[tokio::test]
    async fn one_acceptance_of_an_instance_at_a_time() {
        let accepting = Accepting::default();
        let first = accepting.turn(&uid()).await;
        let other = accepting.turn(&SopInstanceUid::known("1.2.4")).await;
        let waiting = tokio::spawn({
            let accepting = accepting.clone();
            async move { drop(accepting.turn(&uid()).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(other);
        assert!(accepting.waiting.lock().unwrap().is_empty());
    }
}
