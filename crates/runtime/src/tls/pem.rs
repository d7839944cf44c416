//! Certificates and keys from PEM files (RFC 7468).

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use x509_cert::der::Decode;

use super::{IdentityFiles, Validity};
use crate::disk::{Disk, read_small};

/// Longest PEM file read, in bytes: a bundle of all public authorities is a fifth of it.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read the PEM file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is no PEM, or lacks what is looked for.
    #[error("{path} has no {what} in PEM form")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The cause.
        #[source]
        source: PemFault,
    },
    /// A certificate cannot be taken as an authority.
    #[error("{path} has a certificate that cannot be trusted")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// The time of expiry cannot be read.
    #[error("{path} has a certificate without a readable validity")]
    Validity {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: x509_cert::der::Error,
    },
    /// The key does not belong to the certificate.
    #[error("the key {key} and the certificate {certificate} cannot be used together")]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// The authority for clients cannot be used.
    #[error("{path} cannot be used to check clients' certificates")]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: VerifierBuilderError,
    },
    /// The protocol versions and the cryptography do not fit.
    #[error("TLS cannot be set up")]
    Settings(#[source] rustls::Error),
}

/// Why nothing of a kind is found in a PEM file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// There is nothing of the kind.
    #[error("there is none in it")]
    Nothing,
    /// Something begins and does not end.
    #[error("it is cut off: what begins in it has no line `-----END {0}-----`")]
    CutOff(String),
    /// What is there cannot be decoded.
    #[error("it is damaged")]
    Damaged,
    /// There is a key that a password opens, and nobody could be asked for it.
    #[error(
        "the key in it is encrypted, and encrypted keys are not read: put the key there without a password (`openssl pkey -in OLD -out NEW`), in a file that only this user can read"
    )]
    Encrypted,
}

impl From<pem::Error> for PemFault {
    fn from(error: pem::Error) -> Self {
        match error {
            pem::Error::NoItemsFound => Self::Nothing,
            pem::Error::MissingSectionEnd { end_marker } => {
                Self::CutOff(String::from_utf8_lossy(&end_marker).into_owned())
            }
            _ => Self::Damaged,
        }
    }
}

impl TlsError {
    pub(super) fn settings(source: rustls::Error) -> Self {
        Self::Settings(source)
    }

    pub(super) fn pair(files: &IdentityFiles) -> impl FnOnce(rustls::Error) -> Self {
        move |source| Self::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source }
    }

    pub(super) fn authority(path: &Path) -> impl FnOnce(VerifierBuilderError) -> Self {
        move |source| Self::Authority { path: path.to_owned(), source }
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, TlsError> {
    read_small(disk, path, PEM_BYTES_MAX).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// All certificates of a file, at least one.
pub(super) fn chain(disk: &dyn Disk, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(disk, path)?;
    let bad = |source: pem::Error| TlsError::Pem {
        path: path.to_owned(),
        what: "certificate",
        source: source.into(),
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content).collect::<Result<_, _>>().map_err(bad)?;
    if chain.is_empty() {
        return Err(bad(pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// The first private key of a file.
pub(super) fn key(disk: &dyn Disk, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let content = read(disk, path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        let source = if is_encrypted(&content) { PemFault::Encrypted } else { error.into() };
        TlsError::Pem { path: path.to_owned(), what: "private key", source }
    })
}

/// Whether a file has a key that a password opens: as PKCS #8 (RFC 5958) or in the older form (RFC 1421).
fn is_encrypted(content: &[u8]) -> bool {
    let marks = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];
    let content = String::from_utf8_lossy(content);
    marks.iter().any(|mark| content.contains(mark))
}

/// When a chain is valid: from the time the last of it begins to the time the first of it ends.
pub(super) fn validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Validity, TlsError> {
    let mut valid = Validity { begins_us: i64::MIN, expires_us: i64::MAX };
    let micros =
        |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_micros()).unwrap_or(i64::MAX);
    for der in chain {
        let certificate = x509_cert::Certificate::from_der(der)
            .map_err(|source| TlsError::Validity { path: path.to_owned(), source })?;
        let of = certificate.tbs_certificate.validity;
        valid.begins_us = valid.begins_us.max(micros(of.not_before));
        valid.expires_us = valid.expires_us.min(micros(of.not_after));
    }
    Ok(valid)
}
