//! The connections of the admin API: how many, how long they may be silent, and their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use outrigger_runtime::Shutdown;
use outrigger_runtime::listen::{self, Incoming};
use outrigger_runtime::net::{Net as _, Tcp};
use outrigger_runtime::stall::Stalling;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::guard;
use crate::process::Failure;

/// Most connections at once: a few monitors, commands and pages ask, and file descriptors must remain for the doors.
const CONNECTIONS_MAX: usize = 256;
/// For the head of a request, the silence before it included, and for as long nothing may be taken of an answer: monitors ask every
/// 15 to 60 s and connect again, and what asks from this machine says it all at once.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest head of a request, in bytes: a path, and a UID or two.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest order, in bytes: who, which and why.
const ORDER_BYTES_MAX: usize = 64 * 1024;
/// What answers get once the node stops, after the drain of its doors: they take milliseconds, or as long as a question to a member.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Serves a router until stopping is asked for; gives the address with the port really bound.
pub(super) async fn serve(
    listen: SocketAddr,
    router: Router,
    shutdown: Shutdown,
) -> Result<SocketAddr, Failure> {
    let failed = |error| Failure::of(format!("the admin API cannot listen on {listen}"), error);
    let listener = Tcp.listen(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let router = router.layer(middleware::from_fn(whole)).layer(middleware::from_fn(guard::local));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stops = shutdown.clone();
    let handle = move |incoming| connection(Arc::clone(&room), router.clone(), incoming, stops.clone());
    drop(tokio::spawn(listen::serve(listener, shutdown, handle)));
    Ok(address)
}

async fn connection(room: Arc<Semaphore>, router: Router, incoming: Incoming, mut shutdown: Shutdown) {
    let Ok(_place) = room.try_acquire() else {
        tracing::warn!(from = %incoming.from, most = CONNECTIONS_MAX, "a connection to the admin API is closed: there are as many as there may be");
        return;
    };
    let Incoming { stream, mut opening, .. } = incoming;
    let spoke = Arc::new(Notify::new());
    let told = Arc::clone(&spoke);
    let routed = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        told.notify_one();
        routed.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Stalling::new(stream, SILENCE_MAX)), service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        biased;
        ended = serving.as_mut() => return note_end(ended),
        () = spoke.notified() => drop(opening),
        () = opening.evicted() => return,
        () = shutdown.stopping() => {}
    }
    tokio::select! {
        biased;
        ended = serving.as_mut() => return note_end(ended),
        () = shutdown.stopping() => serving.as_mut().graceful_shutdown(),
    }
    if let Ok(ended) = timeout(LAST_ANSWERS, serving).await {
        note_end(ended);
    }
}

/// Takes what is asked as a whole before it is looked at: extractors would wait for the rest of it for ever.
async fn whole(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match timeout(SILENCE_MAX, to_bytes(body, ORDER_BYTES_MAX)).await {
        Ok(Ok(order)) => next.run(Request::from_parts(head, Body::from(order))).await,
        Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

fn note_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a connection to the admin API ended badly"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::routing::post;
    use outrigger_runtime::ShutdownGuard;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;

    const ASKED: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";

    async fn served() -> (SocketAddr, ShutdownGuard) {
        let (guard, shutdown) = Shutdown::pair();
        let router = Router::new().route("/", post(async |order: String| order));
        let address = serve("127.0.0.1:0".parse().unwrap(), router, shutdown).await.unwrap();
        (address, guard)
    }

    async fn begun(address: SocketAddr, said: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream
    }

    /// Whether what is asked on a connection is answered.
    async fn is_answered(stream: &mut TcpStream) -> io::Result<bool> {
        stream.write_all(ASKED).await?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).await?;
        Ok(answer.get(..length).unwrap_or_default().starts_with(b"HTTP/1.1 200"))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bounded_before_and_in_a_head_and_in_what_follows_it() {
        let (address, _guard) = served().await;
        for said in [0, 10, ASKED.len() - 1] {
            let mut stream = begun(address, &ASKED[..said]).await;
            let before = Instant::now();
            let mut answer = Vec::new();
            drop(timeout(SILENCE_MAX * 10, stream.read_to_end(&mut answer)).await.expect("it ends"));
            // A connection that was told that it is too slow waits for the next request.
            let longest = SILENCE_MAX * 2 + Duration::from_secs(1);
            assert!((SILENCE_MAX..longest).contains(&before.elapsed()), "{said}: {:?}", before.elapsed());
        }
    }

    #[tokio::test]
    async fn there_are_no_more_connections_than_there_may_be() {
        let (address, _guard) = served().await;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = begun(address, b"").await;
            assert!(is_answered(&mut stream).await.unwrap());
            held.push(stream);
        }
        assert!(!is_answered(&mut begun(address, b"").await).await.unwrap_or_default());
        drop(held.pop());
        let again = async {
            while !is_answered(&mut begun(address, b"").await).await.unwrap_or_default() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), again).await.expect("who goes makes room");
        assert!(is_answered(&mut held[0]).await.unwrap(), "those that are in stay");
    }
}
