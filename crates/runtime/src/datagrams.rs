//! UDP to one receiver.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{UdpSocket, lookup_host};

/// A socket that sends to one address and hears what comes back from there.
#[derive(Debug)]
pub struct Datagrams(UdpSocket);

impl Datagrams {
    /// Takes a free port to send to `host:port` from.
    pub async fn connect(address: &str) -> io::Result<Self> {
        let to = lookup_host(address).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let from = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((from, 0)).await?;
        socket.connect(to).await?;
        Ok(Self(socket))
    }

    /// Sends one datagram; that it arrives is not known.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).await.map(drop)
    }

    /// Ends when the receiver's machine says that nobody listens there (ICMP); whoever calls this bounds the time.
    pub async fn refused(&self) -> io::Error {
        loop {
            if let Err(error) = self.0.recv(&mut [0]).await {
                return error;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_nobody_takes_is_refused_and_what_is_taken_is_not() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = receiver.local_addr().unwrap().to_string();
        let datagrams = Datagrams::connect(&address).await.unwrap();
        datagrams.send(b"one").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 3);
        assert!(timeout(Duration::from_millis(50), datagrams.refused()).await.is_err());

        drop(receiver);
        datagrams.send(b"two").await.unwrap();
        let refused = timeout(Duration::from_secs(5), datagrams.refused()).await.unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
