//! A connection from its first byte to its last: TLS, HTTP/1.1, limits, and a good end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, body};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use outrigger_model::AssociationId;
use outrigger_runtime::Shutdown;
use outrigger_runtime::listen::{DRAIN, Incoming, Opening};
use outrigger_runtime::net::BoxStream;
use outrigger_runtime::permits::{LimitReached, Permit};
use outrigger_runtime::stall::Stalling;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::Door;

/// Longest head of a request, in bytes, and as much of an answer is held for a slow reader: a URL of a thousand UIDs and a token.
const HEAD_BYTES_MAX: usize = 96 * 1024;
/// Most header fields of a request: browsers send thirty.
const HEADERS_MAX: usize = 100;

/// What a connection tells its requests of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) id: AssociationId,
    pub(super) address: IpAddr,
    /// Set where there are as many connections as there may be.
    pub(super) beyond: Option<LimitReached>,
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("the TLS handshake was not done in time")]
    TlsSlow,
    #[error("the connection failed")]
    Http(#[source] hyper::Error),
    #[error("the connection said nothing and made room for another")]
    Evicted,
    #[error("the connection outlived the drain")]
    Drained,
}

/// Serves a connection.
pub(super) async fn serve(door: Arc<Door>, router: Router, incoming: Incoming, shutdown: Shutdown) {
    let id = AssociationId(door.front.connections.fetch_add(1, Ordering::Relaxed) + 1);
    let span = tracing::info_span!("connection", %id, from = %incoming.from, port = door.address.port());
    let served = async {
        metrics::gauge!("outrigger_web_connections_open").increment(1);
        if let Err(error) = connect(&door, router, id, incoming, shutdown).await {
            tracing::info!(error = &error as &dyn std::error::Error, "the connection ended badly");
        }
        metrics::gauge!("outrigger_web_connections_open").decrement(1);
    };
    served.instrument(span).await;
}

async fn connect(
    door: &Door,
    router: Router,
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
    let outcome = requests(door, stream, router, line, opening, shutdown).await;
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
    router: Router,
    line: Line,
    mut opening: Opening,
    mut shutdown: Shutdown,
) -> Result<(), ConnectionError> {
    let spoke = Arc::new(Notify::new());
    let told = Arc::clone(&spoke);
    let routed = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<body::Incoming>| {
        told.notify_one();
        request.extensions_mut().insert(line);
        hyper::service::Service::call(&routed, request)
    });
    let stream = TokioIo::new(Stalling::new(stream, door.options.timers.inactivity));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.options.timers.head)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(stream, service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended.map_err(ConnectionError::Http),
        () = spoke.notified() => drop(opening),
        () = opening.evicted() => return Err(ConnectionError::Evicted),
        () = shutdown.stopping() => {}
    }
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended.map_err(ConnectionError::Http),
        // The request that is being answered may finish.
        () = shutdown.stopping() => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        ended = serving => ended.map_err(ConnectionError::Http),
        () = sleep(DRAIN) => Err(ConnectionError::Drained),
    }
}
