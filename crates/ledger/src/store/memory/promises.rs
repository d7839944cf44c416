//! Requests for storage commitment, and whose bytes stay for them.

use outrigger_model::{MemberSet, Seq};

use super::Books;
use crate::changes::{Changes, Unpinned};
use crate::entry::Bytes;
use crate::store::Releasable;

impl Books {
    pub(super) fn write_promises(&mut self, changes: &Changes) {
        for promise in &changes.promises {
            self.promises.insert(promise.head.transaction.clone(), promise.clone());
        }
        for head in &changes.promise_heads {
            if let Some(promise) = self.promises.get_mut(&head.transaction) {
                promise.head = head.clone();
            }
        }
        for ended in &changes.promises_ended {
            self.promises.remove(ended);
        }
        self.pins.extend(changes.pinned.iter().cloned());
        for unpinned in &changes.unpinned {
            match unpinned {
                Unpinned::ByRequest { instance, transaction } => {
                    self.pins.remove(&(instance.clone(), transaction.clone()));
                }
                Unpinned::Released { instance } => self.pins.retain(|(pinned, _)| pinned != instance),
            }
        }
    }

    pub(super) fn early(&self, required: MemberSet, rule: &Releasable) -> impl Iterator<Item = Seq> {
        let verified = self
            .entries
            .values()
            .filter(|entry| entry.bytes == Bytes::Kept && !entry.marks.verified.is_empty());
        let free = verified.filter(move |entry| {
            rule.required_have_it(required, entry)
                || !self.pins.iter().any(|(instance, _)| *instance == entry.header.sop_instance)
        });
        free.map(|entry| entry.seq)
    }
}
