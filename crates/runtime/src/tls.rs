//! TLS over any connection: 1.2 and 1.3, AEAD suites with ephemeral keys only (PS3.15 section B.12).

mod pem;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::disk::Disk;
use crate::net::{BoxStream, Net, Stream};

pub use pem::TlsError;

/// What is spoken, the better first.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A certificate chain and its private key, each a PEM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// The key of the first certificate: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// When a certificate is valid, with all above it: in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub begins_us: i64,
    /// Until then.
    pub expires_us: i64,
}

/// The accepting side.
#[derive(Clone)]
pub struct TlsServer {
    acceptor: TlsAcceptor,
    validity: Validity,
}

/// The calling side.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    server_name: Option<String>,
    validity: Option<Validity>,
}

impl TlsServer {
    /// Loads what a server shows; with `client_ca`, only clients with a certificate of that authority are let in.
    pub fn load(
        disk: &dyn Disk,
        identity: &IdentityFiles,
        client_ca: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let (chain, key) = (pem::chain(disk, &identity.certificate)?, pem::key(disk, &identity.key)?);
        let validity = pem::validity(&identity.certificate, &chain)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(VERSIONS)
            .map_err(TlsError::settings)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(disk, path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                builder.with_client_cert_verifier(verifier.map_err(TlsError::authority(path))?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(TlsError::pair(identity))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), validity })
    }

    /// Ends when the handshake is done; the caller bounds the time.
    pub async fn accept(&self, stream: BoxStream) -> io::Result<BoxStream> {
        Ok(Box::new(self.acceptor.accept(stream).await?))
    }

    /// When our certificate is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl TlsClient {
    /// Trusts servers with a certificate of the authority in `ca`; `identity` is shown where a server asks for one.
    pub fn load(disk: &dyn Disk, ca: &Path, identity: Option<&IdentityFiles>) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(TlsError::settings)?
            .with_root_certificates(roots(disk, ca)?);
        let (config, validity) = match identity {
            None => (builder.with_no_client_auth(), None),
            Some(files) => {
                let (chain, key) = (pem::chain(disk, &files.certificate)?, pem::key(disk, &files.key)?);
                let validity = pem::validity(&files.certificate, &chain)?;
                let config = builder.with_client_auth_cert(chain, key).map_err(TlsError::pair(files))?;
                (config, Some(validity))
            }
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server_name: None, validity })
    }

    /// The name that certificates must carry, where it is not the host that is called.
    #[must_use]
    pub fn expecting(self, server_name: String) -> Self {
        Self { server_name: Some(server_name), ..self }
    }

    /// Speaks TLS over `stream` to the server at `host`, a DNS name or an address, which its certificate must name.
    pub async fn connect(&self, host: &str, stream: BoxStream) -> io::Result<BoxStream> {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }

    /// When our certificate, if we have one, is valid.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }
}

/// Whether a certificate can carry this name: a DNS name or an address.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// Connects to `host:port`, with TLS if it is spoken there, within `limit`.
pub async fn dial(
    net: &dyn Net,
    address: &str,
    tls: Option<&TlsClient>,
    limit: Duration,
) -> io::Result<BoxStream> {
    let connecting = async {
        let stream = net.connect(address).await?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host.trim_matches(['[', ']']));
        match tls {
            None => Ok(stream),
            Some(tls) => tls.connect(host, stream).await,
        }
    };
    timeout(limit, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl Stream for server::TlsStream<BoxStream> {
    fn quick_ack(&self) {
        self.get_ref().0.quick_ack();
    }
}

impl Stream for client::TlsStream<BoxStream> {
    fn quick_ack(&self) {
        self.get_ref().0.quick_ack();
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(disk: &dyn Disk, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let add = |certificate: CertificateDer<'static>| {
        roots.add(certificate).map_err(|source| TlsError::Certificate { path: path.to_owned(), source })
    };
    pem::chain(disk, path)?.into_iter().try_for_each(add)?;
    Ok(roots)
}

#[cfg(test)]
mod tests;
