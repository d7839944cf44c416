//! The way to the collector: datagrams or a stream, which tell only when something goes wrong.

use std::io;
use std::time::Duration;

use outrigger_runtime::datagrams::Datagrams;
use outrigger_runtime::net::{BoxStream, Net};
use outrigger_runtime::tls::dial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::config::{Syslog, SyslogTransport};

/// Longest wait for the collector to connect or to take what is sent.
const COLLECTOR_WAIT: Duration = Duration::from_secs(5);
/// How long a refusal is waited for after sending. Syslog has no acknowledgement; but a collector that is gone, or that
/// does not want our certificate (TLS 1.3 says so after the handshake), is heard of within a round trip.
const REFUSAL_WAIT: Duration = Duration::from_millis(100);

/// An open way to the collector.
pub(super) enum Connection {
    Datagrams(Datagrams),
    Stream(BoxStream),
}

impl Connection {
    pub(super) async fn open(net: &dyn Net, to: &Syslog) -> io::Result<Self> {
        let tls = match &to.transport {
            SyslogTransport::Udp => {
                let connecting = timeout(COLLECTOR_WAIT, Datagrams::connect(&to.address));
                return Ok(Self::Datagrams(connecting.await??));
            }
            SyslogTransport::Tcp => None,
            SyslogTransport::Tls(tls) => Some(&tls.client),
        };
        Ok(Self::Stream(dial(net, &to.address, tls, COLLECTOR_WAIT).await?))
    }

    /// Sends messages, each in its frame or datagram; an error says that the collector may have none of them.
    pub(super) async fn send(&mut self, messages: &[Vec<u8>]) -> io::Result<()> {
        self.heard(Duration::ZERO).await?;
        match self {
            Self::Datagrams(datagrams) => {
                for message in messages {
                    timeout(COLLECTOR_WAIT, datagrams.send(message)).await??;
                }
            }
            Self::Stream(stream) => {
                timeout(COLLECTOR_WAIT, stream.write_all(&messages.concat())).await??;
                timeout(COLLECTOR_WAIT, stream.flush()).await??;
            }
        }
        self.heard(REFUSAL_WAIT).await
    }

    /// Ends the connection in order (RFC 5425 section 4.4).
    pub(super) async fn close(self) {
        if let Self::Stream(mut stream) = self {
            // What was sent was sent; a collector that does not listen any more needs no farewell.
            drop(timeout(COLLECTOR_WAIT, stream.shutdown()).await);
        }
    }

    /// An error if the collector says within this time that it takes nothing.
    async fn heard(&mut self, within: Duration) -> io::Result<()> {
        let refused = async {
            match self {
                Self::Datagrams(datagrams) => datagrams.refused().await,
                Self::Stream(stream) => closed(stream).await,
            }
        };
        match timeout(within, refused).await {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    }
}

/// Ends when the other end closes the connection; what it says is of no matter.
async fn closed(stream: &mut BoxStream) -> io::Error {
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}
