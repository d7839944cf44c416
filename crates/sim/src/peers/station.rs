//! Who is called, and where.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use outrigger_model::AeTitle;

use super::PeerError;

/// An application entity on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// Its AE title.
    pub ae_title: AeTitle,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Station {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// A TCP port on loopback that nobody listens on at the moment.
///
/// Another process may take it before its user does: who starts a peer on it tries again with another.
pub fn free_port() -> Result<u16, PeerError> {
    let bound = |listener: TcpListener| -> io::Result<u16> { Ok(listener.local_addr()?.port()) };
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(bound)
        .map_err(|source| PeerError::System { what: "give a free port", source })
}

/// How often a peer is started on ports found free, before its failure counts.
const PORT_TRIES: usize = 3;

/// Starts a peer, again on other ports if it ends at once: another process may have taken one of them meanwhile.
pub(crate) async fn on_free_ports<T>(start: impl AsyncFn() -> Result<T, PeerError>) -> Result<T, PeerError> {
    for _ in 1..PORT_TRIES {
        match start().await {
            Err(PeerError::Ended { .. }) => {}
            started_or_failed => return started_or_failed,
        }
    }
    start().await
}
