#![allow(clippy::disallowed_methods, reason = "certificates for a test are written straight")]

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::disk::RealDisk;
use crate::net::Tcp;

/// 2033-05-18T03:33:20Z.
const EXPIRES_S: i64 = 2_000_000_000;

/// 2017-07-14T02:40:00Z.
const BEGINS_S: i64 = 1_500_000_000;

fn authority(directory: &Path, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join(format!("{name}.pem")), ca.pem()).unwrap();
    ca
}

fn identity(directory: &Path, name: &str, ca: &CertifiedIssuer<'static, KeyPair>) -> IdentityFiles {
    let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    params.not_before = ::time::OffsetDateTime::from_unix_timestamp(BEGINS_S).unwrap();
    params.not_after = ::time::OffsetDateTime::from_unix_timestamp(EXPIRES_S).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    let files = IdentityFiles {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// What the server read of what the client sent, or which side failed.
async fn spoken(server: TlsServer, client: TlsClient, host: &str) -> io::Result<Vec<u8>> {
    let listener = Tcp.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut stream = server.accept(listener.accept().await?.0).await?;
        let mut read = vec![0; 5];
        stream.quick_ack();
        stream.read_exact(&mut read).await?;
        io::Result::Ok(read)
    });
    let address = address.replace("127.0.0.1", "localhost");
    let client = client.expecting(host.to_owned());
    let mut stream = dial(&Tcp, &address, Some(&client), Duration::from_secs(10)).await?;
    stream.write_all(b"hello").await?;
    stream.flush().await?;
    serving.await.unwrap()
}

#[tokio::test]
async fn both_sides_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(directory.path(), "ours"), authority(directory.path(), "theirs"));
    let here = identity(directory.path(), "server", &ours);
    let there = identity(directory.path(), "client", &ours);
    let stranger = identity(directory.path(), "stranger", &theirs);
    let (ca, other_ca) = (directory.path().join("ours.pem"), directory.path().join("theirs.pem"));
    let open = TlsServer::load(&RealDisk, &here, None).unwrap();
    let strict = TlsServer::load(&RealDisk, &here, Some(&ca)).unwrap();
    let client = |ca, identity| TlsClient::load(&RealDisk, ca, identity).unwrap();

    assert_eq!(spoken(open.clone(), client(&ca, None), "localhost").await.unwrap(), b"hello");
    assert_eq!(spoken(strict.clone(), client(&ca, Some(&there)), "127.0.0.1").await.unwrap(), b"hello");
    spoken(open.clone(), client(&other_ca, None), "localhost").await.unwrap_err();
    spoken(open, client(&ca, None), "elsewhere.example").await.unwrap_err();
    spoken(strict.clone(), client(&ca, None), "localhost").await.unwrap_err();
    spoken(strict, client(&ca, Some(&stranger)), "localhost").await.unwrap_err();
}

#[test]
fn validity_is_read_and_mistakes_name_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let ca = authority(directory.path(), "ca");
    let files = identity(directory.path(), "server", &ca);
    let server = TlsServer::load(&RealDisk, &files, None).unwrap();
    let validity = Validity { begins_us: BEGINS_S * 1_000_000, expires_us: EXPIRES_S * 1_000_000 };
    assert_eq!(server.validity(), validity);
    let client = TlsClient::load(&RealDisk, &directory.path().join("ca.pem"), Some(&files)).unwrap();
    assert_eq!(client.validity(), Some(validity));

    let swapped = IdentityFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    let error = TlsServer::load(&RealDisk, &swapped, None).unwrap_err();
    assert!(error.to_string().contains("server.key has no certificate"), "{error}");
    let other = identity(directory.path(), "other", &ca);
    let mixed = IdentityFiles { key: other.key, ..files };
    assert!(matches!(TlsServer::load(&RealDisk, &mixed, None), Err(TlsError::Pair { .. })));
}
