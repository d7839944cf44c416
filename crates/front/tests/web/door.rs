//! A web door to knock at, and a user agent that says exactly what it is told to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outrigger_dataset::part10;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_front::{
    Access, AuditEvent, Limits, Listening, Origins, Outbox, Quarantine, RefusalEvent, RenewedTokens, Tokens,
    WebFront, WebOptions, WebServer, WebTimers,
};
use outrigger_runtime::net::{BoxStream, Net, Tcp};
use outrigger_runtime::{Clock, RealDisk, Shutdown, ShutdownGuard, Threads};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::listed::Listed;
use crate::shelf::Shelf;
use crate::station::ae;

pub(crate) const READ: &str = "read-0123456789abcdef";
pub(crate) const WRITE: &str = "write-0123456789abcdef";
pub(crate) const ADMIN: &str = "admin-0123456789abcdef";
pub(crate) const MULTIPART: &str = "multipart/related; type=\"application/dicom\"; boundary=b";

/// A door before a listed service, on a port of its own.
pub(crate) struct Door {
    pub(crate) service: Arc<Listed>,
    pub(crate) listening: Listening,
    pub(crate) guard: ShutdownGuard,
    pub(crate) audit: mpsc::Receiver<AuditEvent>,
    pub(crate) refusals: mpsc::Receiver<RefusalEvent>,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) tokens: watch::Sender<RenewedTokens>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The values of a header field.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn options(server: WebServer) -> WebOptions {
    WebOptions {
        server,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ae_title: ae("OUTRIGGER"),
        issuer: Some("HOSP".into()),
        access: Access::Loopback,
        hosts: Vec::new(),
        origins: Origins::These(Vec::new()),
        url: None,
        limits: Limits { associations: 100, associations_per_address: 100 },
        object_bytes_max: 1 << 30,
        request_bytes_max: 1 << 30,
        timers: WebTimers { head: Duration::from_secs(10), inactivity: Duration::from_secs(10) },
        tls: None,
    }
}

pub(crate) fn with_tokens(server: WebServer) -> WebOptions {
    let file = format!("read {READ}\nwrite {WRITE}\nadmin {ADMIN}\n");
    WebOptions { access: Access::Tokens(Tokens::parse(&file).unwrap()), ..options(server) }
}

impl Door {
    pub(crate) async fn open(options: WebOptions) -> Self {
        Self::open_at(tempfile::tempdir().unwrap(), options, None).await
    }

    /// With the files of a viewer, in `viewer` below a directory that has more.
    pub(crate) async fn with_viewer(server: WebServer, directory: tempfile::TempDir) -> Self {
        let files = directory.path().join("viewer");
        Self::open_at(directory, options(server), Some(files)).await
    }

    async fn open_at(directory: tempfile::TempDir, options: WebOptions, viewer: Option<PathBuf>) -> Self {
        let (spool, kept) = (directory.path().join("spool"), directory.path().join("quarantine"));
        for path in [&spool, &kept] {
            outrigger_runtime::Disk::create_directory(&RealDisk, path).unwrap();
        }
        let service = Arc::new(Listed {
            shelf: Shelf::new(&spool),
            answers: Mutex::default(),
            queries: Mutex::default(),
            ends: Mutex::default(),
            waiting: AtomicUsize::default(),
            asked: Mutex::default(),
            decides: AtomicBool::default(),
        });
        let (refusal_box, refusals) = Outbox::new("refusal");
        let (audit_box, audit) = Outbox::new("audit");
        let (tokens, renewed) = watch::channel(RenewedTokens::new());
        let front = WebFront {
            service: service.clone(),
            net: Arc::new(Tcp),
            clock: Clock::System,
            threads: Threads::System,
            quarantine: Quarantine {
                disk: Arc::new(RealDisk),
                directory: kept,
                threads: Threads::System,
                bytes_max: 1 << 24,
                files_max: 10,
            },
            refusals: refusal_box,
            audit: audit_box,
            connections: Arc::default(),
            viewer,
            renewed,
        };
        let (guard, shutdown) = Shutdown::pair();
        let listening = front.listen(options, shutdown).await.unwrap();
        Self { service, listening, guard, audit, refusals, directory, tokens }
    }

    pub(crate) async fn connect(&self) -> BoxStream {
        Tcp.connect(&self.listening.address.to_string()).await.unwrap()
    }

    /// Sends a head and a body as they are, and reads to the end.
    pub(crate) async fn say(&self, head: &str, body: &[u8]) -> Said {
        say_over(self.connect().await, head, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), b"").await
    }

    pub(crate) async fn get_with(&self, path: &str, field: &str) -> Said {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{field}\r\n\r\n");
        self.say(&head, b"").await
    }

    /// Stores a body of a Content-Type.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: &[u8]) -> Said {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.say(&head, body).await
    }
}

pub(crate) async fn say_over(mut stream: BoxStream, head: &str, body: &[u8]) -> Said {
    // A request may be refused, and its rest not taken, before all of it was sent.
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.write_all(body).await);
    heard(stream).await
}

pub(crate) async fn heard(mut stream: BoxStream) -> Said {
    let mut all = Vec::new();
    // What was not taken ends in a reset, behind the answer.
    drop(stream.read_to_end(&mut all).await);
    parsed(&all)
}

fn parsed(all: &[u8]) -> Said {
    let end = find(all, b"\r\n\r\n").unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(all)));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &all[end + 4..];
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunked(rest)
    } else {
        rest.to_vec()
    };
    Said { status, head, body }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = find(rest, b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
    body
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// Small objects of one study.
pub(crate) fn phantoms(count: u32) -> Vec<Phantom> {
    let place = |instance| Place { instance, ..Place::default() };
    (0..count).map(|instance| Phantom::new(1, place(instance), Shape::SmallCt)).collect()
}

pub(crate) fn file(phantom: &Phantom) -> Vec<u8> {
    let header = &phantom.header;
    part10::file(&header.sop_class, &header.sop_instance, &phantom.transfer_syntax, &phantom.data_set)
}

/// A multipart body of these parts.
pub(crate) fn multipart(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}
