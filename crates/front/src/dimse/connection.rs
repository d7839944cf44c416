//! A connection until it is an association, or is not let in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use outrigger_dimse::associate::AssociateRequest;
use outrigger_dimse::{AcceptError, Association, Rejection, Verdict};
use outrigger_model::AssociationId;
use outrigger_runtime::Shutdown;
use outrigger_runtime::net::BoxStream;
use tokio::time::timeout;
use tracing::Instrument;

use super::association::{Session, serve_association};
use super::{DimseFront, DimseOptions, policy};
use crate::admit::{Caller, Refused};
use crate::audit::{AuditEvent, Party};
use outrigger_runtime::listen::Incoming;
use outrigger_runtime::permits::{Permit, Permits};

/// One listener: what it shares with others, and what is its own.
pub(super) struct Door {
    pub(super) front: DimseFront,
    pub(super) permits: Permits,
    pub(super) options: DimseOptions,
    pub(super) address: SocketAddr,
}

/// A caller on its way in.
struct Admitted {
    party: Party,
    caller: Caller,
    permit: Permit,
}

/// What became of the request, as far as there was one.
enum Decided {
    Nothing,
    Admitted(Admitted),
    Rejected(Party, String),
}

/// Serves a connection from its first byte to its last.
pub(super) async fn serve(door: Arc<Door>, incoming: Incoming, shutdown: Shutdown) {
    let id = AssociationId(door.front.associations.fetch_add(1, Ordering::Relaxed) + 1);
    let span = tracing::info_span!("association", %id, from = %incoming.from, port = door.address.port());
    connect(&door, incoming, id, shutdown).instrument(span).await;
}

async fn connect(door: &Arc<Door>, incoming: Incoming, id: AssociationId, shutdown: Shutdown) {
    let Incoming { stream, from, mut opening } = incoming;
    let mut decided = Decided::Nothing;
    let opened = tokio::select! {
        // Who has just said what it wants is not taken for one that says nothing.
        biased;
        opened = open(door, stream, |request| {
            let (verdict, what) = door.decide(request, id, from, &shutdown);
            decided = what;
            verdict
        }) => opened,
        () = opening.evicted() => {
            tracing::debug!("the connection said nothing and made room for another");
            return;
        }
    };
    drop(opening);
    match (opened, decided) {
        (Ok(association), Decided::Admitted(admitted)) => {
            let Admitted { party, caller, permit } = admitted;
            let here = door.front.reporter.here(shutdown.clone());
            let session = Session::new(Arc::clone(door), party, caller, here, &association);
            serve_association(session, association, permit, shutdown).await;
        }
        (_, Decided::Rejected(party, reason)) => {
            metrics::counter!("outrigger_associations_total", "outcome" => "rejected").increment(1);
            tracing::warn!(calling = %party.calling, called = %party.called, reason, "association rejected");
            door.front.audit.put(AuditEvent::AssociationRejected { party, reason }).await;
        }
        (Err(error), _) => {
            metrics::counter!("outrigger_associations_total", "outcome" => "failed").increment(1);
            tracing::info!(error = &error as &dyn std::error::Error, "no association came about");
        }
        (Ok(association), Decided::Nothing) => drop(association),
    }
}

/// Why a connection did not become an association.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("the TLS handshake was not done in time")]
    TlsSlow,
    #[error("the association was not opened")]
    Association(#[source] AcceptError),
}

async fn open(
    door: &Door,
    stream: BoxStream,
    decide: impl FnOnce(&AssociateRequest) -> Verdict + Send,
) -> Result<Association, OpenError> {
    let settings = &door.options.settings;
    let stream = match &door.options.tls {
        None => stream,
        Some(tls) => timeout(settings.timers.artim, tls.accept(stream))
            .await
            .map_err(|_| OpenError::TlsSlow)?
            .map_err(OpenError::Tls)?,
    };
    outrigger_dimse::accept(stream, settings, decide).await.map_err(OpenError::Association)
}

impl Door {
    fn decide(
        &self,
        request: &AssociateRequest,
        id: AssociationId,
        from: SocketAddr,
        shutdown: &Shutdown,
    ) -> (Verdict, Decided) {
        let party = Party {
            association: id,
            calling: request.calling.clone(),
            called: request.called.clone(),
            address: from.ip().to_canonical(),
            user: policy::user(request),
        };
        match self.admit(&party, shutdown) {
            Ok((caller, permit)) => {
                let policy = policy::policy(request, &caller, &self.front.service.accepts());
                (Verdict::Accept(Box::new(policy)), Decided::Admitted(Admitted { party, caller, permit }))
            }
            Err((rejection, reason)) => (Verdict::Reject(rejection), Decided::Rejected(party, reason)),
        }
    }

    fn admit(&self, party: &Party, shutdown: &Shutdown) -> Result<(Caller, Permit), (Rejection, String)> {
        if shutdown.is_stopping() {
            return Err((Rejection::CONGESTION, "the node is stopping".to_owned()));
        }
        let ours = std::iter::once(&self.options.ae_title).chain(&self.options.other_ae_titles);
        let peers = self.front.peers.borrow().clone();
        let caller = peers.admit(&party.calling, party.address, &party.called, ours).map_err(|refused| {
            let rejection = match refused {
                Refused::Calling => Rejection::CALLING_AE,
                Refused::Called => Rejection::CALLED_AE,
            };
            (rejection, refused.to_string())
        })?;
        let permit = self.permits.take(party.address);
        let permit = permit.map_err(|limit| (Rejection::LOCAL_LIMIT, limit.to_string()))?;
        Ok((caller, permit))
    }
}
