//! C-STORE over TLS, with and without a client certificate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::Settings;
use outrigger_front::DimseOptions;
use outrigger_model::Status;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;
use outrigger_runtime::{IdentityFiles, RealDisk, TlsClient, TlsServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::station::{Station, options, proposal, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// An authority with a certificate for each name given, as files.
pub(crate) struct Certificates {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) ca: PathBuf,
}

impl Certificates {
    pub(crate) fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, ca.pem()).unwrap();
        for name in names {
            let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, *name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &ca).unwrap();
            let IdentityFiles { certificate: to, key: key_to } = identity(directory.path(), name);
            std::fs::write(to, certificate.pem()).unwrap();
            std::fs::write(key_to, key.serialize_pem()).unwrap();
        }
        Self { directory, ca: path }
    }

    pub(crate) fn identity(&self, name: &str) -> IdentityFiles {
        identity(self.directory.path(), name)
    }
}

fn identity(directory: &Path, name: &str) -> IdentityFiles {
    IdentityFiles {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    }
}

#[tokio::test]
async fn an_object_arrives_over_tls_and_strangers_do_not() {
    let certificates = Certificates::new(&["front", "modality"]);
    let front = certificates.identity("front");
    let tls = TlsServer::load(&RealDisk, &front, Some(&certificates.ca)).unwrap();
    let station = Station::start(DimseOptions { tls: Some(tls), ..options() }).await;
    let address = station.listening.address.to_string();
    let modality = certificates.identity("modality");
    let known = TlsClient::load(&RealDisk, &certificates.ca, Some(&modality)).unwrap();
    let stream = dial(&Tcp, &address, Some(&known), Duration::from_secs(10)).await.unwrap();
    let contexts: &[(&str, &[&str])] = &[(CT, &[EXPLICIT_VR_LE])];
    let mut association =
        outrigger_dimse::request(stream, &Settings::STANDARD, proposal("CT1", contexts)).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::Ct);
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    association.release().await.unwrap();
    assert_eq!(station.shelf.kept()[0].bytes, phantom.data_set);

    let nameless = TlsClient::load(&RealDisk, &certificates.ca, None).unwrap();
    for tls in [None, Some(&nameless)] {
        let Ok(stream) = dial(&Tcp, &address, tls, Duration::from_secs(10)).await else { continue };
        let refused = outrigger_dimse::request(stream, &Settings::STANDARD, proposal("CT1", contexts)).await;
        assert!(refused.is_err(), "no association without a certificate");
    }
}
