//! C-STORE over TLS, with and without a client certificate.

use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::Settings;
use outrigger_front::DimseOptions;
use outrigger_model::Status;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;
use outrigger_runtime::{IdentityFiles, RealDisk, TlsClient, TlsServer};
use outrigger_sim::certificates::Authority;

use crate::station::{Station, options, proposal, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

pub(crate) fn identity(authority: &Authority, name: &str) -> IdentityFiles {
    let issued = authority.issue(name).unwrap();
    IdentityFiles { certificate: issued.certificate, key: issued.key }
}

#[tokio::test]
async fn an_object_arrives_over_tls_and_strangers_do_not() {
    let authority = Authority::new().unwrap();
    let ca = authority.certificate();
    let tls = TlsServer::load(&RealDisk, &identity(&authority, "front"), Some(&ca)).unwrap();
    let station = Station::start(DimseOptions { tls: Some(tls), ..options() }).await;
    let address = station.listening.address.to_string();
    let known = TlsClient::load(&RealDisk, &ca, Some(&identity(&authority, "modality"))).unwrap();
    let stream = dial(&Tcp, &address, Some(&known), Duration::from_secs(10)).await.unwrap();
    let contexts: &[(&str, &[&str])] = &[(CT, &[EXPLICIT_VR_LE])];
    let mut association =
        outrigger_dimse::request(stream, &Settings::STANDARD, proposal("CT1", contexts)).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::Ct);
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    association.release().await.unwrap();
    assert_eq!(station.shelf.kept()[0].bytes, phantom.data_set);

    let nameless = TlsClient::load(&RealDisk, &ca, None).unwrap();
    for tls in [None, Some(&nameless)] {
        let Ok(stream) = dial(&Tcp, &address, tls, Duration::from_secs(10)).await else { continue };
        let refused = outrigger_dimse::request(stream, &Settings::STANDARD, proposal("CT1", contexts)).await;
        assert!(refused.is_err(), "no association without a certificate");
    }
}
