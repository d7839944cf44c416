//! Many that only hold a connection, and some that are slow: timers and limits hold, memory stays bounded, and others do
//! not notice.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use outrigger_model::Status;
use outrigger_runtime::descriptors;
use outrigger_sim::peers::{Launch, Process, Ready, Station};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::door::{Door, head, written};
use crate::modality::{Object, associated, objects, send, store};
use crate::program::program;

/// Connections that only stand there.
const CROWD: usize = 10_000;
/// Connections made at once: more than 128 that have not said who they are make room for one another.
const AT_ONCE: usize = 100;
/// Connections and other files beside the crowd.
const BESIDE: usize = 500;
/// Anonymous memory of the node, in megabytes, whatever it is put through.
const MEMORY_MB_MAX: u64 = 256;
/// Objects of one round of the peer that works, and rounds on each side: the best of each side counts, as the machine is
/// shared with other tests.
const OBJECTS: u32 = 300;
const ROUNDS: usize = 3;
/// How much longer the slowest answers but one in a hundred may take.
const TIMES_LONGER: u32 = 2;
/// An acknowledgement waits for a sync; on a disk that others use one in a hundred of them takes this much longer now and
/// then, crowd or none.
const NOISE: Duration = Duration::from_millis(6);
/// PDU types: A-ASSOCIATE-AC and A-RELEASE-RP (PS3.8 section 9.3.1).
const ACCEPTED: u8 = 2;
const RELEASED: u8 = 6;
/// The timers of the front door.
const TIMER: Duration = Duration::from_secs(2);
/// How long after its timer a connection may still be there, on a busy machine.
const LATE: Duration = Duration::from_secs(5);
/// Senders that are slow in the middle of a message.
const SLOW: usize = 50;
/// Senders of the control.
const STORING: u64 = 40;

/// A front door with short timers and room for a crowd of associations.
async fn door() -> Door {
    let directory = TempDir::new().unwrap();
    let lines = format!(
        "artim = \"{1}s\"\ninactivity = \"{2}s\"\nmax_associations = {0}\nmax_associations_per_peer = {0}\n",
        CROWD + BESIDE,
        TIMER.as_secs(),
        TIMER.as_secs(),
    );
    let text = head(directory.path(), 0, &lines);
    Door::open_with(directory, &text).await
}

/// Lets this process open as many files as the test needs.
fn allow_files() {
    let wanted = (CROWD + BESIDE) as u64;
    assert!(descriptors::allow(wanted).unwrap() >= wanted, "this test needs {wanted} open files");
}

/// Anonymous memory of a process, in megabytes (proc(5), RssAnon).
fn memory_mb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// An A-ASSOCIATE-RQ for verification in implicit little endian (PS3.8 section 9.3.2).
fn request() -> Vec<u8> {
    let item = |kind: u8, bytes: &[u8]| {
        let mut item = vec![kind, 0];
        item.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        item.extend(bytes);
        item
    };
    let context = [&[1, 0, 0, 0], &item(0x30, b"1.2.840.10008.1.1")[..], &item(0x40, b"1.2.840.10008.1.2")];
    let user = [item(0x51, &65_536u32.to_be_bytes()), item(0x52, b"2.25.1")].concat();
    let mut body = vec![0, 1, 0, 0];
    body.extend(b"OUTRIGGER       CROWD           ");
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    body.extend(item(0x20, &context.concat()));
    body.extend(item(0x50, &user));
    let mut request = vec![1, 0];
    request.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    request.extend(body);
    request
}

/// A connection from an address of its own, so that it counts as another peer than the one that works.
async fn connected(station: &Station) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).unwrap();
    socket.connect(station.address()).await.unwrap()
}

/// One that stands there: it says nothing, or has an association on which it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idler {
    Silent,
    Associated,
}

async fn idle(station: Station, idler: Idler) -> TcpStream {
    let mut stream = connected(&station).await;
    if idler == Idler::Associated {
        stream.write_all(&request()).await.unwrap();
        assert_eq!(answer(&mut stream).await, ACCEPTED, "no A-ASSOCIATE-AC");
    }
    stream
}

/// Reads a PDU; gives its type.
async fn answer(stream: &mut TcpStream) -> u8 {
    let mut header = [0; 6];
    stream.read_exact(&mut header).await.unwrap();
    let [kind, _, a, b, c, d] = header;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    kind
}

/// Opens the crowd.
async fn crowd(station: &Station, idler: Idler) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(CROWD);
    while streams.len() < CROWD {
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE.min(CROWD - streams.len()) {
            tasks.spawn(idle(station.clone(), idler));
        }
        streams.extend(tasks.join_all().await);
        // One that is answered: all before it have been accepted, and the kernel's queue never overflows.
        drop(idle(station.clone(), Idler::Associated).await);
    }
    streams
}

/// How long the slowest answer but one in a hundred takes a peer that stores.
async fn p99(station: &Station, sent: &[Object]) -> Duration {
    let mut session = associated(station, sent).await;
    let mut took = Vec::new();
    for object in sent {
        let began = Instant::now();
        assert_eq!(store(&mut *session, object).await, Status::SUCCESS);
        took.push(began.elapsed());
    }
    session.release().await.unwrap();
    took.sort();
    took[took.len() * 99 / 100]
}

/// The best of a few rounds.
async fn best_p99(station: &Station, seed: u64) -> Duration {
    let mut all = Vec::new();
    for round in 0..ROUNDS as u64 {
        all.push(p99(station, &objects(seed * 100 + round, OBJECTS)).await);
    }
    all.into_iter().min().unwrap()
}

fn is_noticed(before: Duration, beside: Duration) -> bool {
    beside > before * TIMES_LONGER + NOISE
}

/// A peer that works does so beside the crowd as it did before, and the node's memory stays bounded.
async fn nobody_notices(idler: Idler) -> (Door, Vec<TcpStream>) {
    allow_files();
    let door = door().await;
    let station = door.station();
    // What is done for the first time takes longer.
    p99(&station, &objects(9, OBJECTS)).await;
    let before = best_p99(&station, 1).await;
    let began = Instant::now();
    let streams = crowd(&station, idler).await;
    let opened = began.elapsed();
    let beside = best_p99(&station, 2).await;
    let memory = memory_mb(door.node.id());
    println!("{CROWD} {idler:?} in {opened:?}: p99 {beside:?}, before {before:?}; {memory} MB anonymous");
    assert!(!is_noticed(before, beside), "p99 {beside:?} beside a crowd, {before:?} before");
    assert!(memory <= MEMORY_MB_MAX, "{memory} MB anonymous");
    (door, streams)
}

/// How long until the front door ends a connection; an error is an end as well.
async fn ends(stream: &mut TcpStream, within: Duration) -> bool {
    let mut bytes = [0; 64];
    let end = async { while let Ok(1..) = stream.read(&mut bytes).await {} };
    timeout(within, end).await.is_ok()
}

#[tokio::test]
async fn fault_crowd_of_ten_thousand_that_say_nothing_is_sent_away_and_not_noticed() {
    let (_door, mut streams) = nobody_notices(Idler::Silent).await;
    for stream in &mut streams {
        assert!(ends(stream, TIMER + LATE).await, "a connection that says nothing stays");
    }
}

#[tokio::test]
async fn ten_thousand_idle_associations_stay_and_nobody_notices() {
    let (_door, mut streams) = nobody_notices(Idler::Associated).await;
    // They are within the limit and may stay: each still answers a release.
    for stream in streams.iter_mut().step_by(CROWD / 100) {
        stream.write_all(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]).await.unwrap();
        assert_eq!(timeout(LATE, answer(stream)).await.unwrap(), RELEASED, "no A-RELEASE-RP");
    }
}

/// Writes a byte a second until the other side ends the connection; gives how long that took.
async fn drips(mut stream: TcpStream, bytes: Vec<u8>) -> Duration {
    let began = Instant::now();
    let (mut from, mut to) = stream.split();
    let dripping = async {
        for byte in bytes {
            if to.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 64];
    let ended = async { while let Ok(1..) = from.read(&mut answer).await {} };
    tokio::select! {
        () = dripping => {}
        () = ended => {}
    }
    began.elapsed()
}

#[tokio::test]
async fn senders_of_a_byte_a_second_are_sent_away_and_nobody_notices() {
    let door = door().await;
    let station = door.station();
    p99(&station, &objects(9, OBJECTS)).await;
    let before = best_p99(&station, 1).await;
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(drips(connected(&station).await, request()));
        // A P-DATA-TF that announces 10,000 bytes.
        let begun = [&[4, 0, 0, 0, 0x27, 0x10][..], &[0; 100]].concat();
        slow.spawn(drips(idle(station.clone(), Idler::Associated).await, begun));
    }
    let beside = best_p99(&station, 2).await;
    let memory = memory_mb(door.node.id());
    let took = timeout(TIMER * 4 + LATE, slow.join_all()).await.expect("slow senders go on for ever");
    let longest = took.iter().max().unwrap();
    println!(
        "p99 {beside:?} beside {SLOW} + {SLOW} slow senders, {before:?} before; ended within {longest:?}; {memory} MB"
    );
    assert_eq!(took.len(), 2 * SLOW);
    assert!(*longest <= TIMER + LATE, "{longest:?}");
    assert!(!is_noticed(before, beside), "p99 {beside:?} beside slow senders, {before:?} before");
    assert!(memory <= MEMORY_MB_MAX, "{memory} MB anonymous");
}

/// The control: others that store at the same time are noticed.
#[tokio::test(flavor = "multi_thread")]
async fn fault_crowd_control_that_stores_is_noticed() {
    let door = door().await;
    let station = door.station();
    p99(&station, &objects(9, OBJECTS)).await;
    let before = best_p99(&station, 1).await;
    let mut crowd = JoinSet::new();
    for number in 0..STORING {
        let station = station.clone();
        crowd.spawn(async move {
            for round in 0.. {
                send(&station, &objects(1000 * (1 + number) + round, 20)).await;
            }
        });
    }
    let beside = best_p99(&station, 2).await;
    crowd.abort_all();
    assert!(is_noticed(before, beside), "p99 {beside:?} beside {STORING} that store, {before:?} before");
}

/// A front door that may open fewer files than it has been configured for says so.
#[tokio::test]
async fn a_front_door_with_too_few_files_says_so() {
    let directory = TempDir::new().unwrap();
    let config = written(directory.path(), &head(directory.path(), 0, "max_associations = 5000\n"));
    let limited =
        format!("ulimit -n 600 && exec {} serve --config {}", program().display(), config.display());
    let started = Process::start(Launch {
        program: "sh".into(),
        arguments: vec!["-c".into(), limited.into()],
        variables: Vec::new(),
        directory: directory.path().to_owned(),
        ready: vec![Ready::Line("{\"ready\"")],
    })
    .await;
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    drop(started.unwrap_or_else(|error| panic!("{error}: {log}")));
    assert!(log.contains("may open 600 files") && log.contains("5000"), "{log}");
}
