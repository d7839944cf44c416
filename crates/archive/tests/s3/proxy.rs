//! A relay before an S3 server that does to each request what the test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done to a request or to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    Pass,
    /// It is answered 503 and not passed on.
    Unavailable,
    /// It is taken and never answered.
    Silence,
    /// The connection is reset when half of it has come.
    Reset,
    /// It is passed on, and the answer has another ETag.
    OtherTag,
    /// One byte of what it brings is flipped on the way.
    Alter,
    /// It is passed on, and of the answer's body half comes before the connection ends.
    Cut,
    /// It is passed on, and the answer's body is half as long and says so.
    Shorten,
    /// It is passed on, and one byte of the answer's body is flipped.
    Flip,
    /// A listing that names nothing is given.
    Stale,
}

/// A request as the script sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
}

impl Asked {
    pub(crate) fn is_listing(&self) -> bool {
        self.target.contains("list-type=2")
    }
}

type Script = Box<dyn FnMut(&Asked) -> Act + Send>;

/// What is done to whom, and what was asked.
struct State {
    script: Script,
    asked: Vec<(Asked, Act)>,
}

/// The relay at a port of its own; it ends with this value.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts it before a server on loopback; everything passes.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { script: Box::new(|_| Act::Pass), asked: Vec::new() }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(relay(near, (Ipv4Addr::LOCALHOST, server).into(), shared.clone()));
            }
        });
        Self { port, state, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What is done from now on; what was asked before is forgotten.
    pub(crate) fn script(&self, script: impl FnMut(&Asked) -> Act + Send + 'static) {
        *self.state.lock().unwrap() = State { script: Box::new(script), asked: Vec::new() };
    }

    /// Does the same to every request with a method.
    pub(crate) fn always(&self, method: &'static str, act: Act) {
        self.script(move |asked| if asked.method == method { act } else { Act::Pass });
    }

    /// Does it to the first so many requests with a method.
    pub(crate) fn first(&self, mut times: usize, method: &'static str, act: Act) {
        self.script(move |asked| {
            let struck = asked.method == method && times > 0;
            times -= usize::from(struck);
            if struck { act } else { Act::Pass }
        });
    }

    pub(crate) fn passing(&self) {
        self.script(|_| Act::Pass);
    }

    /// What was asked, and what was done.
    pub(crate) fn asked(&self) -> Vec<(Asked, Act)> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How often something was done.
    pub(crate) fn struck(&self, act: Act) -> usize {
        self.asked().iter().filter(|(_, done)| *done == act).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Head and body of a message.
struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// One request of a connection, which then ends.
async fn relay(mut near: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>) {
    let Some((head, mut body)) = head(&mut near).await else { return };
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split(' ');
    let asked = Asked { method: words.next().unwrap().to_owned(), target: words.next().unwrap().to_owned() };
    let act = {
        let mut state = state.lock().unwrap();
        let act = (state.script)(&asked);
        state.asked.push((asked, act));
        act
    };
    let length = length_of(&text);
    let wanted = if act == Act::Reset { length / 2 } else { length };
    while body.len() < wanted {
        let mut piece = vec![0; 64 << 10];
        match near.read(&mut piece).await {
            Ok(read) if read > 0 => body.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    match act {
        Act::Reset => return near.set_zero_linger().unwrap(),
        Act::Silence => return std::future::pending().await,
        Act::Unavailable => {
            let answer =
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\nConnection: close\r\n\r\nSlowDown";
            return drop(near.write_all(answer).await);
        }
        Act::Alter => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        _ => {}
    }
    let Some(answer) = passed_on(server, &head, &body).await else { return };
    drop(near.write_all(&done(answer, act)).await);
    drop(near.shutdown().await);
}

async fn head(near: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Some((bytes, body));
        }
        let mut piece = vec![0; 16 << 10];
        let read = near.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
}

fn length_of(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, length)| length.trim().parse().unwrap())
}

async fn passed_on(server: SocketAddr, head: &[u8], body: &[u8]) -> Option<Message> {
    let mut far = TcpStream::connect(server).await.ok()?;
    far.write_all(head).await.ok()?;
    far.write_all(body).await.ok()?;
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = answer.split_off(end);
    Some(Message { head: answer, body })
}

fn done(Message { head, mut body }: Message, act: Act) -> Vec<u8> {
    let mut head = String::from_utf8(head).unwrap();
    match act {
        Act::OtherTag => head = with(&head, "ETag", "\"00000000000000000000000000000000\""),
        Act::Cut => body.truncate(body.len() / 2),
        Act::Shorten => {
            body.truncate(body.len() / 2);
            head = with(&head, "Content-Length", &body.len().to_string());
        }
        Act::Flip => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        Act::Stale => {
            body = b"<?xml version=\"1.0\"?><ListBucketResult><Name>objects</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>".to_vec();
            head = with(&head, "Content-Length", &body.len().to_string());
        }
        _ => {}
    }
    [head.into_bytes(), body].concat()
}

/// A head with another value of a header that it has.
fn with(head: &str, name: &str, value: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((found, _)) if found.eq_ignore_ascii_case(name) => format!("{name}: {value}\r\n"),
        _ => format!("{line}\r\n"),
    };
    let lines = head.trim_end().split("\r\n").map(line).collect::<String>();
    format!("{lines}\r\n")
}
