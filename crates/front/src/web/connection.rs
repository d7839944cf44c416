//! A connection from its first byte to its last: TLS, HTTP/1.1, limits, and a good end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::server::conn::http1::Connection;
use outrigger_model::AssociationId;
use outrigger_runtime::Shutdown;
use outrigger_runtime::listen::{DRAIN, Incoming, Opening};
use outrigger_runtime::net::BoxStream;
use outrigger_runtime::permits::Permit;
use outrigger_runtime::stall::Stalling;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::Door;
use super::server::{self, ActixError, Line, Server};

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("the TLS handshake was not done in time")]
    TlsSlow,
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
    #[error("the connection failed")]
    Actix(#[from] ActixError),
    #[error("the connection said nothing and made room for another")]
    Evicted,
    #[error("the connection outlived the drain")]
    Drained,
}

/// Serves a connection.
pub(super) async fn serve(door: Arc<Door>, server: Server, incoming: Incoming, shutdown: Shutdown) {
    let id = AssociationId(door.front.connections.fetch_add(1, Ordering::Relaxed) + 1);
    let span = tracing::info_span!("connection", %id, from = %incoming.from, port = door.address.port());
    let served = async {
        metrics::gauge!("outrigger_web_connections_open").increment(1);
        if let Err(error) = connect(&door, server, id, incoming, shutdown).await {
            tracing::info!(error = &error as &dyn std::error::Error, "the connection ended badly");
        }
        metrics::gauge!("outrigger_web_connections_open").decrement(1);
    };
    served.instrument(span).await;
}

async fn connect(
    door: &Door,
    server: Server,
    id: AssociationId,
    incoming: Incoming,
    shutdown: Shutdown,
) -> Result<(), ConnectionError> {
    let Incoming { stream, from, mut opening } = incoming;
    let stream = tokio::select! {
        biased;
        stream = secured(door, stream) => stream?,
        () = opening.evicted() => return Err(ConnectionError::Evicted),
    };
    let (permit, line) = admitted(door, id, from);
    let outcome = requests(door, stream, server, line, opening, shutdown).await;
    drop(permit);
    outcome
}

/// One beyond the limit is answered too, that there are too many, and closed.
fn admitted(door: &Door, id: AssociationId, from: SocketAddr) -> (Option<Permit>, Line) {
    let address = from.ip().to_canonical();
    match door.permits.take(address) {
        Ok(permit) => (Some(permit), Line { id, address, beyond: None }),
        Err(limit) => (None, Line { id, address, beyond: Some(limit) }),
    }
}

async fn secured(door: &Door, stream: BoxStream) -> Result<BoxStream, ConnectionError> {
    match &door.options.tls {
        None => Ok(stream),
        Some(tls) => timeout(door.options.timers.head, tls.accept(stream))
            .await
            .map_err(|_| ConnectionError::TlsSlow)?
            .map_err(ConnectionError::Tls),
    }
}

async fn requests(
    door: &Door,
    stream: BoxStream,
    server: Server,
    line: Line,
    opening: Opening,
    shutdown: Shutdown,
) -> Result<(), ConnectionError> {
    let timers = door.options.timers;
    let stream = Stalling::new(stream, timers.inactivity);
    let spoke = Arc::new(Notify::new());
    let told = Arc::clone(&spoke);
    match server {
        Server::Axum(router) => {
            let serving = pin!(server::serving(router, stream, line, told, timers));
            served(serving, Connection::graceful_shutdown, &spoke, opening, shutdown).await
        }
        Server::Actix(carriers) => {
            let serving = pin!(carriers.carry(stream, line, told).await?);
            // It hears itself that stopping is asked for.
            served(serving, |_| (), &spoke, opening, shutdown).await
        }
    }
}

/// Serves a connection to its end; it goes where it says nothing and there is no room, and in time where stopping is asked for.
async fn served<S, E>(
    mut serving: Pin<&mut S>,
    end_soon: fn(Pin<&mut S>),
    spoke: &Notify,
    mut opening: Opening,
    mut shutdown: Shutdown,
) -> Result<(), ConnectionError>
where
    S: Future<Output = Result<(), E>>,
    ConnectionError: From<E>,
{
    tokio::select! {
        biased;
        ended = serving.as_mut() => return Ok(ended?),
        () = spoke.notified() => drop(opening),
        () = opening.evicted() => return Err(ConnectionError::Evicted),
        () = shutdown.stopping() => {}
    }
    tokio::select! {
        biased;
        ended = serving.as_mut() => return Ok(ended?),
        // The request that is being answered may finish.
        () = shutdown.stopping() => end_soon(serving.as_mut()),
    }
    tokio::select! {
        biased;
        ended = serving => Ok(ended?),
        () = sleep(DRAIN) => Err(ConnectionError::Drained),
    }
}
