//! What C-GET and C-MOVE share: the plan before, the last words after.

use bytes::Bytes;
use outrigger_dataset::identifier::{read_selection, write_failed};
use outrigger_dimse::{Outcome, SubOperations};
use outrigger_model::{AeTitle, QueryRoot};

use super::association::Session;
use super::identifier::{self, Identifier};
use super::sub_operation::{Finish, Progress};
use crate::audit::AuditEvent;
use crate::service::Retrievable;

/// How a retrieval went.
pub(super) struct Retrieval {
    pub(super) progress: Progress,
    pub(super) finish: Finish,
    /// Where the instances went, if not back over the association.
    pub(super) destination: Option<AeTitle>,
}

/// The instances asked for, each once, or what to answer.
pub(super) async fn plan(
    session: &Session,
    root: QueryRoot,
    asked: &Identifier,
) -> Result<Vec<Retrievable>, Outcome> {
    let selection =
        read_selection(root, asked.form, &asked.bytes).map_err(|error| identifier::not_understood(&error))?;
    session.door.front.service.plan(selection).await.map_err(|refusal| identifier::refused(&refusal))
}

/// The final status and counters, and the list of what was not delivered; the audit trail is told.
pub(super) async fn last_words(
    session: &Session,
    asked: &Identifier,
    end: Retrieval,
) -> ((Outcome, SubOperations), Option<Bytes>) {
    let Retrieval { mut progress, finish, destination } = end;
    let status = progress.status(finish);
    let counters = progress.counters(status);
    tracing::info!(%status, completed = ?counters.completed, failed = ?counters.failed, "retrieval ended");
    metrics::counter!("outrigger_retrievals_total", "status" => status.to_string()).increment(1);
    let classes = std::mem::take(&mut progress.sent);
    if !classes.is_empty() {
        let (party, identifier) = (session.party.clone(), asked.bytes.clone());
        session.door.front.audit.put(AuditEvent::Retrieved { party, destination, classes, identifier }).await;
    }
    let failed = progress.failed();
    let list = (!failed.is_empty()).then(|| write_failed(asked.form, failed).into());
    ((Outcome::of(status), counters), list)
}
