//! Certificates for tests of TLS: an authority and what it signs, as PEM files.

#![allow(clippy::disallowed_methods, reason = "real programs read these files")]

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::peers::PeerError;

/// An authority of its own, with a directory for its files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The library that makes them.
    #[error("cannot make a certificate for {name}")]
    Make {
        /// Whose it was to be.
        name: String,
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// Its file.
    #[error(transparent)]
    File(#[from] PeerError),
}

impl Authority {
    /// Makes an authority; its certificate stands in a file.
    pub fn new() -> Result<Self, CertificateError> {
        let directory =
            TempDir::with_prefix("outrigger-ca-").map_err(PeerError::file(std::env::temp_dir()))?;
        let made = parameters("test authority", Vec::new()).and_then(|mut parameters| {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)
        });
        let issuer = made.map_err(failed("test authority"))?;
        write(&directory.path().join("authority.pem"), &issuer.pem())?;
        Ok(Self { issuer, directory })
    }

    /// The file with the certificate that others trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// A certificate for a program on loopback, as server and as client.
    pub fn issue(&self, name: &str) -> Result<Identity, CertificateError> {
        self.sign(name, parameters(name, on_loopback()))
    }

    /// The same, with a validity that ended in 2020.
    pub fn issue_expired(&self, name: &str) -> Result<Identity, CertificateError> {
        let parameters = parameters(name, on_loopback()).map(|mut parameters| {
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
            parameters
        });
        self.sign(name, parameters)
    }

    fn sign(
        &self,
        name: &str,
        parameters: Result<CertificateParams, rcgen::Error>,
    ) -> Result<Identity, CertificateError> {
        let made = parameters.and_then(|parameters| {
            let key = KeyPair::generate()?;
            Ok((parameters.signed_by(&key, &self.issuer)?, key))
        });
        let (certificate, key) = made.map_err(failed(name))?;
        let at = |kind: &str| self.directory.path().join(format!("{name}-{kind}.pem"));
        let identity = Identity { certificate: at("certificate"), key: at("key") };
        write(&identity.certificate, &certificate.pem())?;
        write(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }
}

fn on_loopback() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

fn parameters(name: &str, hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}

fn failed(name: &str) -> impl FnOnce(rcgen::Error) -> CertificateError {
    let name = name.to_owned();
    move |source| CertificateError::Make { name, source }
}

fn write(path: &Path, text: &str) -> Result<(), PeerError> {
    fs::write(path, text).map_err(PeerError::file(path))
}
