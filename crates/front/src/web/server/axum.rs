//! axum's server: hyper reads the requests, on the task that the connection has.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, body};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use outrigger_runtime::stall::Stalling;

use super::{HEADERS_MAX, Line, Spoke};
use crate::web::WebTimers;

/// Longest head of a request, in bytes, and as much of an answer is held for a slow reader: a URL of a thousand UIDs and a token.
const HEAD_BYTES_MAX: usize = 96 * 1024;

/// A connection as hyper serves it.
pub(in crate::web) fn serving(
    router: Router,
    stream: Stalling,
    line: Line,
    spoke: Spoke,
    timers: WebTimers,
) -> http1::Connection<
    TokioIo<Stalling>,
    impl HttpService<body::Incoming, ResBody = axum::body::Body, Error = std::convert::Infallible, Future: Send>
    + Send,
> {
    let routed = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<body::Incoming>| {
        spoke.notify_one();
        request.extensions_mut().insert(line);
        hyper::service::Service::call(&routed, request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timers.head)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}
