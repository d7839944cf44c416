//! Who is let in, and what web pages may read.

use std::time::Duration;

use outrigger_front::{Access, AuditEvent, Origins, WebOptions, WebServer};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;
use outrigger_runtime::{RealDisk, TlsClient, TlsServer};
use outrigger_sim::certificates::Authority;

use super::door::{
    ADMIN, Door, MULTIPART, READ, Said, WRITE, file, multipart, options, phantoms, say_over, with_tokens,
};
use crate::tls::identity;

over_both!(
    #[tokio::test]
    a_client_certificate_opens_over_tls_and_strangers_stay_outside,
    tokens_read_again_take_the_place_of_those_before,
    a_token_opens_what_its_right_says,
    without_tokens_only_this_machine_is_answered_and_by_no_other_name,
    a_request_is_for_one_host_alone_however_it_is_said,
    pages_of_named_origins_may_read_and_are_told_so_without_a_token,
    what_the_service_can_do_is_told_by_get_and_by_options,
);

async fn store(door: &Door, token: &str) -> Said {
    let body = multipart(&[file(&phantoms(1)[0])]);
    let head = format!(
        "POST /dicomweb/studies HTTP/1.1\r\nHost: pacs.example\r\nConnection: close\r\n{token}\
         Content-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    door.say(&head, &body).await
}

async fn search(door: &Door, token: &str) -> Said {
    let head =
        format!("GET /dicomweb/studies HTTP/1.1\r\nHost: pacs.example\r\nConnection: close\r\n{token}\r\n");
    door.say(&head, b"").await
}

/// Tokens that are read again count at once, also on a connection that stays; those of another listener do not.
async fn tokens_read_again_take_the_place_of_those_before(server: WebServer) {
    let door = Door::open(with_tokens(server)).await;
    let (old, new) = (format!("Authorization: Bearer {READ}\r\n"), "a-token-of-the-next-day");
    let fresh = format!("Authorization: Bearer {new}\r\n");
    let tokens = outrigger_front::Tokens::parse(&format!("read {new}")).unwrap();
    let elsewhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    door.tokens.send_replace([(elsewhere, tokens.clone())].into());
    assert_eq!((search(&door, &old).await.status, search(&door, &fresh).await.status), (200, 401));
    door.tokens.send_replace([(options(server).listen, tokens.clone())].into());
    assert_eq!((search(&door, &old).await.status, search(&door, &fresh).await.status), (401, 200));
    assert_eq!(store(&door, &fresh).await.status, 403);
    let open = Door::open(options(server)).await;
    open.tokens.send_replace([(options(server).listen, tokens)].into());
    let path = "/dicomweb/studies";
    assert_eq!(open.get(path).await.status, 200, "a door without tokens does not get any");
}

async fn a_token_opens_what_its_right_says(server: WebServer) {
    let mut door = Door::open(with_tokens(server)).await;
    for (token, searches, stores) in [
        (format!("Authorization: Bearer {READ}\r\n"), 200, 403),
        (format!("Authorization: Bearer {WRITE}\r\n"), 403, 200),
        (format!("Authorization: Bearer {ADMIN}\r\n"), 200, 200),
        (format!("Authorization: Bearer {READ}x\r\n"), 401, 401),
        (format!("Authorization: Basic {READ}\r\n"), 401, 401),
        ("Authorization: Bearer\r\n".to_owned(), 401, 401),
        (String::new(), 401, 401),
    ] {
        let said = search(&door, &token).await;
        assert_eq!(said.status, searches, "{token}: {said:?}");
        assert_eq!(said.fields("www-authenticate").is_empty(), searches != 401, "{said:?}");
        assert_eq!(store(&door, &token).await.status, stores, "{token}");
    }
    assert_eq!(door.service.shelf.kept().len(), 2);
    let mut events = Vec::new();
    while let Ok(event) = door.audit.try_recv() {
        events.push(event);
    }
    let rejected = events.iter().filter(|event| matches!(event, AuditEvent::AssociationRejected { .. }));
    assert_eq!(rejected.count(), 10, "{events:?}");
    let users: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            AuditEvent::Queried { party, .. } | AuditEvent::Stored { party, .. } => party.user.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(users.len(), 4);
    assert!(users.iter().all(|user| user.starts_with("token:") && !user.contains("0123")), "{users:?}");
}

async fn without_tokens_only_this_machine_is_answered_and_by_no_other_name(server: WebServer) {
    let door = Door::open(options(server)).await;
    assert_eq!(door.get("/dicomweb/studies").await.status, 200);
    // A page from elsewhere whose name was made to lead here.
    let said = search(&door, "").await;
    assert_eq!(said.status, 403, "{said:?}");
    let narrowed =
        Door::open(WebOptions { hosts: vec!["10.0.0.0/8".parse().unwrap()], ..with_tokens(server) }).await;
    assert_eq!(search(&narrowed, &format!("Authorization: Bearer {ADMIN}\r\n")).await.status, 403);
}

/// A request that names two hosts is read as the one by whoever let it pass, and as the other here.
async fn a_request_is_for_one_host_alone_however_it_is_said(server: WebServer) {
    let (open, tokens) = (Door::open(options(server)).await, Door::open(with_tokens(server)).await);
    let admin = format!("Authorization: Bearer {ADMIN}\r\n");
    for (target, hosts, of_open, of_tokens) in [
        ("/dicomweb/studies", &["127.0.0.1"][..], 200, 200),
        ("/dicomweb/studies", &["127.0.0.1", "rebound.example"], 400, 400),
        ("/dicomweb/studies", &["rebound.example", "127.0.0.1"], 400, 400),
        ("/dicomweb/studies", &["127.0.0.1", "127.0.0.1"], 400, 400),
        ("/dicomweb/studies", &["127.0.0.1, rebound.example"], 403, 200),
        ("/dicomweb/studies", &["127.0.0.1:80@rebound.example"], 403, 200),
        ("http://127.0.0.1/dicomweb/studies", &["127.0.0.1"], 200, 200),
        ("http://127.0.0.1/dicomweb/studies", &[], 400, 400),
        ("http://rebound.example/dicomweb/studies", &["127.0.0.1"], 400, 400),
        ("http://rebound.example/dicomweb/studies", &["rebound.example"], 403, 200),
        ("http://rebound.example/dicomweb/studies", &[], 400, 400),
        ("http://127.0.0.1:80@rebound.example/dicomweb/studies", &["127.0.0.1:80@rebound.example"], 403, 200),
        ("http://rebound.example/dicomweb", &["127.0.0.1"], 400, 400),
    ] {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let head = |token: &str| format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n{token}\r\n");
        let said = open.say(&head(""), b"").await;
        assert_eq!(said.status, of_open, "{target} {hosts:?}: {said:?}");
        let said = tokens.say(&head(&admin), b"").await;
        assert_eq!(said.status, of_tokens, "{target} {hosts:?}: {said:?}");
    }
}

async fn a_client_certificate_opens_over_tls_and_strangers_stay_outside(server: WebServer) {
    let authority = Authority::new().unwrap();
    let ca = authority.certificate();
    let tls = TlsServer::load(&RealDisk, &identity(&authority, "front"), Some(&ca)).unwrap();
    let door =
        Door::open(WebOptions { tls: Some(tls), access: Access::Certificates, ..options(server) }).await;
    let address = door.listening.address.to_string();
    let head = "GET /dicomweb/ HTTP/1.1\r\nHost: pacs.example\r\nConnection: close\r\n\r\n";
    let known = TlsClient::load(&RealDisk, &ca, Some(&identity(&authority, "viewer"))).unwrap();
    let stream = dial(&Tcp, &address, Some(&known), Duration::from_secs(10)).await.unwrap();
    let said = say_over(stream, head, b"").await;
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(said.json()["base"], "https://pacs.example/dicomweb");

    let nameless = TlsClient::load(&RealDisk, &ca, None).unwrap();
    for tls in [None, Some(&nameless)] {
        let Ok(mut stream) = dial(&Tcp, &address, tls, Duration::from_secs(10)).await else { continue };
        let mut answer = Vec::new();
        let written = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{written:?} {read:?} {answer:?}");
    }
}

async fn pages_of_named_origins_may_read_and_are_told_so_without_a_token(server: WebServer) {
    const ORIGIN: &str = "https://viewer.example";
    let origins = Origins::These(vec![ORIGIN.to_owned()]);
    let door = Door::open(WebOptions { origins, ..with_tokens(server) }).await;
    let ask = |origin: &str| {
        format!(
            "OPTIONS /dicomweb/studies HTTP/1.1\r\nHost: pacs.example\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
        )
    };
    let said = door.say(&ask(ORIGIN), b"").await;
    assert_eq!((said.status, said.fields("access-control-allow-origin")), (204, vec![ORIGIN]));
    assert!(said.fields("access-control-allow-headers")[0].contains("Authorization"));
    for other in ["https://evil.example", "https://viewer.example.evil", "null"] {
        assert!(door.say(&ask(other), b"").await.fields("access-control-allow-origin").is_empty());
    }
    let answered = search(&door, &format!("Origin: {ORIGIN}\r\nAuthorization: Bearer {READ}\r\n")).await;
    assert_eq!((answered.status, answered.fields("access-control-allow-origin")), (200, vec![ORIGIN]));
    // Who may ask for a range may read which one came.
    let exposed = answered.fields("access-control-expose-headers")[0];
    for field in ["Accept-Ranges", "Content-Location", "Content-Range", "Retry-After", "Warning"] {
        assert!(exposed.split(", ").any(|name| name == field), "{field}: {exposed}");
    }
    // A refusal may be read as well, or a viewer cannot tell why.
    let refused = search(&door, &format!("Origin: {ORIGIN}\r\n")).await;
    assert_eq!((refused.status, refused.fields("access-control-allow-origin")), (401, vec![ORIGIN]));
    let closed = Door::open(options(server)).await;
    assert!(closed.say(&ask(ORIGIN), b"").await.fields("access-control-allow-origin").is_empty());
}

async fn what_the_service_can_do_is_told_by_get_and_by_options(server: WebServer) {
    let door = Door::open(options(server)).await;
    for head in ["GET /dicomweb/", "GET /dicomweb", "OPTIONS /dicomweb/", "GET /dicomweb/capabilities"] {
        let said =
            door.say(&format!("{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), b"").await;
        assert_eq!(said.status, 200, "{head}: {said:?}");
        let answer = said.json();
        for transaction in ["search", "store", "retrieve"] {
            assert!(!answer[transaction]["resources"].as_array().unwrap().is_empty(), "{answer}");
        }
    }
}
