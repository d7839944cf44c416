//! What C-GET and C-MOVE share: the plan before, the last words after.

use bytes::Bytes;
use outrigger_dataset::identifier::{read_selection, write_failed};
use outrigger_dimse::{Outcome, SubOperations};
use outrigger_model::{AeTitle, QueryRoot};

use super::association::Session;
use super::identifier::{self, Identifier};
use super::sub_operation::{Finish, Progress};
use crate::service::Retrievable;

/// The instances asked for, each once, with what is counted before any is sent; or what to answer.
pub(super) async fn plan(
    session: &Session,
    root: QueryRoot,
    asked: &Identifier,
) -> Result<(Vec<Retrievable>, Progress), Outcome> {
    let selection =
        read_selection(root, asked.form, &asked.bytes).map_err(|error| identifier::not_understood(&error))?;
    let service = &session.door.front.service;
    let refused = |refusal| identifier::refused(&refusal);
    let planned = service.plan(selection.clone()).await.map_err(refused)?;
    let unlisted = service.unlisted(&selection, &planned).await.map_err(refused)?;
    let progress = Progress::new(planned.len(), unlisted);
    Ok((planned, progress))
}

/// Tells the audit trail what was given out, however the retrieval ended.
pub(super) async fn audit(session: &Session, progress: &mut Progress, destination: Option<&AeTitle>) {
    let front = &session.door.front;
    let sent = std::mem::take(&mut progress.sent);
    sent.tell(&*front.service, &front.audit, (&session.party, destination)).await;
}

/// The final status and counters, and the list of what was not delivered.
pub(super) fn last_words(
    asked: &Identifier,
    progress: &Progress,
    finish: Finish,
) -> ((Outcome, SubOperations), Option<Bytes>) {
    let status = progress.status(finish);
    let counters = progress.counters(status);
    tracing::info!(%status, completed = ?counters.completed, failed = ?counters.failed, "retrieval ended");
    metrics::counter!("outrigger_retrievals_total", "status" => status.to_string()).increment(1);
    let failed = progress.failed();
    let list = (!failed.is_empty()).then(|| write_failed(asked.form, failed).into());
    let outcome = Outcome { error_comment: progress.comment(), ..Outcome::of(status) };
    ((outcome, counters), list)
}
