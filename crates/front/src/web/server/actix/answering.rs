//! An answer from the handlers to actix.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_http::error::HttpError;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Version};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderMap, Request, response};
use futures_util::StreamExt;
use futures_util::future::poll_fn;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tower_service::Service;
use tracing::Instrument;

use super::turn::Answering;
use super::wire::Link;

/// Pieces of a body between a handler and actix, each of at most 1 MiB, which copies one into its own buffer.
const PIECES_BETWEEN: usize = 1;

/// An answer that no handler gave; the connection ends with it.
pub(super) enum Answer {
    /// The request cannot be put to one.
    Senseless,
    /// The one that was asked failed.
    None,
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let status = match answer {
            Answer::Senseless => StatusCode::BAD_REQUEST,
            Answer::None => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = Self::new(status);
        response.head_mut().set_connection_type(ConnectionType::Close);
        response
    }
}

/// What comes of a handler, piece by piece.
enum Piece {
    Bytes(Bytes),
    Failed(axum::Error),
    /// The body is whole.
    End,
}

/// Stops a handler that nobody waits for.
struct Handling(AbortHandle);

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Has a request handled, where handlers run; gives the answer once its head is there.
pub(super) async fn answered(
    link: &Link,
    request: Request<Body>,
    is_head: bool,
    version: Version,
    answering: Answering,
) -> HttpResponse {
    let (head, headed) = oneshot::channel();
    let (pieces, coming) = mpsc::channel(PIECES_BETWEEN);
    let handling = handle(link.handlers.router.clone(), request, head, pieces);
    let handling = link.handlers.runtime.spawn(handling.instrument(link.span.clone()));
    let handling = Handling(handling.abort_handle());
    let Ok(Head { parts, length }) = headed.await else { return Answer::None.into() };
    let size = size(&parts.headers, length, is_head);
    let body = Leaving { coming, size, _handling: handling, _answering: answering };
    let Ok(mut response) = response(&parts, body) else { return Answer::None.into() };
    if size == BodySize::Stream && version < Version::HTTP_11 {
        // It knows no chunks: the end of the connection is the end of the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response.map_into_boxed_body()
}

/// The head of an answer.
struct Head {
    parts: response::Parts,
    /// Of the body in bytes, where it is known.
    length: Option<u64>,
}

async fn handle(
    mut router: Router,
    request: Request<Body>,
    head: oneshot::Sender<Head>,
    pieces: mpsc::Sender<Piece>,
) {
    let Ok(()) = poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut router, context)).await;
    let Ok(response) = router.call(request).await;
    let (parts, body) = response.into_parts();
    let length = body.size_hint().exact();
    if head.send(Head { parts, length }).is_err() {
        return;
    }
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_or_else(Piece::Failed, Piece::Bytes);
        let is_last = matches!(piece, Piece::Failed(_));
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
    if pieces.send(Piece::End).await.is_err() {
        tracing::trace!("nobody waited for the end of a body");
    }
}

/// What a handler says itself goes before what its body shows, which is empty in answer to HEAD.
fn size(headers: &HeaderMap, length: Option<u64>, is_head: bool) -> BodySize {
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match said.or(length.filter(|_| !is_head)) {
        Some(bytes) => BodySize::Sized(bytes),
        None if is_head => BodySize::None,
        None => BodySize::Stream,
    }
}

/// The same answer in the words of actix, which has an earlier version of the crate `http`.
fn response(parts: &response::Parts, body: Leaving) -> Result<HttpResponse<Leaving>, HttpError> {
    let mut response = HttpResponse::new(StatusCode::from_u16(parts.status.as_u16())?).set_body(body);
    for (name, value) in &parts.headers {
        if *name == CONNECTION {
            // The handlers say `close` there or nothing.
            response.head_mut().set_connection_type(ConnectionType::Close);
        } else if *name != CONTENT_LENGTH {
            let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
            response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes())?);
        }
    }
    Ok(response)
}

/// A body on its way out.
struct Leaving {
    coming: mpsc::Receiver<Piece>,
    size: BodySize,
    _handling: Handling,
    _answering: Answering,
}

/// The handler ended in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the handler gave no end of the body")]
struct NoEnd;

impl MessageBody for Leaving {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.coming.poll_recv(context).map(|piece| match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::Failed(error)) => Some(Err(error.into())),
            Some(Piece::End) => None,
            None => Some(Err(NoEnd.into())),
        })
    }
}
