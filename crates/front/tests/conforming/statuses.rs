//! Status codes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use outrigger_front::{Limits, WebOptions, WebServer, WebTimers};

use super::answers::images;
use super::statement::rows;
use crate::wado::rack::{Counter, State};
use crate::web::door::{Door, MULTIPART, READ, file, multipart, options, phantoms, with_tokens};

over_both!(
    #[tokio::test]
    the_status_codes_of_the_statement_are_those_that_are_answered,
);

/// Statuses that the sources of the web door name.
fn named(directory: &Path) -> BTreeSet<u16> {
    let code = |name: &str| {
        let is_it = |status: &StatusCode| {
            let reason = status.canonical_reason().unwrap_or_default().to_uppercase();
            reason.replace([' ', '-'], "_") == name
        };
        (100..600).filter_map(|code| StatusCode::from_u16(code).ok()).find(is_it).expect(name).as_u16()
    };
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(named(&entry));
            continue;
        }
        let text = std::fs::read_to_string(&entry).unwrap();
        let names = text.split("StatusCode::").skip(1).map(|rest| {
            rest.split(|character: char| !character.is_ascii_uppercase() && character != '_').next().unwrap()
        });
        found.extend(names.filter(|name| !name.is_empty()).map(code));
    }
    found
}

/// What a door without tokens answers to requests of each kind.
async fn of_a_door(server: WebServer) -> BTreeSet<u16> {
    let timers = WebTimers { inactivity: Duration::from_millis(200), ..options(server).timers };
    let door = Door::open(WebOptions { timers, ..options(server) }).await;
    let body = multipart(&[file(&phantoms(1)[0]), b"no object".to_vec()]);
    let mut saw = BTreeSet::new();
    for (path, kind, body) in [
        ("/studies", MULTIPART, &body[..]),
        ("/studies/1.2", MULTIPART, &multipart(&[file(&phantoms(1)[0])])),
        ("/studies", "text/plain", b""),
        ("/series", MULTIPART, b""),
    ] {
        saw.insert(door.post(&format!("/dicomweb{path}"), kind, body).await.status);
    }
    let long = "a".repeat(70_000);
    for path in
        ["/studies", "/studies?offset=9999999", "/nothing", "/studies?limit=x", &format!("/studies/{long}")]
    {
        saw.insert(door.get(&format!("/dicomweb{path}")).await.status);
    }
    for field in ["Host: elsewhere", "Accept: text/html", &format!("X: {}", "a".repeat(200_000))] {
        saw.insert(door.get_with("/dicomweb/studies", field).await.status);
    }
    let named = "GET /dicomweb/studies HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n";
    saw.insert(door.say(named, b"").await.status);
    let preflight = "OPTIONS /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://viewer.example\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
    saw.insert(door.say(preflight, b"").await.status);
    let short = format!(
        "POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\nContent-Length: 100\r\n\r\n"
    );
    saw.insert(door.say(&short, b"--b").await.status);
    let full = Limits { associations: 0, associations_per_address: 0 };
    saw.insert(
        Door::open(WebOptions { limits: full, ..options(server) })
            .await
            .get("/dicomweb/studies")
            .await
            .status,
    );
    saw.insert(
        Door::open(with_tokens(server))
            .await
            .get_with("/dicomweb/studies", &format!("X: {READ}"))
            .await
            .status,
    );
    saw
}

async fn the_status_codes_of_the_statement_are_those_that_are_answered(server: WebServer) {
    let mut stated: BTreeSet<u16> = rows("Status codes").iter().map(|row| row[0].parse().unwrap()).collect();
    let mut sources = named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"));
    // Of a service without storage commitment, which no node is.
    assert!(sources.remove(&501));
    assert_eq!(sources.difference(&stated).collect::<Vec<_>>(), Vec::<&u16>::new());
    let mut saw = of_a_door(server).await;
    let mut images = images();
    let gone = images.remove(2).but(State::Gone);
    images.push(gone.clone());
    let in_syntax = |syntax: &str| {
        images.iter().find(|image| image.transfer_syntax.as_str() == syntax).expect(syntax).path()
    };
    let (native, video) = (images[0].path(), in_syntax("1.2.840.10008.1.2.4.102"));
    let damaged = in_syntax("1.2.840.10008.1.2.5");
    let counter = Counter::with(server, &images).await;
    for path in [gone.path(), format!("{damaged}/rendered"), format!("{native}/frames/9")] {
        saw.insert(counter.get(&path).await.status);
    }
    for range in ["Range: bytes=0-1", "Range: bytes=99999999-"] {
        saw.insert(counter.get_with(&format!("{video}/rendered"), range).await.status);
    }
    // The statement says so: there a target that is too long makes no sense.
    assert!(server == WebServer::Axum || stated.remove(&414));
    assert_eq!(saw, stated);
}
