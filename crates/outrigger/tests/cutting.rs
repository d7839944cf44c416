//! A member over DICOMweb whose retrievals are partial or cut in the middle: the same request is whole all the same, from the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outrigger_model::Status;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::Station;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, head, written};
use crate::modality::{objects, send};
use crate::program::program;
use crate::reading::{NO_RETENTION, released};
use crate::weblegs::{member, web};
use crate::webstation::retrieve;
use crate::workstation::{Receiver, get};

const PATIENCE: Duration = Duration::from_secs(60);
/// Instances of a study: more than are asked for one by one.
const INSTANCES: u32 = 12;

/// What becomes of the retrievals that a web server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    /// They pass.
    Carries,
    /// They come with status 206.
    Partial,
    /// Half of the body comes, and is said to be all.
    CutsBody,
    /// Half of the body comes, and the connection ends.
    CutsConnection,
}

/// By which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Wado,
    Get,
    Move,
}

const CUTS: [Conduct; 3] = [Conduct::Partial, Conduct::CutsBody, Conduct::CutsConnection];
const BYS: [By; 3] = [By::Wado, By::Get, By::Move];

/// A relay before a web server; it ends with this value.
struct Cutting {
    address: SocketAddr,
    conduct: Arc<watch::Sender<Conduct>>,
    cut: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Cutting {
    async fn start(before: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let conduct = Arc::new(watch::Sender::new(Conduct::Carries));
        let (cut, told) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&conduct));
        let counted = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (mut changed, counted) = (told.subscribe(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let conduct = *changed.borrow_and_update();
                    // What was connected before is not connected any more.
                    tokio::select! {
                        () = serves(near, before, conduct, &counted) => {}
                        _ = changed.changed() => {}
                    }
                });
            }
        });
        Self { address, conduct, cut, task }
    }

    fn behave(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// Answers that were not passed on as they came.
    fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Cutting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serves(mut near: TcpStream, before: SocketAddr, conduct: Conduct, cut: &AtomicUsize) {
    if conduct == Conduct::Carries {
        let mut far = TcpStream::connect(before).await.unwrap();
        return drop(copy_bidirectional(&mut near, &mut far).await);
    }
    while let Some((path, accept)) = asked(&mut near).await {
        let url = format!("http://{before}{path}");
        let (status, kind, body) = spawn_blocking(move || fetched(&url, &accept)).await.unwrap();
        let is_cut = kind.starts_with("multipart/related");
        cut.fetch_add(usize::from(is_cut), Ordering::Relaxed);
        let half = body.len() / 2;
        let (status, length, given) = match conduct {
            Conduct::Partial if is_cut => (206, body.len(), body.len()),
            Conduct::CutsBody if is_cut => (status, half, half),
            Conduct::CutsConnection if is_cut => (status, body.len(), half),
            _ => (status, body.len(), body.len()),
        };
        let head =
            format!("HTTP/1.1 {status} So\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        let answer = [head.as_bytes(), &body[..given]].concat();
        if near.write_all(&answer).await.is_err() || given < length {
            return;
        }
    }
}

/// The path of the next request, and what it accepts; here nothing has a body.
async fn asked(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(read).unwrap();
    let path = head.strip_prefix("GET ").unwrap().split(' ').next().unwrap().to_owned();
    let field =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let accept = head.lines().filter_map(field).find(|(name, _)| name == "accept");
    Some((path, accept.map(|(_, value)| value).unwrap_or_default()))
}

fn fetched(url: &str, accept: &str) -> (u16, String, Vec<u8>) {
    let asked = ureq::get(url).header("Accept", accept).config().http_status_as_error(false).build();
    let mut answer = asked.call().unwrap();
    let kind = answer.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = answer.body_mut().with_config().limit(1 << 28).read_to_vec().unwrap();
    (answer.status().as_u16(), kind, body)
}

/// An archive with both doors.
async fn archive(directory: &TempDir) -> Node {
    let data = directory.path().display();
    let text = format!(
        "[node]\nname = \"archive\"\ndata = \"{data}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"ARCHIVE\"]\n\
         [[front.web]]\nlisten = \"127.0.0.1:0\"\n\
         [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"redb:{data}/catalogue\"\n"
    );
    let config = written(directory.path(), &text);
    Node::start(program(), Role::Archive, &config, directory.path(), Vec::new()).await.unwrap()
}

/// Whether a front door says that some of a series came from a member and not all.
fn ends_within(log: &str) -> bool {
    let mut ends =
        log.lines().filter(|line| line.contains("a series does not come to its end from a member"));
    ends.any(|line| line.contains("came=") && !line.contains("came=0"))
}

fn dicomweb(door: &Door) -> String {
    format!("http://{}/dicomweb", door.node.listening().unwrap().web[0])
}

/// What came through the door and what was there before it in turn, by WADO-RS, C-GET and C-MOVE; and, as the control, what
/// is left of it without the other member.
#[tokio::test]
async fn what_a_web_member_gives_in_part_is_given_whole() {
    let directory = TempDir::new().unwrap();
    let node = archive(&directory).await;
    let listening = node.listening().unwrap();
    let mut well = Archive::start("WELL", "sqlite").await;
    let cutting = Cutting::start(listening.web[0]).await;
    let (stored, prior) = (objects(6_011, INSTANCES), objects(6_012, INSTANCES));
    let archive = Station { ae_title: ae("ARCHIVE"), port: listening.dimse[0].port() };
    for station in [archive, well.station()] {
        send(&station, &prior).await;
    }
    let url = format!("http://{}/dicomweb", cutting.address);
    let mut receiver = Receiver::start().await;
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "[[front.web]]\nlisten = \"127.0.0.1:0\"\n")
        .replace("[journal]\n", NO_RETENTION)
        .replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000")
        + &member("cutting", "verified", &[web("dicomweb", &url)])
        + &Behind::new("well", &well.station(), "verified").text()
        + &receiver.table();
    let mut door = Door::open_with(home, &text).await;
    send(&door.station(), &stored).await;
    released(&door, &stored).await;
    let complete =
        |status: &Value| (0..2).all(|member| status["members"][member]["inventory"]["state"] == "complete");
    door.until(&["status"], PATIENCE, complete).await;
    let progress = watch::Sender::new(0);
    let mut wrong: Vec<(Conduct, By, Vec<String>)> = Vec::new();
    let mut turns = [&stored, &prior].into_iter().cycle();
    for conduct in CUTS {
        cutting.behave(conduct);
        for (by, of) in BYS.into_iter().zip(&mut turns) {
            // It was left alone for what it did.
            door.node.process().restart().await.unwrap();
            let (station, root, before) = (door.station(), dicomweb(&door), cutting.cut());
            let told = match by {
                By::Wado => retrieve(&root, of, &progress).await.wrong(of),
                By::Get => get(&station, of, &progress).await.wrong(of),
                By::Move => receiver.move_(&station, of).await.wrong(of),
            };
            wrong.push((conduct, by, told));
            let log = door.node.process().log().unwrap();
            let is_struck =
                if conduct == Conduct::Partial { cutting.cut() > before } else { ends_within(&log) };
            assert!(is_struck, "{conduct:?} {by:?}: nothing was cut in the middle\n{log}");
        }
    }
    wrong.retain(|(_, _, wrong)| !wrong.is_empty());
    assert!(wrong.is_empty(), "{wrong:#?}");

    well.process().kill().unwrap();
    for conduct in CUTS {
        cutting.behave(conduct);
        door.node.process().restart().await.unwrap();
        let got = get(&door.station(), &stored, &progress).await;
        assert!(got.status != Status::SUCCESS && !got.failed.is_empty(), "the control: {conduct:?} {got:?}");
        let fetched = retrieve(&dicomweb(&door), &stored, &progress).await;
        assert!(!fetched.wrong(&stored).is_empty(), "the control: {conduct:?}");
    }
}
