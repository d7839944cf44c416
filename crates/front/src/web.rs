//! The web front: DICOMweb (PS3.18) at `/dicomweb`, and the viewer where one is installed.

mod accepting;
mod access;
mod capabilities;
mod commit;
mod connection;
mod cors;
pub mod host;
mod refusal;
mod router;
mod search;
mod server;
mod store;
mod unserved;
mod viewer;
pub(crate) mod wado;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ipnet::IpNet;
use outrigger_model::{AeTitle, Origin};
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::permits::{Limits, Permits};
use outrigger_runtime::{Clock, Shutdown, Threads, TlsServer, listen};

use tokio::sync::watch;

pub use access::{Access, Right, TokenError, Tokens};
pub(crate) use refusal::Refusal;
pub use server::WebServer;

use crate::audit::{AuditEvent, Party};
use crate::certificate;
use crate::dimse::Listening;
use crate::outbox::Outbox;
use crate::quarantine::{Quarantine, RefusalEvent};
use crate::service::Service;

/// What all web listeners of a node share; clones share it too.
#[derive(Clone)]
pub struct WebFront {
    /// What stands behind.
    pub service: Arc<dyn Service>,
    /// How listeners are opened.
    pub net: ArcNet,
    /// The time.
    pub clock: Clock,
    /// Where blocking work runs.
    pub threads: Threads,
    /// Where refused objects are kept.
    pub quarantine: Quarantine,
    /// Refused objects, to be listed.
    pub refusals: Outbox<RefusalEvent>,
    /// The audit trail.
    pub audit: Outbox<AuditEvent>,
    /// The last number given to a connection; associations and connections count together.
    pub connections: Arc<AtomicU64>,
    /// Built files of the viewer, where it is installed.
    pub viewer: Option<PathBuf>,
    /// Tokens that were read again since listeners were opened.
    pub renewed: watch::Receiver<RenewedTokens>,
}

/// Tokens that take the place of a listener's, by the address it was told to open.
pub type RenewedTokens = BTreeMap<SocketAddr, Tokens>;

/// One web listener.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// What reads the requests.
    pub server: WebServer,
    /// Where; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Our own AE title: what came by the web is recorded as called to it.
    pub ae_title: AeTitle,
    /// Default issuer of patient ID for what arrives here.
    pub issuer: Option<String>,
    /// Who may call.
    pub access: Access,
    /// Where calls may come from; from anywhere if empty.
    pub hosts: Vec<IpNet>,
    /// Web pages that may read answers (CORS).
    pub origins: Origins,
    /// The URL of the service, where a proxy stands before it; else it is as the caller says.
    pub url: Option<String>,
    /// How many connections.
    pub limits: Limits,
    /// The largest object taken, in bytes.
    pub object_bytes_max: u64,
    /// The largest request taken, in bytes.
    pub request_bytes_max: u64,
    /// How long may be waited.
    pub timers: WebTimers,
    /// TLS, if it is spoken here.
    pub tls: Option<TlsServer>,
}

/// How long may be waited for the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebTimers {
    /// For the TLS handshake, and for the head of a request, the silence before it included.
    pub head: Duration,
    /// For the next bytes of a body, in either direction.
    pub inactivity: Duration,
}

/// Web pages that may read answers, by their origin (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Those of these origins, such as `https://viewer.example`; our own pages need no leave.
    These(Vec<String>),
    /// Any.
    All,
}

/// One listener: what it shares with others, and what is its own.
pub(crate) struct Door {
    pub(crate) front: WebFront,
    pub(crate) options: WebOptions,
    permits: Permits,
    /// For the matches of searches.
    room: search::Room,
    address: SocketAddr,
}

/// Who sent a request that was let in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) party: Party,
    /// The URL of the DICOMweb service, as the caller knows it.
    pub(crate) base: String,
    /// What its user agent calls itself.
    agent: String,
}

impl Caller {
    /// Where an object that it sends came from.
    fn origin(&self, options: &WebOptions) -> Origin {
        Origin {
            calling_ae: self.party.calling.clone(),
            called_ae: self.party.called.clone(),
            peer: self.party.address,
            association: self.party.association,
            implementation: self.agent.clone(),
            issuer: options.issuer.clone(),
            member: None,
        }
    }
}

impl Door {
    /// Who may call as things stand now.
    fn access(&self) -> Access {
        let renewed = self.front.renewed.borrow();
        match (&self.options.access, renewed.get(&self.options.listen)) {
            (Access::Tokens(_), Some(tokens)) => Access::Tokens(tokens.clone()),
            (access, _) => access.clone(),
        }
    }
}

impl WebFront {
    /// Opens a listener and serves it until stopping is asked for.
    pub async fn listen(&self, options: WebOptions, shutdown: Shutdown) -> io::Result<Listening> {
        let listener = self.net.listen(options.listen).await?;
        let address = listener.local_addr()?;
        if let Some(tls) = &options.tls {
            let watch = certificate::watch(tls.validity(), address, self.clock.clone(), shutdown.clone());
            drop(tokio::spawn(watch));
        }
        let permits = Permits::new(options.limits);
        let door =
            Arc::new(Door { front: self.clone(), options, permits, room: search::Room::default(), address });
        let (threads, timers) = (self.threads, door.options.timers);
        let server =
            server::Server::open(door.options.server, threads, router::router(&door), timers, &shutdown)?;
        let stop = shutdown.clone();
        let handle =
            move |incoming| connection::serve(Arc::clone(&door), server.clone(), incoming, shutdown.clone());
        let ended = tokio::spawn(listen::serve(listener, stop, handle));
        Ok(Listening { address, ended })
    }
}
