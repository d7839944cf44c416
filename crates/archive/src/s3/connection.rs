//! HTTP/1.1 connections to the object store, kept and used again, over our own TLS and with our own bounds.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use hyper::Response;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpService,
};
use outrigger_runtime::TlsClient;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;
use tokio::time::timeout;

/// Longest wait for a connection: a server that is there answers in a round trip or two.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest body of an answer, in bytes: parts are of 8 MiB, pages of listings smaller.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Idle connections kept: as many as there are large uploads and some readers beside them.
const IDLE_MAX: usize = 32;

/// Makes the client that calls the store.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) tls: Option<TlsClient>,
    pub(super) within: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Calls { connector: self.clone(), idle: Arc::default() }))
    }
}

/// Calls over kept connections.
#[derive(Debug)]
struct Calls {
    connector: Connector,
    /// Connections that wait for a call; a leaf lock.
    idle: Arc<Mutex<Vec<SendRequest<HttpRequestBody>>>>,
}

/// Why a call did not come to an answer.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("nothing came within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the URL names no server")]
    NoServer,
    #[error("it cannot be connected to")]
    Connect(#[source] std::io::Error),
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl From<CallError> for HttpError {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::Silent(_) => HttpErrorKind::Timeout,
            CallError::Connect(_) => HttpErrorKind::Connect,
            // Whatever is asked of the store may be asked again.
            CallError::Broken(_) => HttpErrorKind::Request,
            CallError::NoServer | CallError::TooLong => HttpErrorKind::Unknown,
        };
        Self::new(kind, error)
    }
}

#[async_trait]
impl HttpService for Calls {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let within = self.connector.within;
        let answered = timeout(within, self.answered(request)).await;
        Ok(answered.unwrap_or(Err(CallError::Silent(within)))?)
    }
}

impl Calls {
    async fn answered(&self, mut request: HttpRequest) -> Result<HttpResponse, CallError> {
        let authority = request.uri().authority().ok_or(CallError::NoServer)?.clone();
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| CallError::NoServer)?;
        request.headers_mut().insert(HOST, host);
        let mut sender = match self.kept() {
            Some(kept) => kept,
            None => self.open(authority.host(), authority.port_u16()).await?,
        };
        let response = sender.send_request(request).await.map_err(CallError::Broken)?;
        let (head, body) = response.into_parts();
        let body = whole(body).await?;
        if sender.ready().await.is_ok() {
            self.keep(sender);
        }
        Ok(Response::from_parts(head, body.into()))
    }

    fn kept(&self) -> Option<SendRequest<HttpRequestBody>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        idle.pop()
    }

    fn keep(&self, sender: SendRequest<HttpRequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(sender);
        }
    }

    async fn open(&self, host: &str, port: Option<u16>) -> Result<SendRequest<HttpRequestBody>, CallError> {
        let tls = self.connector.tls.as_ref();
        let port = port.unwrap_or(if tls.is_some() { 443 } else { 80 });
        let address = format!("{host}:{port}");
        let stream = dial(&Tcp, &address, tls, CONNECT_WITHIN).await.map_err(CallError::Connect)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(CallError::Broken)?;
        drop(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the object store ended");
            }
        }));
        Ok(sender)
    }
}

async fn whole(mut body: Incoming) -> Result<Bytes, CallError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.map_err(CallError::Broken)?.into_data() {
            if whole.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(CallError::TooLong);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}
