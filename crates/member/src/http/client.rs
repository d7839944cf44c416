//! Calls over one kept connection.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::tls::dial;
use outrigger_runtime::{Threads, TlsClient};
use tokio::time::{Instant, sleep, timeout};

use super::answer::Answer;
use super::driver::Driver;
use super::error::HttpError;
use super::sending::{Feeder, Payload, Sending};
use super::target::Target;
use crate::arrived::Arrived;

/// Largest head of an answer and most that is read of a body at once, in bytes: many times what servers put into a head, and few
/// enough that the memory is used again while it is in the cache.
const BUFFER_BYTES_MAX: usize = 128 << 10;

/// Longest time to keep an idle connection that is believed, in seconds; above it nothing is to be known.
const KEPT_SECONDS_MAX: u64 = 3600;

/// Who calls, for the logs of the server.
const AGENT: &str = concat!("outrigger/", env!("CARGO_PKG_VERSION"));

/// How a web server is called.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where it is, and what it is shown.
    pub target: Target,
    /// TLS, where the target is `https`.
    pub tls: Option<TlsClient>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, and for each piece of it or of what is sent.
    pub answer_timeout: Duration,
}

/// Calls a web server; clones share nothing.
#[derive(Clone)]
pub struct Client {
    options: ClientOptions,
    net: ArcNet,
    threads: Threads,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path below the target's, with its query, all escaped.
    pub(crate) below: String,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) payload: Payload,
}

impl Ask {
    /// Asks for a resource.
    pub(crate) fn get(below: impl Into<String>) -> Self {
        Self { method: Method::GET, below: below.into(), headers: Vec::new(), payload: Payload::None }
    }

    /// Sends to a resource.
    pub(crate) fn post(below: impl Into<String>, payload: Payload) -> Self {
        Self { method: Method::POST, below: below.into(), headers: Vec::new(), payload }
    }

    /// With a header.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A connection, made anew where the server ended it between two calls.
pub(crate) struct Connection {
    client: Client,
    arrived: Arrived,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Sending>,
    driver: Arc<Driver>,
    /// Whether it has answered before: only then may the server have ended it for want of calls.
    is_used: bool,
    /// When the server will end it for want of calls, as it says.
    until: Option<Instant>,
}

impl Client {
    /// Calls by `net`; objects are read by `threads`.
    pub fn new(options: ClientOptions, net: ArcNet, threads: Threads) -> Self {
        Self { options, net, threads }
    }

    /// Where the server is.
    pub fn target(&self) -> &Target {
        &self.options.target
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Connection, HttpError> {
        let open = self.open().await?;
        Ok(Connection { client: self.clone(), arrived: Arrived::default(), open: Some(open) })
    }

    async fn open(&self) -> Result<Open, HttpError> {
        let ClientOptions { target, tls, connect_timeout, .. } = &self.options;
        let address = target.address();
        let failed = |source| HttpError::Connect { address: address.to_owned(), source };
        let stream = dial(&*self.net, address, tls.as_ref(), *connect_timeout).await.map_err(failed)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES_MAX);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| HttpError::Broken { url: target.to_string(), source })?;
        let driver = Arc::new(Driver::of(connection));
        Ok(Open { sender, driver, is_used: false, until: None })
    }

    fn request(&self, ask: &Ask, body: Sending) -> Result<Request<Sending>, HttpError> {
        let target = &self.options.target;
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(target.path(&ask.below))
            .header(HOST, target.address())
            .header(USER_AGENT, AGENT);
        if let Some(authorization) = target.authorization() {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        request.body(body).map_err(|source| HttpError::Unsent { url: target.url(&ask.below), source })
    }
}

impl Connection {
    /// Counts the bytes of the bodies that come.
    pub(crate) fn arrived(&self) -> Arrived {
        self.arrived.clone()
    }

    /// `host:port` of the server.
    pub(crate) fn address(&self) -> &str {
        self.client.options.target.address()
    }

    /// Puts a request and waits for the head of its answer.
    ///
    /// A kept connection that the server ended meanwhile is made anew once; what was sent over it is put again only if
    /// it is a question.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Answer, HttpError> {
        let mut kept = self.open.take();
        if let Some(open) = &mut kept
            && !is_ready(open, self.client.options.answer_timeout).await
        {
            kept = None;
        }
        let open = match kept {
            Some(open) => open,
            None => self.client.open().await?,
        };
        let may_be_stale = open.is_used && ask.payload.is_small();
        match self.ask_over(open, ask).await {
            Err(HttpError::Broken { .. }) if may_be_stale => {
                let fresh = self.client.open().await?;
                self.ask_over(fresh, ask).await
            }
            answered => answered,
        }
    }

    async fn ask_over(&mut self, mut open: Open, ask: &Ask) -> Result<Answer, HttpError> {
        let client = &self.client;
        let url = client.options.target.url(&ask.below);
        let patience = client.options.answer_timeout;
        let (body, feeder, mut progress) = ask.payload.begin(client.threads);
        let request = client.request(ask, body)?;
        let driver = Arc::clone(&open.driver);
        let answering = driver.along(open.sender.send_request(request));
        tokio::pin!(answering);
        let mut is_sending = true;
        let answered = loop {
            tokio::select! {
                biased;
                answered = &mut answering => break answered,
                moved = progress.changed(), if is_sending => is_sending = moved.is_ok(),
                () = sleep(patience) => return Err(HttpError::Silent { url, after: patience }),
            }
        };
        match answered {
            Ok(response) => {
                open.is_used = true;
                open.until = kept_until(response.headers());
                self.open = Some(open);
                Ok(answer(url, response, Arc::clone(&driver), self.arrived.clone(), patience, feeder))
            }
            Err(source) => {
                // Who reads the object waits until nobody takes it any more.
                driver.end();
                Err(match feeder.failure().await {
                    Some(unread) => HttpError::Source(unread),
                    None => HttpError::Broken { url, source },
                })
            }
        }
    }
}

/// Whether a kept connection takes a request: the answer before was read to its end, and the server has not hung up.
async fn is_ready(open: &mut Open, patience: Duration) -> bool {
    let is_fresh = open.until.is_none_or(|until| Instant::now() < until);
    let ready = open.driver.along(open.sender.ready());
    is_fresh && matches!(timeout(patience, ready).await, Ok(Ok(())))
}

/// When a server ends an idle connection, by its `Keep-Alive: timeout=`; somewhat earlier, since what is sent on the way is
/// lost.
fn kept_until(headers: &HeaderMap) -> Option<Instant> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    let seconds: u64 = seconds.trim().parse().ok().filter(|seconds| *seconds <= KEPT_SECONDS_MAX)?;
    Some(Instant::now() + Duration::from_secs(seconds) / 2)
}

fn answer(
    url: String,
    response: Response<Incoming>,
    driver: Arc<Driver>,
    arrived: Arrived,
    patience: Duration,
    feeder: Feeder,
) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        url,
        status: head.status,
        headers: head.headers,
        body,
        driver,
        patience,
        came: 0,
        arrived,
        _feeder: feeder,
    }
}
