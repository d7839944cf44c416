//! A member spoken to over DICOMweb (PS3.18): STOW-RS, QIDO-RS, WADO-RS.

mod ask;
mod json;
mod retrieve;
mod search;
mod store;
mod stored;

use std::collections::BTreeSet;

use async_trait::async_trait;
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, TransactionUid};
use outrigger_runtime::Spool;

use crate::contract::{
    Ability, AskSession, CommitAnswer, Denial, Member, MemberError, Need, Returned, StoreSession,
};
use crate::http::Client;

pub(crate) use stored::of_code;

/// A member's DICOMweb services.
#[derive(Clone)]
pub struct DicomwebMember {
    client: Client,
    spool: Spool,
}

impl DicomwebMember {
    /// A member whose services lie below the client's target; objects that are read back stream to `spool` when they are
    /// large.
    pub fn new(client: Client, spool: Spool) -> Self {
        Self { client, spool }
    }
}

#[async_trait]
impl Member for DicomwebMember {
    /// Searches for one study: there is no C-ECHO.
    async fn health(&self) -> Result<(), MemberError> {
        let address = self.client.target().address();
        let connected = self.client.connect().await;
        let mut connection = connected.map_err(|error| error.of_health(address, search::OPERATION))?;
        search::is_answered(&mut connection).await
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        let connection = self.client.connect().await.map_err(|error| error.during(store::OPERATION))?;
        Ok(Box::new(store::Session::new(connection, self.spool.random.clone())))
    }

    async fn ask(&self, _: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let connection = self.client.connect().await.map_err(|error| error.during("a question"))?;
        Ok(Box::new(ask::Asking::new(connection, self.spool.clone())))
    }

    fn gives_series(&self) -> bool {
        true
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        let address = self.client.target().address();
        let connected = self.client.connect().await;
        let mut connection = connected.map_err(|error| error.of_health(address, search::OPERATION))?;
        search::is_answered(&mut connection).await?;
        let mut able = BTreeSet::from([Ability::Echo, Ability::Query]);
        if retrieve::is_offered(&mut connection).await? {
            able.insert(Ability::ReadBack);
        }
        Ok(able)
    }

    async fn commit(
        &self,
        _: &TransactionUid,
        _: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        Err(MemberError::Unable {
            operation: "storage commitment",
            denial: Denial::NoService("DICOMweb servers are not asked to commit"),
        })
    }
}
