//! A member spoken to over Orthanc's own REST interface, for servers without DIMSE and without the DICOMweb plugin.

mod ask;
mod attributes;
mod fetch;
mod find;
mod store;

use std::collections::BTreeSet;

use async_trait::async_trait;
use hyper::StatusCode;
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, TransactionUid};
use outrigger_runtime::Spool;
use serde::de::DeserializeOwned;

use crate::contract::{
    Ability, AskSession, CommitAnswer, Denial, Member, MemberError, Need, Returned, StoreSession,
};
use crate::http::{Answer, Ask, Client, Connection};

/// What the question whether it is there is called.
const SYSTEM: &str = "GET /system";
/// Longest description of the system read, in bytes: a page of short lines.
const SYSTEM_BYTES_MAX: usize = 64 << 10;

/// A member's REST interface.
#[derive(Clone)]
pub struct OrthancMember {
    client: Client,
    spool: Spool,
}

/// Why an answer of the interface cannot be taken.
#[derive(Debug, thiserror::Error)]
enum OrthancError {
    #[error("the answer of {url} is not what Orthanc answers there")]
    NoJson {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{url} answered 206, and the whole was asked for")]
    Partial { url: String },
}

/// What of the description of the system shows that this is Orthanc.
#[derive(Debug, serde::Deserialize)]
struct System {
    #[serde(rename = "Version")]
    version: String,
}

impl OrthancMember {
    /// A member whose interface lies below the client's target; objects that are read back stream to `spool` when they
    /// are large.
    pub fn new(client: Client, spool: Spool) -> Self {
        Self { client, spool }
    }
}

#[async_trait]
impl Member for OrthancMember {
    /// Asks for the system's description: there is no C-ECHO.
    async fn health(&self) -> Result<(), MemberError> {
        let address = self.client.target().address();
        let connected = self.client.connect().await;
        let mut connection = connected.map_err(|error| error.of_health(address, SYSTEM))?;
        let asked = connection.ask(&Ask::get("/system")).await;
        let answer = asked.map_err(|error| error.of_health(address, SYSTEM))?;
        let system: System = json(answer, SYSTEM, SYSTEM_BYTES_MAX).await?;
        tracing::trace!(version = %system.version, "an Orthanc answers");
        Ok(())
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        let connection = self.client.connect().await.map_err(|error| error.during(store::OPERATION))?;
        Ok(Box::new(store::Session::new(connection)))
    }

    async fn ask(&self, _: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let connection = self.client.connect().await.map_err(|error| error.during("a question"))?;
        Ok(Box::new(ask::Asking::new(connection, self.spool.clone())))
    }

    /// Every Orthanc can be searched and gives back what it has; what answers otherwise is none.
    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        self.health().await?;
        Ok(BTreeSet::from([Ability::Echo, Ability::Query, Ability::ReadBack]))
    }

    async fn commit(
        &self,
        _: &TransactionUid,
        _: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        Err(MemberError::Unable {
            operation: "storage commitment",
            denial: Denial::NoService("Orthanc's REST interface has no request to commit"),
        })
    }
}

/// Puts a question and reads what it is answered with.
async fn asked<T: DeserializeOwned>(
    connection: &mut Connection,
    ask: &Ask,
    operation: &'static str,
    limit: usize,
) -> Result<T, MemberError> {
    let answer = connection.ask(ask).await.map_err(|error| error.during(operation))?;
    json(answer, operation, limit).await
}

/// The answer as JSON.
async fn json<T: DeserializeOwned>(
    mut answer: Answer,
    operation: &'static str,
    limit: usize,
) -> Result<T, MemberError> {
    let lost = |source| MemberError::Lost { operation, source: Box::new(source) };
    match answer.status {
        StatusCode::OK => {}
        StatusCode::PARTIAL_CONTENT => return Err(lost(OrthancError::Partial { url: answer.url })),
        _ => return Err(MemberError::Http(Box::new(answer.refusal(operation).await))),
    }
    let body = answer.whole(limit).await.map_err(|error| error.during(operation))?;
    serde_json::from_slice(&body).map_err(|source| lost(OrthancError::NoJson { url: answer.url, source }))
}
