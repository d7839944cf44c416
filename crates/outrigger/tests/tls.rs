//! A front door behind TLS, with and without client certificates.

use outrigger_member::Member;
use outrigger_runtime::{IdentityFiles, RealDisk, TlsClient};
use outrigger_sim::certificates::{Authority, Identity};
use outrigger_sim::peers::{Nagle, Station, StoreScu};
use tempfile::TempDir;

use crate::door::{Door, ae, head};
use crate::modality::{objects, reached, store};

/// A listener with the certificate given; clients must have one where `clients` says whom they are known by.
async fn secure(server: &Identity, clients: Option<&Authority>) -> Door {
    let directory = TempDir::new().unwrap();
    let mut lines = format!(
        "[front.dimse.tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
        server.certificate.display(),
        server.key.display()
    );
    if let Some(authority) = clients {
        lines += &format!("client_ca_file = \"{}\"\n", authority.certificate().display());
    }
    let text = head(directory.path(), 0, &lines);
    Door::open_with(directory, &text).await
}

fn client(authority: &Authority, identity: Option<&Identity>) -> TlsClient {
    let files = identity.map(|identity| IdentityFiles {
        certificate: identity.certificate.clone(),
        key: identity.key.clone(),
    });
    TlsClient::load(&RealDisk, &authority.certificate(), files.as_ref()).unwrap()
}

/// Whether a modality with this client is served.
async fn is_served(station: &Station, tls: Option<TlsClient>) -> bool {
    let sent = &objects(1, 1)[0];
    let Ok(mut session) = reached(station, tls).open(&[sent.need()], &ae("CT1")).await else { return false };
    store(&mut *session, sent).await == outrigger_model::Status::SUCCESS
}

#[tokio::test]
async fn a_secure_door_serves_whom_it_knows() {
    let (authority, strangers) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (server, known) = (authority.issue("door").unwrap(), authority.issue("modality").unwrap());
    let stranger = strangers.issue("stranger").unwrap();

    let open = secure(&server, None).await;
    assert!(is_served(&open.station(), Some(client(&authority, None))).await);
    assert!(!is_served(&open.station(), None).await, "an answer without TLS");
    assert!(
        !is_served(&open.station(), Some(client(&strangers, None))).await,
        "a server of strangers is trusted"
    );

    let closed = secure(&server, Some(&authority)).await;
    assert!(is_served(&closed.station(), Some(client(&authority, Some(&known)))).await);
    assert!(
        !is_served(&closed.station(), Some(client(&authority, None))).await,
        "served without a certificate"
    );
    let unknown = client(&authority, Some(&stranger));
    assert!(!is_served(&closed.station(), Some(unknown)).await, "served with a stranger's certificate");
}

#[tokio::test]
async fn peer_dcmtk_stores_over_tls() {
    let authority = Authority::new().unwrap();
    let (server, known) = (authority.issue("door").unwrap(), authority.issue("modality").unwrap());
    let door = secure(&server, Some(&authority)).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("1.dcm");
    let phantom =
        outrigger_sim::phantom::corpus(1, outrigger_sim::phantom::Shape::SmallCt, 1).next().unwrap();
    std::fs::write(&file, phantom.file()).unwrap();
    let authority = authority.certificate();
    let [key, certificate, authority] =
        [&known.key, &known.certificate, &authority].map(|path| path.to_str().unwrap());
    let (calling, called, files) = (ae("CT1"), door.station(), [file]);
    for (options, served) in [
        (&["+tls", key, certificate, "+cf", authority][..], 1),
        (&["+tla", "+cf", authority], 0),
        (&["-ta", "5"], 0),
    ] {
        let scu = StoreScu { calling: &calling, called: &called, files: &files, options, nagle: Nagle::Off };
        let run = scu.run().await.unwrap();
        assert_eq!(run.successes(), served, "{}", run.run.said());
    }
}
