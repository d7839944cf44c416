//! What stands between two peers and notes when the first data go through: behind the association's negotiation.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use outrigger_model::AeTitle;
use outrigger_sim::peers::Station;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

/// Bytes of the head of a PDU: type, a reserved byte, and the length of what follows (PS3.8 section 9.3.1).
const HEAD_BYTES: usize = 6;
/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// A relay on a port of its own.
pub(crate) struct Relay {
    /// What is called instead of the peer behind it.
    pub(crate) station: Station,
    first: Arc<Mutex<Option<Instant>>>,
}

impl Relay {
    /// Relays to this peer, until the program ends.
    pub(crate) async fn start(ae_title: &AeTitle, behind: &Station) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let station = Station { ae_title: ae_title.clone(), port: listener.local_addr()?.port() };
        let first = Arc::<Mutex<Option<Instant>>>::default();
        let (noted, to) = (Arc::clone(&first), SocketAddr::from(([127, 0, 0, 1], behind.port)));
        drop(tokio::spawn(async move {
            while let Ok((calling, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                drop(tokio::spawn(async move {
                    // Either end of an association breaks it off when it is done.
                    drop(relay(calling, to, &noted).await);
                }));
            }
        }));
        Ok(Self { station, first })
    }

    /// Forgets what went through: the next data are the first.
    pub(crate) fn forget(&self) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When the first data went through.
    pub(crate) fn first_data(&self) -> Option<Instant> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn relay(calling: TcpStream, to: SocketAddr, noted: &Mutex<Option<Instant>>) -> std::io::Result<()> {
    let called = TcpStream::connect(to).await?;
    for stream in [&calling, &called] {
        stream.set_nodelay(true)?;
    }
    let (mut from_calling, mut to_calling) = calling.into_split();
    let (mut from_called, mut to_called) = called.into_split();
    let back = tokio::spawn(async move { copy(&mut from_called, &mut to_calling).await });
    // The request for an association is the first PDU; what follows it is data.
    let mut head = [0; HEAD_BYTES];
    from_calling.read_exact(&mut head).await?;
    let [_, _, length @ ..] = head;
    let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).map_err(std::io::Error::other)?];
    from_calling.read_exact(&mut request).await?;
    to_called.write_all(&[&head[..], &request].concat()).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = from_calling.read(&mut piece).await?;
        let Some(data) = piece.get(..read).filter(|data| !data.is_empty()) else { break };
        noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        to_called.write_all(data).await?;
    }
    to_called.shutdown().await?;
    back.await.map_err(std::io::Error::other)?.map(drop)
}
