//! What a sender puts on the wire: a relay between it and whoever it calls that keeps a copy, read here by a parser of its
//! own that shares nothing with the code under test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::peers::Station;

/// Bytes carried at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// PDU types (PS3.8 section 9.3.1).
const ASSOCIATE_ACCEPT: u8 = 2;
const DATA: u8 = 4;
/// Where the variable items of an A-ASSOCIATE-AC begin, behind the PDU's header (PS3.8 section 9.3.3).
const ACCEPT_ITEMS_AT: usize = 68;
/// Command fields (PS3.7 section E.1).
const C_STORE_RQ: u16 = 0x0001;
const C_STORE_RSP: u16 = 0x8001;

/// A relay at a port of its own; it ends with this value.
#[derive(Debug)]
pub struct Tap {
    station: Station,
    wires: Wires,
    task: JoinHandle<()>,
}

type Wires = Arc<Mutex<Vec<Wire>>>;

/// Both directions of one connection.
#[derive(Debug, Default, Clone)]
struct Wire {
    sent: Vec<u8>,
    answered: Vec<u8>,
}

/// An object as a sender put it on the wire, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wired {
    /// Affected SOP Instance UID of the request.
    pub sop_instance: String,
    /// The transfer syntax accepted for its presentation context.
    pub transfer_syntax: String,
    /// The data set.
    pub bytes: Vec<u8>,
    /// The status of the response, if one came.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

impl Tap {
    /// Starts a relay before a station.
    pub async fn start(before: &Station) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let station = Station { ae_title: before.ae_title.clone(), port: listener.local_addr()?.port() };
        let wires = Wires::default();
        let (to, kept) = (before.address(), Arc::clone(&wires));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(to).await else { continue };
                if let Err(error) = relay(near, far, &kept) {
                    tracing::warn!(%error, "a connection is not relayed");
                }
            }
        });
        Ok(Self { station, wires, task })
    }

    /// Whom to call instead.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// The objects whose data set went over the wire whole, in order.
    pub fn objects(&self) -> Vec<Wired> {
        let wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wires.iter().flat_map(Wire::objects).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn relay(near: TcpStream, far: TcpStream, wires: &Wires) -> io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let number = {
        let mut wires = wires.lock().unwrap_or_else(PoisonError::into_inner);
        wires.push(Wire::default());
        wires.len() - 1
    };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    drop(tokio::spawn(carry(from_near, to_far, Arc::clone(wires), number, Direction::ToServer)));
    drop(tokio::spawn(carry(from_far, to_near, Arc::clone(wires), number, Direction::ToClient)));
    Ok(())
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    wires: Wires,
    number: usize,
    direction: Direction,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let bytes = chunk.get(..length).unwrap_or_default();
        // Kept before it is passed on: what was answered has been kept.
        if let Some(wire) = wires.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
            match direction {
                Direction::ToServer => wire.sent.extend_from_slice(bytes),
                Direction::ToClient => wire.answered.extend_from_slice(bytes),
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

impl Wire {
    fn objects(&self) -> Vec<Wired> {
        let syntaxes = pdus(&self.answered)
            .find(|(kind, _)| *kind == ASSOCIATE_ACCEPT)
            .map(|(_, body)| accepted(body))
            .unwrap_or_default();
        let answers = messages(&self.answered);
        let mut statuses = answers
            .iter()
            .filter(|message| number(&message.command, 0x0100) == Some(C_STORE_RSP))
            .map(|message| number(&message.command, 0x0900));
        let mut objects = Vec::new();
        for message in messages(&self.sent) {
            if number(&message.command, 0x0100) != Some(C_STORE_RQ) {
                continue;
            }
            let syntax = syntaxes.iter().find(|(context, _)| *context == message.context);
            objects.push(Wired {
                sop_instance: text(value(&message.command, 0x1000).unwrap_or_default()),
                transfer_syntax: syntax.map(|(_, syntax)| syntax.clone()).unwrap_or_default(),
                bytes: message.data_set,
                // The asynchronous window is 1: answers come in the order of the requests.
                status: statuses.next().flatten(),
            });
        }
        objects
    }
}

/// The PDUs of one direction that are there whole.
fn pdus(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<6>()?;
        let [kind, _, a, b, c, d] = *header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let (body, after) = behind.split_at_checked(length)?;
        rest = after;
        Some((kind, body))
    })
}

/// Transfer syntaxes by presentation context, of an A-ASSOCIATE-AC.
fn accepted(body: &[u8]) -> Vec<(u8, String)> {
    let mut contexts = Vec::new();
    for (kind, item) in items(body.get(ACCEPT_ITEMS_AT..).unwrap_or_default()) {
        // Presentation context: id, reserved, result, reserved; then one transfer syntax.
        if let (0x21, [id, _, 0, _, inner @ ..]) = (kind, item) {
            contexts.extend(items(inner).map(|(_, syntax)| (*id, text(syntax))));
        }
    }
    contexts
}

fn items(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<4>()?;
        let [kind, _, a, b] = *header;
        let (item, after) = behind.split_at_checked(usize::from(u16::from_be_bytes([a, b])))?;
        rest = after;
        Some((kind, item))
    })
}

/// A DIMSE message; one without a data set has an empty one.
#[derive(Debug, Default)]
struct Message {
    context: u8,
    command: Vec<u8>,
    data_set: Vec<u8>,
}

/// The messages that are there whole.
fn messages(bytes: &[u8]) -> Vec<Message> {
    let (mut whole, mut open) = (Vec::new(), Message::default());
    for (_, body) in pdus(bytes).filter(|(kind, _)| *kind == DATA) {
        for (context, control, fragment) in values(body) {
            let (is_command, is_last) = (control & 1 == 1, control & 2 == 2);
            open.context = context;
            if is_command { &mut open.command } else { &mut open.data_set }.extend_from_slice(fragment);
            // Command Data Set Type (PS3.7 section E.1): no data set follows.
            let is_all = is_last && (!is_command || number(&open.command, 0x0800) == Some(0x0101));
            if is_all {
                whole.push(std::mem::take(&mut open));
            }
        }
    }
    whole
}

/// Presentation data values of a P-DATA-TF: context, message control header, fragment (PS3.8 annex E).
fn values(body: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (value, after) = behind.split_at_checked(length)?;
        rest = after;
        match value {
            [context, control, fragment @ ..] => Some((*context, *control, fragment)),
            _ => None,
        }
    })
}

/// An element of a command set, which is always implicit little endian, by its number in group 0000.
fn value(command: &[u8], element: u16) -> Option<&[u8]> {
    let mut rest = command;
    loop {
        // The group, which is 0000, the element and the length.
        let (_, behind) = rest.split_first_chunk::<2>()?;
        let (number, behind) = behind.split_first_chunk::<2>()?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (value, after) = behind.split_at_checked(length)?;
        if u16::from_le_bytes(*number) == element {
            return Some(value);
        }
        rest = after;
    }
}

fn number(command: &[u8], element: u16) -> Option<u16> {
    value(command, element)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned()
}
