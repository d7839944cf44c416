//! Who is called, and where.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use outrigger_model::AeTitle;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

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

/// Ports given out: below those that the system takes for outgoing connections (ip_local_port_range begins at 32768), so
/// that nothing takes one while its user is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// How far apart the first ports of two processes are, which are tests that run at the same time.
const APART: u32 = 701;
/// The next port to look at, counted from the first of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A TCP port on loopback that nobody listens on at the moment, and that this process is not given again for long.
///
/// Another process may take it before its user does: who starts a peer on it tries again with another.
pub fn free_port() -> Result<u16, PeerError> {
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(APART);
    for _ in 0..count {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = u16::try_from(number).map_or(PORTS.start, |number| PORTS.start + number);
        // Without SO_REUSEADDR, with which a port that is held would pass for free.
        if bound(port, Sharing::Alone).is_ok() {
            return Ok(port);
        }
    }
    Err(PeerError::System { what: "give a free port", source: io::ErrorKind::AddrInUse.into() })
}

/// A port that nobody else is given while its user is away.
#[derive(Debug)]
pub struct HeldPort {
    /// The port.
    pub port: u16,
    _socket: OwnedFd,
}

impl HeldPort {
    /// A free port. Whoever sets SO_REUSEADDR can listen on it, as servers do.
    pub fn free() -> Result<Self, PeerError> {
        let held = |source| PeerError::System { what: "hold a free port", source };
        let port = free_port()?;
        let socket = bound(port, Sharing::WithAListener).map_err(|error| held(error.into()))?;
        Ok(Self { port, _socket: socket })
    }
}

/// Who else may be bound to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    WithAListener,
}

/// A socket that is bound and does not listen.
fn bound(port: u16, sharing: Sharing) -> Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseaddr(&socket, sharing == Sharing::WithAListener)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket)
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_holds_a_port_can_listen_on_it_again_and_nobody_else_is_given_it() {
        let held = HeldPort::free().unwrap();
        for _ in 0..2 {
            drop(TcpListener::bind((Ipv4Addr::LOCALHOST, held.port)).unwrap());
            assert_eq!(bound(held.port, Sharing::Alone).unwrap_err(), Errno::ADDRINUSE);
        }
    }
}
