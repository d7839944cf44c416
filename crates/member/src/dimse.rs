//! A member spoken to over DIMSE.

mod abilities;
mod ask;
mod call;
mod commit;
mod fetch;
mod find;
mod get;
mod move_;
mod present;
mod session;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use outrigger_dimse::Settings;
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, TransactionUid};
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::{Spool, Threads, TlsClient};

use crate::answers::Expectations;
use crate::contract::{Ability, AskSession, CommitAnswer, Member, MemberError, Need, Returned, StoreSession};
use crate::learnt::Learnt;

pub use call::CONNECT_TIMEOUT;
pub(crate) use fetch::{TakeError, take};
pub use session::NEEDS_MAX;

/// One way to reach a member over DIMSE.
#[derive(Debug, Clone)]
pub struct DimseRoute {
    /// `host:port`.
    pub address: String,
    /// Its AE title.
    pub ae_title: AeTitle,
    /// Our AE title toward it, for everything but stores that go out under another name.
    pub calling: AeTitle,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsClient>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// PDU length and timers.
    pub settings: Settings,
    /// How objects are read back.
    pub read_back: ReadBack,
}

/// How objects are read back.
#[derive(Debug, Clone)]
pub enum ReadBack {
    /// By C-GET.
    Get,
    /// By C-MOVE to the listener on which members answer us.
    Move {
        /// The AE title of that listener, as the member knows it.
        destination: AeTitle,
        /// Where objects are awaited.
        expectations: Expectations,
    },
}

/// A member over one route; clones share what was learnt of it.
#[derive(Clone)]
pub struct DimseMember {
    route: DimseRoute,
    net: ArcNet,
    threads: Threads,
    spool: Spool,
    learnt: Learnt,
}

impl DimseMember {
    /// A member; objects that are read back stream to `spool` when they are large.
    pub fn new(route: DimseRoute, net: ArcNet, spool: Spool) -> Self {
        Self { route, net, threads: spool.threads, spool, learnt: Learnt::default() }
    }

    /// What it was seen to accept.
    pub fn learnt(&self) -> &Learnt {
        &self.learnt
    }

    /// The way it is reached.
    pub fn route(&self) -> &DimseRoute {
        &self.route
    }
}

#[async_trait]
impl Member for DimseMember {
    async fn health(&self) -> Result<(), MemberError> {
        abilities::echo(self).await
    }

    async fn open(&self, needs: &[Need], calling: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        Ok(Box::new(session::open(self, needs, calling).await?))
    }

    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        Ok(Box::new(ask::open(self, returned).await?))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        abilities::abilities(self).await
    }

    async fn commit(
        &self,
        transaction: &TransactionUid,
        instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        commit::request(self, transaction, instances).await
    }
}
