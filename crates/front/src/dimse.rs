//! The DIMSE front: one file for each verb.

mod ahead;
mod association;
mod class;
mod commit;
mod connection;
mod echo;
mod find;
mod get;
mod identifier;
mod move_;
mod policy;
mod retrieve;
mod sound;
mod status;
mod store;
mod sub_operation;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use outrigger_dimse::Settings;
use outrigger_model::AeTitle;
use outrigger_runtime::listen;
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::permits::{Limits, Permits};
use outrigger_runtime::{Clock, Shutdown, Threads, TlsServer};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admit::Peers;
use crate::audit::AuditEvent;
use crate::certificate;
use crate::outbox::Outbox;
use crate::quarantine::{Quarantine, RefusalEvent};
use crate::service::Service;

pub use commit::{ReportError, Reporter};
pub(crate) use policy::takes;

/// What all DIMSE listeners of a node share; clones share it too.
#[derive(Clone)]
pub struct DimseFront {
    /// What stands behind.
    pub service: Arc<dyn Service>,
    /// Who may call and where C-MOVE sends to, as configured now.
    pub peers: watch::Receiver<Arc<Peers>>,
    /// How listeners are opened and C-MOVE destinations called.
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
    /// What tells results of storage commitment.
    pub reporter: Reporter,
    /// The last number given to an association.
    pub associations: Arc<AtomicU64>,
}

/// One DIMSE listener.
#[derive(Debug, Clone)]
pub struct DimseOptions {
    /// Where; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Our own AE title.
    pub ae_title: AeTitle,
    /// Called AE titles answered here beside it.
    pub other_ae_titles: Vec<AeTitle>,
    /// Default issuer of patient ID for what arrives here.
    pub issuer: Option<String>,
    /// How many associations.
    pub limits: Limits,
    /// The largest object taken, in bytes.
    pub object_bytes_max: u64,
    /// PDU length and timers.
    pub settings: Settings,
    /// TLS, if it is spoken here.
    pub tls: Option<TlsServer>,
}

/// A listener at work.
#[derive(Debug)]
pub struct Listening {
    /// The address with the port really bound.
    pub address: SocketAddr,
    /// Ends after [`Shutdown`], when every association has ended.
    pub ended: JoinHandle<()>,
}

impl DimseFront {
    /// Opens a listener and serves it until stopping is asked for.
    pub async fn listen(&self, options: DimseOptions, shutdown: Shutdown) -> io::Result<Listening> {
        let listener = self.net.listen(options.listen).await?;
        let address = listener.local_addr()?;
        if let Some(tls) = &options.tls {
            let watch = certificate::watch(tls.validity(), address, self.clock.clone(), shutdown.clone());
            drop(tokio::spawn(watch));
        }
        let door = Arc::new(connection::Door {
            front: self.clone(),
            permits: Permits::new(options.limits),
            options,
            address,
        });
        let stop = shutdown.clone();
        let handle = move |incoming| connection::serve(Arc::clone(&door), incoming, shutdown.clone());
        let ended = tokio::spawn(listen::serve(listener, stop, handle));
        Ok(Listening { address, ended })
    }
}
