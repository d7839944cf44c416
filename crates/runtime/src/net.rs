//! The network: real TCP here, scripted in the simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A connection, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Asks the kernel to acknowledge what arrives next at once (TCP_QUICKACK).
    ///
    /// A peer with Nagle's algorithm on that writes header and body apart waits for that acknowledgement, 40 ms each
    /// time. Linux takes the option back by itself, so it is set again before every read.
    fn quick_ack(&self);
}

/// A connection behind a pointer.
pub type BoxStream = Box<dyn Stream>;

impl Stream for BoxStream {
    fn quick_ack(&self) {
        (**self).quick_ack();
    }
}

/// A socket that accepts connections.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Waits for the next connection and says where it came from.
    async fn accept(&self) -> io::Result<(BoxStream, SocketAddr)>;
    /// The address with the port really bound.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A way to listen and to connect.
#[async_trait]
pub trait Net: Send + Sync {
    /// Listens on an address; port 0 takes a free one.
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>>;
    /// Connects to `host:port`.
    async fn connect(&self, address: &str) -> io::Result<BoxStream>;
}

/// A shared way to listen and to connect.
pub type ArcNet = Arc<dyn Net>;

/// Connections that may wait to be accepted: as many as Linux allows by default. With fewer a burst of them loses its first
/// packets, and each then waits for seconds.
const BACKLOG: u32 = 4096;

/// TCP of the operating system, Nagle's algorithm off.
#[derive(Debug, Clone, Copy)]
pub struct Tcp;

#[async_trait]
impl Net for Tcp {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for connections of the process before it; on Windows the option means something else.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Box::new(socket.listen(BACKLOG)?))
    }

    async fn connect(&self, address: &str) -> io::Result<BoxStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

#[async_trait]
impl Listener for TcpListener {
    async fn accept(&self) -> io::Result<(BoxStream, SocketAddr)> {
        let (stream, from) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

impl Stream for TcpStream {
    fn quick_ack(&self) {
        // Only a hint: where it fails the peer is merely slower.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_quickack(self, true) {
            tracing::trace!(%error, "TCP_QUICKACK could not be set");
        }
    }
}
