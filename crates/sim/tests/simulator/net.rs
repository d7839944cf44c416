//! A network in memory: every delay, cut and partition follows from the seed.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use outrigger_runtime::net::{BoxStream, Listener, Net, Stream};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::dice::Dice;

/// Bytes under way in one direction.
const WINDOW_BYTES: usize = 32 * 1024;
/// Bytes that arrive at once.
const CHUNK_BYTES: usize = 4 * 1024;
/// How often what is silent looks whether it may go on.
const SILENT_LOOK: Duration = Duration::from_millis(50);

/// Whether a port can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It can.
    Open,
    /// Connections are refused, and those that were open are cut.
    Refused,
    /// Nothing comes through, and nobody is told.
    Silent,
}

/// How badly connections are treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Of 100 connections, so many are cut after some bytes.
    pub(crate) cut_percent: u64,
    /// Longest delay of a chunk, in milliseconds.
    pub(crate) delay_ms: u64,
}

/// The network; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct SimNet(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    dice: Dice,
    weather: Weather,
    listeners: BTreeMap<u16, mpsc::UnboundedSender<(SimStream, SocketAddr)>>,
    reach: BTreeMap<u16, Reach>,
    open: BTreeMap<u64, Link>,
    made: u64,
}

#[derive(Debug)]
struct Link {
    port: u16,
    pumps: [AbortHandle; 2],
}

struct SimListener {
    port: u16,
    accepted: tokio::sync::Mutex<mpsc::UnboundedReceiver<(SimStream, SocketAddr)>>,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct SimStream(pub(crate) DuplexStream);

impl SimNet {
    pub(crate) fn new(dice: Dice, weather: Weather) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice,
            weather,
            listeners: BTreeMap::new(),
            reach: BTreeMap::new(),
            open: BTreeMap::new(),
            made: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a port can be reached from now on.
    pub(crate) fn reach(&self, port: u16, reach: Reach) {
        self.lock().reach.insert(port, reach);
        if reach == Reach::Refused {
            self.cut(port);
        }
    }

    /// Cuts every connection to a port.
    pub(crate) fn cut(&self, port: u16) {
        self.lock().open.retain(|_, link| {
            if link.port == port {
                link.pumps.iter().for_each(AbortHandle::abort);
            }
            link.port != port
        });
    }

    fn reached(&self, port: u16) -> Reach {
        self.lock().reach.get(&port).copied().unwrap_or(Reach::Open)
    }

    fn link(&self, port: u16) -> io::Result<SimStream> {
        let mut state = self.lock();
        let listener = state.listeners.get(&port).cloned().ok_or(io::ErrorKind::ConnectionRefused)?;
        let number = state.made;
        state.made += 1;
        let dice = Dice::new(state.dice.bits(), number);
        let (weather, (ours, near), (theirs, far)) =
            (state.weather, tokio::io::duplex(WINDOW_BYTES), tokio::io::duplex(WINDOW_BYTES));
        // Most cuts fall into the first messages; some into the middle of an object.
        let budget = dice.percent(weather.cut_percent).then(|| dice.below(1 << dice.between(7, 17)));
        let (from_near, to_near) = tokio::io::split(near);
        let (from_far, to_far) = tokio::io::split(far);
        let pump = |from, to, purpose| {
            let pump =
                Pump { net: self.clone(), port, number, dice: Dice::new(dice.bits(), purpose), budget };
            tokio::spawn(pump.run(from, to, weather)).abort_handle()
        };
        let pumps = [pump(from_near, to_far, 1), pump(from_far, to_near, 2)];
        state.open.insert(number, Link { port, pumps });
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(20_000 + number % 40_000).unwrap()));
        listener.send((SimStream(theirs), from)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(SimStream(ours))
    }
}

/// Carries one direction of a connection.
struct Pump {
    net: SimNet,
    port: u16,
    number: u64,
    dice: Dice,
    budget: Option<u64>,
}

impl Pump {
    async fn run(
        mut self,
        mut from: ReadHalf<DuplexStream>,
        mut to: WriteHalf<DuplexStream>,
        weather: Weather,
    ) {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let Ok(read) = from.read(&mut buffer).await else { return };
            let delay = self.dice.below(weather.delay_ms + 1);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            while self.net.reached(self.port) == Reach::Silent {
                tokio::time::sleep(SILENT_LOOK).await;
            }
            if read == 0 {
                // The other direction may go on.
                drop(to.shutdown().await);
                return;
            }
            let passed = self.budget.map_or(read, |left| read.min(usize::try_from(left).unwrap()));
            if to.write_all(&buffer[..passed]).await.is_err() {
                return;
            }
            self.budget = self.budget.map(|left| left - passed as u64);
            if passed < read {
                if let Some(link) = self.net.lock().open.remove(&self.number) {
                    link.pumps.iter().for_each(AbortHandle::abort);
                }
                return;
            }
        }
    }
}

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let (arrives, accepted) = mpsc::unbounded_channel();
        let port = address.port();
        self.lock().listeners.insert(port, arrives);
        Ok(Box::new(SimListener { port, accepted: tokio::sync::Mutex::new(accepted) }))
    }

    async fn connect(&self, address: &str) -> io::Result<BoxStream> {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or(io::ErrorKind::InvalidInput)?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        while self.reached(port) == Reach::Silent {
            tokio::time::sleep(SILENT_LOOK).await;
        }
        match self.reached(port) {
            Reach::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Reach::Open | Reach::Silent => Ok(Box::new(self.link(port)?)),
        }
    }
}

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<(BoxStream, SocketAddr)> {
        let accepted = self.accepted.lock().await.recv().await;
        let (stream, from) = accepted.ok_or(io::ErrorKind::NotConnected)?;
        Ok((Box::new(stream), from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }
}

impl Stream for SimStream {
    fn quick_ack(&self) {}
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
