//! What follows in the books from requests for storage commitment.

use outrigger_model::{Seq, SopInstanceUid, TransactionUid, WallTime};

use crate::applier::desk::Desk;
use crate::changes::Unpinned;
use crate::entry::Bytes;
use crate::promise::{Asked, Failing, Promise, PromiseHead, each};
use crate::store::StoreError;

/// Takes a request; of two under one transaction the first counts.
pub(super) fn asked(desk: &mut Desk<'_>, at: WallTime, asked: &Asked) -> Result<(), StoreError> {
    // A request of the same batch is to be seen.
    desk.flush()?;
    let transaction = &asked.transaction;
    if desk.reads().promise(transaction)?.is_some() {
        return Ok(());
    }
    let head = PromiseHead {
        transaction: transaction.clone(),
        requestor: asked.requestor.clone(),
        at,
        decided_at: None,
        attempts: 0,
        not_before: WallTime(0),
    };
    desk.changes.promises.push(Promise { head, asked: asked.clone(), failed: Vec::new() });
    desk.changes.pinned.extend(asked.each().map(|(_, instance)| (instance.clone(), transaction.clone())));
    desk.flush()
}

/// Notes the result; the bytes of what was promised stay, as far as they are here.
pub(super) fn decided(
    desk: &mut Desk<'_>,
    at: WallTime,
    transaction: &TransactionUid,
    failed: &[Failing],
) -> Result<(), StoreError> {
    desk.flush()?;
    let Some(mut promise) = desk.reads().promise(transaction)? else { return Ok(()) };
    promise.head.decided_at = Some(at);
    promise.failed = failed.to_vec();
    let mut free: Vec<SopInstanceUid> = failed
        .iter()
        .flat_map(|failing| each(std::slice::from_ref(&failing.of)))
        .map(|(_, of)| of.clone())
        .collect();
    for (_, instance) in promise.committed() {
        if !is_kept(desk, instance)? {
            free.push(instance.clone());
        }
    }
    let unpinned =
        free.into_iter().map(|instance| Unpinned::ByRequest { instance, transaction: transaction.clone() });
    desk.changes.unpinned.extend(unpinned);
    desk.changes.promises.push(promise);
    desk.flush()
}

/// Whether the journal has bytes of an instance.
fn is_kept(desk: &mut Desk<'_>, instance: &SopInstanceUid) -> Result<bool, StoreError> {
    let Some(located) = desk.reads().lookup(instance)? else { return Ok(false) };
    for version in located.versions() {
        if desk.reads().entry(Seq(version.place))?.is_some_and(|row| row.bytes == Bytes::Kept) {
            return Ok(true);
        }
    }
    Ok(false)
}
