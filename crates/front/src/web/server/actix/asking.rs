//! A request from actix to the handlers.

use std::io;
use std::rc::Rc;

use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse, web};
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Request};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::{spawn_local, yield_now};

use super::answering::{Answer, answered};
use super::turn::Length;
use super::wire::Link;
use crate::web::server::Line;

/// Pieces of a body between actix, which holds 32 KiB of its own, and a handler: one is taken while the next is read.
const PIECES_BETWEEN: usize = 2;

/// Has a request answered.
pub(super) async fn ask(asked: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(link) = asked.conn_data::<Rc<Link>>().cloned() else { return Answer::None.into() };
    link.spoke.notify_one();
    let length = length(&asked);
    let answering = link.turn.answer(length);
    if length != Length::Bytes(0) {
        // actix polls this twice before it reads on, and the connection ends with an answer that comes before the body is read.
        yield_now().await;
        yield_now().await;
    }
    let Ok(request) = request(&asked, link.line, body(payload)) else { return Answer::Senseless.into() };
    let is_head = asked.method() == Method::HEAD;
    answered(&link, request, is_head, asked.version(), answering).await
}

/// actix has refused whatever says it twice or in two ways.
fn length(asked: &HttpRequest) -> Length {
    if asked.headers().contains_key(TRANSFER_ENCODING) {
        return Length::Chunks;
    }
    let said = asked.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    Length::Bytes(said.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
}

/// The same request in the words of the handlers, which have a later version of the crate `http`.
fn request(asked: &HttpRequest, line: Line, body: Body) -> Result<Request<Body>, axum::http::Error> {
    let version = if asked.version() < Version::HTTP_11 {
        axum::http::Version::HTTP_10
    } else {
        axum::http::Version::HTTP_11
    };
    let mut request =
        Request::builder().method(asked.method().as_str()).uri(asked.uri().to_string()).version(version);
    for (name, value) in asked.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
        request = request.header(name, HeaderValue::from_bytes(value.as_bytes())?);
    }
    request.extension(line).body(body)
}

/// A body that is taken from actix as fast as the handler takes it.
fn body(payload: web::Payload) -> Body {
    let (pieces, taken) = mpsc::channel(PIECES_BETWEEN);
    drop(spawn_local(forward(payload, pieces)));
    Body::from_stream(received(taken))
}

fn received(taken: mpsc::Receiver<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) })
}

/// Ends where the handler takes no more, or is gone.
async fn forward(mut payload: web::Payload, pieces: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let next = tokio::select! {
            next = payload.next() => next,
            () = pieces.closed() => return,
        };
        let Some(piece) = next else { return };
        let is_last = piece.is_err();
        if pieces.send(piece.map_err(broken)).await.is_err() || is_last {
            return;
        }
    }
}

fn broken(error: PayloadError) -> io::Error {
    match error {
        PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => error,
        PayloadError::Incomplete(None) => io::ErrorKind::UnexpectedEof.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
