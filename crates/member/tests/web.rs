//! A web server of ours that answers what a test tells it to, and goes wrong in the ways of real ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outrigger_member::http::{Client, ClientOptions, Target};
use outrigger_runtime::Threads;
use outrigger_runtime::net::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// It is answered, and the connection kept.
    Answer(Vec<u8>),
    /// It is answered, and the connection ended.
    Last(Vec<u8>),
    /// It is read and never answered.
    Silence,
    /// The connection is reset.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The server; one deed a request, whichever connection it comes over.
pub(crate) struct Server {
    port: u16,
    came: Arc<Mutex<Vec<Came>>>,
    running: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Server {
    pub(crate) async fn start(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let noted = Arc::clone(&came);
        let mut deeds = deeds.into_iter().collect::<Vec<_>>().into_iter();
        let running = tokio::spawn(async move {
            let mut silent = Vec::new();
            while deeds.len() > 0 {
                let (stream, _) = listener.accept().await.unwrap();
                silent.extend(serve(stream, &mut deeds, &noted).await);
            }
            // Whoever was not answered is left waiting, not hung up on.
            std::future::pending::<()>().await;
            drop(silent);
        });
        Self { port, came, running }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.port)
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

/// Answers over one connection; gives it back where it is to be left without an answer.
async fn serve(
    mut stream: TcpStream,
    deeds: &mut std::vec::IntoIter<Deed>,
    noted: &Mutex<Vec<Came>>,
) -> Option<TcpStream> {
    while let Some(request) = request(&mut stream).await {
        noted.lock().unwrap().push(request);
        match deeds.next() {
            Some(Deed::Answer(answer)) => stream.write_all(&answer).await.unwrap(),
            Some(Deed::Last(answer)) => {
                stream.write_all(&answer).await.unwrap();
                return None;
            }
            Some(Deed::Silence) => return Some(stream),
            Some(Deed::Reset) | None => {
                stream.set_zero_linger().unwrap();
                return None;
            }
        }
    }
    None
}

async fn request(stream: &mut TcpStream) -> Option<Came> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut body = read.split_off(end + 4);
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Came { head, body })
}

/// An answer with its length.
pub(crate) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A client of a web server; it waits for an answer for so long.
pub(crate) fn client(url: &str, patience: Duration) -> Client {
    let options = ClientOptions {
        target: Target::read(url).unwrap(),
        tls: None,
        connect_timeout: Duration::from_secs(5),
        answer_timeout: patience,
    };
    Client::new(options, Arc::new(Tcp), Threads::System)
}
