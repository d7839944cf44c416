//! What can go wrong with a call to a web server, in words that name the URL and never the credentials.

use std::io;
use std::time::Duration;

use outrigger_runtime::BlockError;

use crate::contract::{ConnectError, MemberError};

/// Why a call to a web server came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("no connection to {address}")]
    Connect {
        /// `host:port`.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nothing came, or nothing was taken, for so long.
    #[error("{url} said nothing for {} s", .after.as_secs_f32())]
    Silent {
        /// Of what.
        url: String,
        /// How long.
        after: Duration,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the connection with {url} broke")]
    Broken {
        /// Of what.
        url: String,
        /// The cause.
        #[source]
        source: hyper::Error,
    },
    /// The body ended before all of it had come.
    #[error("the answer of {url} was cut after {after} bytes")]
    Cut {
        /// Of what.
        url: String,
        /// Bytes that came.
        after: u64,
        /// The cause.
        #[source]
        source: hyper::Error,
    },
    /// More came than is read.
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLong {
        /// Of what.
        url: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes to be sent cannot be read.
    #[error("the object's bytes could not be read")]
    Source(#[source] BlockError),
    /// What is to be asked makes no request.
    #[error("no request can be made for {url}")]
    Unsent {
        /// Of what.
        url: String,
        /// The cause.
        #[source]
        source: hyper::http::Error,
    },
}

/// A status that is no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} answered {operation} with {code}{words}{}", again_in_words(.retry_after.as_deref()))]
pub struct HttpRefusal {
    /// What was being done.
    pub operation: &'static str,
    /// Of what, without credentials.
    pub url: String,
    /// The status code.
    pub code: u16,
    /// Its phrase, and the beginning of what the server says of it.
    pub words: String,
    /// When it wants to be asked again, as it says it.
    pub retry_after: Option<String>,
}

fn again_in_words(retry_after: Option<&str>) -> String {
    retry_after.map(|value| format!(" (Retry-After: {value})")).unwrap_or_default()
}

impl HttpRefusal {
    /// What is said of it to clients, who need not know the servers of the network behind.
    pub fn without_url(&self) -> String {
        let Self { operation, code, retry_after, .. } = self;
        format!("its web server answered {operation} with {code}{}", again_in_words(retry_after.as_deref()))
    }
}

impl HttpError {
    /// As the error of an operation.
    pub(crate) fn during(self, operation: &'static str) -> MemberError {
        match self {
            Self::Connect { address, source } => {
                MemberError::Connect(ConnectError::Network { address, source: Box::new(source) })
            }
            Self::Source(source) => MemberError::Source(source),
            other => MemberError::Lost { operation, source: Box::new(other) },
        }
    }

    /// As the error of the question whether the server is there: silence is like no connection.
    pub(crate) fn of_health(self, address: &str, operation: &'static str) -> MemberError {
        match self {
            Self::Silent { .. } => MemberError::Connect(ConnectError::Network {
                address: address.to_owned(),
                source: Box::new(io::Error::from(io::ErrorKind::TimedOut)),
            }),
            other => other.during(operation),
        }
    }
}
