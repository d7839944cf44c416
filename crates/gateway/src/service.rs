//! The service behind the front door of a pair.

use std::sync::Arc;

use async_trait::async_trait;
use outrigger_audit::inventory::Lookup;
use outrigger_front::{
    Accepts, Arrival, CommitRefusal, CommitRequest, Committing, FindRefusal, Opened, RefusalKind,
    Retrievable, Service, StoreRefusal, Stored, StudyPatient,
};
use outrigger_ledger::{AcceptError, Acceptance, Accepted, Ledger};
use outrigger_model::{
    Answer, Query, Requestor, Selection, SopClassUid, StudyUid, TransactionUid, sop_class,
};
use outrigger_query::{Reader, Retrieval};
use outrigger_runtime::Spool;
use tokio::sync::mpsc;

use crate::commit;
use crate::plan;
use crate::retrieve;
use crate::syntaxes::{self, Undeliverable};

/// What a gateway is made of.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The ledger.
    pub ledger: Ledger,
    /// Where large objects stream to: the journal's spool directory.
    pub spool: Spool,
    /// Who answers queries and gives instances.
    pub reader: Reader,
    /// Who looks studies up at the members that a retrieval names and the catalogue does not know; `None` where members are not asked.
    pub lookup: Option<Lookup>,
    /// What becomes of encodings that no member is known to take.
    pub undeliverable: Undeliverable,
}

/// The service behind the front door of a pair.
#[derive(Debug, Clone)]
pub struct Gateway {
    options: GatewayOptions,
    /// What it is for, where it serves one retrieval.
    retrieval: Option<Arc<Retrieval>>,
}

impl Gateway {
    /// A gateway over a ledger.
    pub fn new(options: GatewayOptions) -> Self {
        Self { options, retrieval: None }
    }
}

#[async_trait]
impl Service for Gateway {
    fn accepts(&self) -> Accepts {
        Accepts {
            preferred: syntaxes::preferred(),
            others: self.options.undeliverable.into(),
            services: SERVICES.map(SopClassUid::known).to_vec(),
        }
    }

    fn spool(&self) -> Spool {
        self.options.spool.clone()
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        let acceptance = Acceptance {
            header: arrival.header,
            oddities: arrival.oddities,
            transfer_syntax: arrival.transfer_syntax,
            body: arrival.body,
            origin: arrival.origin,
        };
        match self.options.ledger.accept(acceptance).await {
            Ok(Accepted::New { .. } | Accepted::Renewed { .. } | Accepted::Unresolved { .. }) => {
                Ok(Stored::New)
            }
            Ok(Accepted::Repeated { .. }) => Ok(Stored::Repeated),
            Ok(Accepted::NewVersion { .. }) => Ok(Stored::NewVersion),
            Err(error) => Err(refusal(error)),
        }
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        Ok(retrieve::find(&self.options.reader, query))
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        plan::plan(&self.options.reader, self.options.lookup.as_ref(), selection).await
    }

    async fn unlisted(&self, selection: &Selection, planned: &[Retrievable]) -> Result<u64, FindRefusal> {
        plan::unlisted(&self.options.ledger, selection, planned).await
    }

    async fn patient_of(&self, study: &StudyUid) -> Option<StudyPatient> {
        retrieve::patient_of(&self.options.ledger, study).await
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        retrieve::open(&self.options.reader, self.retrieval.as_deref(), instance).await
    }

    fn retrieving(&self, instances: &[Retrievable]) -> Option<Arc<dyn Service>> {
        let retrieval = retrieve::retrieval(&self.options.reader, instances)?;
        Some(Arc::new(Self { options: self.options.clone(), retrieval: Some(Arc::new(retrieval)) }))
    }

    async fn open_elsewhere(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        retrieve::open_elsewhere(&self.options.reader, self.retrieval.as_deref(), instance).await
    }

    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        commit::keep(&self.options.ledger, request).await
    }

    async fn commitment(
        &self,
        requestor: &Requestor,
        transaction: &TransactionUid,
    ) -> Result<Option<Committing>, CommitRefusal> {
        commit::stands(&self.options.ledger, requestor, transaction).await
    }
}

/// What is served beside storage: queries and retrievals of both models (PS3.4 section C.6), storage commitment (Annex J).
const SERVICES: [&str; 7] = [
    sop_class::PATIENT_ROOT_FIND,
    sop_class::PATIENT_ROOT_MOVE,
    sop_class::PATIENT_ROOT_GET,
    sop_class::STUDY_ROOT_FIND,
    sop_class::STUDY_ROOT_MOVE,
    sop_class::STUDY_ROOT_GET,
    sop_class::STORAGE_COMMITMENT_PUSH,
];

fn refusal(error: AcceptError) -> StoreRefusal {
    let kind = match &error {
        AcceptError::NotNow { .. } => RefusalKind::OutOfResources,
        AcceptError::Failed { .. } => RefusalKind::Failed,
    };
    match error {
        // The log is to say at once that the journal is full; the peer is told in other words.
        AcceptError::NotNow { source } => {
            let text = format!("the object cannot be stored now: {source}");
            StoreRefusal { kind, text, source: None }
        }
        AcceptError::Failed { .. } => {
            StoreRefusal { kind, text: error.to_string(), source: Some(Box::new(error)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_that_the_journal_is_full() {
        let refusal = refusal(AcceptError::NotNow { source: outrigger_journal::AppendError::Full });
        assert_eq!(refusal.kind, RefusalKind::OutOfResources);
        assert!(refusal.text.contains("the journal is full"), "{}", refusal.text);
    }
}
