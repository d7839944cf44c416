//! The viewer in a browser, as a radiologist sees it: what stands on the screen is held against the pixels that were sent,
//! with both members up and with each hung and killed in turn.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths of pictures stay far below 2^52, and what is inside one is not negative"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use outrigger_model::Tag;
use outrigger_sim::part10;
use outrigger_sim::peers::{Orthanc, OrthancSetup};
use outrigger_sim::phantom::{Phantom, Shape, corpus};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, send};
use crate::samples;

const PATIENCE: Duration = Duration::from_secs(60);
/// Cells of the grid in which the screen is compared, each way; `look.mjs` has the same.
const GRID: usize = 16;
/// The least correlation of what is shown with what was sent: text lies over the corners of the picture, and grey levels are windowed.
const ALIKE: f64 = 0.8;
/// Rows and columns of a CT slice, how many slices there are, and the brightness of the bar that tells one from another.
const SIDE: usize = 512;
const SLICES: usize = 12;
const BAR: u16 = 4000;
/// Turns of the wheel from the first picture to the later one.
const STEPS: usize = 7;
/// Lines of the report as the viewer sets them; names and values are those of the object.
const REPORT: [&str; 4] = [
    "1. Document Title",
    "Recording Observer's Name: Enter text",
    "1.1. Section Heading",
    "Report Text: Enter text",
];

/// A picture in grey.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<f64>,
}

impl Picture {
    /// A CT phantom.
    fn of_phantom(object: &Object) -> Self {
        let words = object.bytes[object.bytes.len() - SIDE * SIDE * 2..].chunks_exact(2);
        let grey = words.map(|word| f64::from(u16::from_le_bytes([word[0], word[1]]))).collect();
        Self { width: SIDE, height: SIDE, grey }
    }

    /// All frames of an image, decoded by DCMTK.
    async fn decoded(object: &Object, directory: &Path) -> Vec<Self> {
        let (file, portable) = (directory.join("image.dcm"), directory.join("image"));
        let header = &object.header;
        let bytes =
            part10::file(&header.sop_class, &header.sop_instance, &object.transfer_syntax, &object.bytes);
        fs::write(&file, bytes).unwrap();
        let mut command = Command::new("dcmj2pnm");
        let status = command.args(["--all-frames", "+op"]).arg(&file).arg(&portable).status().await.unwrap();
        assert!(status.success());
        let frame = |number: usize| fs::read(directory.join(format!("image.{number}.ppm"))).ok();
        (0..).map_while(frame).map(|bytes| Self::portable(&bytes)).collect()
    }

    /// A PGM or PPM of eight bits.
    fn portable(bytes: &[u8]) -> Self {
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < 4 {
            let length = bytes[at..].iter().position(u8::is_ascii_whitespace).unwrap();
            words.push(std::str::from_utf8(&bytes[at..at + length]).unwrap());
            at += length + 1;
        }
        let [width, height] = [words[1], words[2]].map(|word| word.parse().unwrap());
        let samples = if words[0] == "P6" { 3 } else { 1 };
        let mean =
            |pixel: &[u8]| pixel.iter().map(|sample| f64::from(*sample)).sum::<f64>() / pixel.len() as f64;
        Self { width, height, grey: bytes[at..].chunks_exact(samples).map(mean).collect() }
    }

    /// Its brightness in the grid of a canvas into which it is fitted, keeping its shape.
    fn fitted(&self, width: f64, height: f64) -> Vec<f64> {
        const POINTS: usize = 8;
        let scale = (width / self.width as f64).min(height / self.height as f64);
        let (left, top) =
            ((width - self.width as f64 * scale) / 2.0, (height - self.height as f64 * scale) / 2.0);
        let at = |step: usize, length: f64, from: f64| {
            ((step as f64 + 0.5) / (GRID * POINTS) as f64 * length - from) / scale
        };
        let mut cells = vec![0.0; GRID * GRID];
        for row in 0..GRID * POINTS {
            for column in 0..GRID * POINTS {
                let (y, x) = (at(row, height, top), at(column, width, left));
                let inside = y >= 0.0 && x >= 0.0 && y < self.height as f64 && x < self.width as f64;
                if inside {
                    cells[row / POINTS * GRID + column / POINTS] +=
                        self.grey[y as usize * self.width + x as usize];
                }
            }
        }
        cells
    }
}

/// Pearson's coefficient.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let product = |left: &[f64], l: f64, right: &[f64], r: f64| -> f64 {
        left.iter().zip(right).map(|(x, y)| (x - l) * (y - r)).sum()
    };
    product(one, a, other, b) / (product(one, a, one, a) * product(other, b, other, b)).sqrt()
}

/// The picture that what is shown resembles most, and how much.
fn likest(seen: &Value, pictures: &[Picture]) -> (usize, f64) {
    let number = |value: &Value| value.as_f64().unwrap();
    let grid: Vec<f64> = seen["grid"].as_array().unwrap().iter().map(number).collect();
    let (width, height) = (number(&seen["width"]), number(&seen["height"]));
    let resemblances = pictures.iter().map(|picture| correlation(&grid, &picture.fitted(width, height)));
    resemblances.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap()
}

/// A CT slice with a bright bar over it, further down in each, as a patient differs from slice to slice.
fn barred(number: usize, phantom: Phantom) -> Object {
    let mut object = Object::from(phantom);
    let mut bytes = object.bytes.to_vec();
    let pixels = bytes.len() - SIDE * SIDE * 2;
    let row = |slice: usize| pixels + slice * SIDE / SLICES * SIDE * 2;
    for pixel in bytes[row(number)..row(number + 1)].chunks_exact_mut(2) {
        pixel.copy_from_slice(&BAR.to_le_bytes());
    }
    object.bytes = bytes.into();
    object
}

/// The viewer in a browser of its own.
struct Browser {
    driver: Child,
    wanted: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    shots: PathBuf,
}

impl Browser {
    fn start() -> Self {
        let shots = std::env::temp_dir().join(format!("outrigger-viewer-{}", std::process::id()));
        fs::create_dir_all(&shots).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/viewer/look.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg("/usr/bin/chromium").arg(&shots);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut driver = command.spawn().unwrap();
        let (wanted, said) = (driver.stdin.take().unwrap(), driver.stdout.take().unwrap());
        Self { driver, wanted, said: BufReader::new(said).lines(), shots }
    }

    /// What stands on the screen when a study is open, and for an image after so many steps; trouble on the way fails.
    async fn look(&mut self, kind: &str, steps: usize, url: &str) -> Value {
        self.wanted.write_all(format!("{kind} {steps} {url}\n").as_bytes()).await.unwrap();
        let line = self.said.next_line().await.unwrap().unwrap();
        let mut page: Value = serde_json::from_str(&line).unwrap();
        assert!(
            page["troubles"].as_array().unwrap().is_empty() && !page["seen"].is_null(),
            "{page:#}, with screenshots in {}",
            self.shots.display()
        );
        page["seen"].take()
    }

    async fn close(mut self) {
        drop(self.wanted);
        assert!(self.driver.wait().await.unwrap().success());
        fs::remove_dir_all(&self.shots).unwrap();
    }
}

/// What is looked at, and what it must look like.
struct Studies {
    ct: Vec<Object>,
    us: Object,
    sr: Object,
    slices: Vec<Picture>,
    frames: Vec<Picture>,
}

impl Studies {
    async fn new() -> Self {
        let phantoms = corpus(61, Shape::Ct, SLICES as u32);
        let ct: Vec<Object> = phantoms.enumerate().map(|(number, phantom)| barred(number, phantom)).collect();
        let frames = |object: &Object| {
            object.header.attribute(Tag::NUMBER_OF_FRAMES).and_then(|text| text.parse::<u32>().ok())
        };
        let of = |modality: &str, least: u32| {
            let fits = |object: &Object| {
                object.header.attribute(Tag::MODALITY) == Some(modality)
                    && frames(object).unwrap_or(1) >= least
            };
            samples::samples().into_iter().find(fits).unwrap()
        };
        let (us, sr) = (of("US", 30), of("SR", 1));
        let directory = TempDir::new().unwrap();
        let slices = ct.iter().map(Picture::of_phantom).collect();
        let frames = Picture::decoded(&us, directory.path()).await;
        Self { ct, us, sr, slices, frames }
    }

    fn all(&self) -> Vec<Object> {
        self.ct.iter().chain([&self.us, &self.sr]).cloned().collect()
    }
}

/// The viewer that a door serves, and the studies behind it.
struct Room {
    browser: Browser,
    studies: Studies,
    viewer: String,
}

impl Room {
    fn url(&self, object: &Object) -> String {
        format!("{}?StudyInstanceUIDs={}", self.viewer, object.header.study.as_ref().unwrap())
    }

    /// The slice at the top of the CT, and the one so many steps below, must be themselves and no other of the series.
    async fn shows_ct(&mut self) {
        let url = self.url(&self.studies.ct[0]);
        let seen = self.browser.look("image", STEPS, &url).await;
        Self::are_seen("slice", &seen, &self.studies.slices);
        // The comparison tells one study from the other.
        assert!(likest(&seen[0], &self.studies.frames).1 < ALIKE);
    }

    /// The same of the frames of the ultrasound.
    async fn shows_us(&mut self) {
        let url = self.url(&self.studies.us);
        let seen = self.browser.look("image", STEPS, &url).await;
        Self::are_seen("frame", &seen, &self.studies.frames);
    }

    fn are_seen(what: &str, seen: &Value, pictures: &[Picture]) {
        for (page, wanted) in [(&seen[0], 0), (&seen[1], STEPS)] {
            let (found, resemblance) = likest(page, pictures);
            println!("{what} {found}: resemblance {resemblance:.3}, {} grey levels", page["distinct"]);
            assert!(found == wanted && resemblance > ALIKE, "{what} {wanted} is {found}, {resemblance}");
        }
    }

    /// The report's text, line by line.
    async fn shows_sr(&mut self) {
        let url = self.url(&self.studies.sr);
        let seen = self.browser.look("report", 0, &url).await;
        let lines: Vec<&str> = seen.as_str().unwrap().lines().map(str::trim).collect();
        for line in REPORT {
            assert!(lines.contains(&line), "{line} is not in {lines:#?}");
        }
    }
}

#[tokio::test]
async fn viewer_ohif_shows_images_and_a_report_whichever_member_is_down() {
    let ours = answers();
    let setup = OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours));
    let mut orthanc = Orthanc::start(&setup).await.unwrap();
    let mut archive = Archive::start("B", "redb").await;
    let members = [
        Behind::new("orthanc", orthanc.station(), "verified"),
        Behind::new("b", &archive.station(), "verified"),
    ];
    let directory = TempDir::new().unwrap();
    let files = std::env::var("OUTRIGGER_VIEWER").unwrap();
    // The bytes leave the journal, so that what is seen comes from a member.
    let text = head(directory.path(), ours.port, "")
        .replace("[journal]\n", "[journal]\nretention = \"0s\"\n")
        + &format!("[[front.web]]\nlisten = \"127.0.0.1:0\"\n[viewer]\nfiles = \"{files}\"\n")
        + &members.iter().map(Behind::text).collect::<String>();
    let door = Door::open_with(directory, &text).await;
    let studies = Studies::new().await;
    send(&door.station(), &studies.all()).await;
    door.balance_exits(0, PATIENCE).await;
    for object in studies.all() {
        let released = |why: &Value| why["studies"][0]["instances"][0]["journal"] == false;
        door.until(&["why", object.header.sop_instance.as_str()], PATIENCE, released).await;
    }
    let viewer = format!("http://{}/viewer/viewer", door.node.listening().unwrap().web[0]);
    let mut room = Room { browser: Browser::start(), studies, viewer };
    room.shows_ct().await;
    room.shows_us().await;
    room.shows_sr().await;
    // Each is hung and then killed, which each study meets at one of the members; what the other one shows, it shows after it
    // was killed and came back.
    orthanc.process().pause().unwrap();
    room.shows_ct().await;
    orthanc.process().kill().unwrap();
    room.shows_us().await;
    room.shows_sr().await;
    orthanc.process().restart().await.unwrap();
    archive.process().pause().unwrap();
    room.shows_us().await;
    room.shows_sr().await;
    archive.process().kill().unwrap();
    room.shows_ct().await;
    archive.restart().await;
    orthanc.process().kill().unwrap();
    room.shows_sr().await;
    room.browser.close().await;
}
