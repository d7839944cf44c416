//! Where an object store is, and how it is called.

use std::time::Duration;

use outrigger_runtime::TlsClient;

/// Where an object store is, and how it is called.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket, which exists.
    pub bucket: String,
    /// What the archive's keys begin with; may be empty.
    pub prefix: String,
    /// URL of the server, `http` or `https`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket stands in the path, or else before the host name.
    pub path_style: bool,
    /// Who calls.
    pub credentials: S3Credentials,
    /// TLS, where the endpoint is `https`.
    pub tls: Option<TlsClient>,
    /// Longest wait for one request and its answer, of at most 8 MiB.
    pub timeout: Duration,
    /// How long a request that fails is tried again.
    pub retry_for: Duration,
}

/// Who calls an object store.
#[derive(Debug, Clone)]
pub struct S3Credentials {
    /// Access key ID.
    pub access_key: Secret,
    /// Secret access key.
    pub secret_key: Secret,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever must show it to a server.
    pub(super) fn shown(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
