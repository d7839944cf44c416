//! A web server behind TLS that wants a token.

use std::sync::Arc;
use std::time::Duration;

use outrigger_member::http::{Client, ClientOptions, Target};
use outrigger_member::{DicomwebMember, Member};
use outrigger_model::with_causes;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{IdentityFiles, RealDisk, Threads, TlsClient, TlsServer};
use outrigger_sim::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scripted::spool;
use crate::web::answer;

/// Answers searches with nothing found to whoever shows the token; gives its port.
async fn serve(tls: TlsServer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = tls.accept(Box::new(stream)).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
            let head = String::from_utf8(head).unwrap();
            let said = if head.contains("authorization: Bearer t0ken\r\n") {
                answer("200 OK", "", "[]")
            } else {
                answer("401 Unauthorized", "", "")
            };
            stream.write_all(&said).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn a_server_behind_tls_is_spoken_to_if_its_certificate_is_good_and_is_shown_the_token() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let theirs = authority.issue("pacs").unwrap();
    let identity = IdentityFiles { certificate: theirs.certificate, key: theirs.key };
    let port = serve(TlsServer::load(&RealDisk, &identity, None).unwrap()).await;
    let directory = tempfile::tempdir().unwrap();
    let member = |authority: &Authority, token: &str| {
        let target = Target::read(&format!("https://127.0.0.1:{port}/dicom-web")).unwrap();
        let options = ClientOptions {
            target: target.with_token(token).unwrap(),
            tls: Some(TlsClient::load(&RealDisk, &authority.certificate(), None).unwrap()),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(5),
        };
        DicomwebMember::new(Client::new(options, Arc::new(Tcp), Threads::System), spool(&directory))
    };
    member(&authority, "t0ken").health().await.unwrap();
    let refused = with_causes(&member(&authority, "other").health().await.unwrap_err());
    assert!(refused.contains("answered QIDO-RS with 401") && !refused.contains("other"), "{refused}");
    let unknown = with_causes(&member(&stranger, "t0ken").health().await.unwrap_err());
    assert!(unknown.contains("no connection to") && unknown.contains("certificate"), "{unknown}");
}
