//! The viewer in a browser, as a radiologist sees it: what stands on the screen is held against the pixels that were sent,
//! with both members up and with each down in turn.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths of pictures stay far below 2^52, and what is inside one is not negative"
)]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrigger_model::Tag;
use outrigger_sim::part10;
use outrigger_sim::peers::{Orthanc, OrthancSetup};
use outrigger_sim::phantom::{Shape, corpus};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, send};
use crate::samples;

const PATIENCE: Duration = Duration::from_secs(60);
/// Cells of the grid in which the screen is compared, each way; `look.mjs` has the same.
const GRID: usize = 16;
/// The least correlation of what is shown with what was sent: text lies over the corners of the picture, and grey levels are windowed.
const ALIKE: f64 = 0.8;

/// A picture in grey.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<f64>,
}

impl Picture {
    /// The first frame of a CT phantom.
    fn of_phantom(object: &Object, side: usize) -> Self {
        let bytes = object.bytes.len() - side * side * 2;
        let words = object.bytes[bytes..].chunks_exact(2);
        let grey = words.map(|word| f64::from(u16::from_le_bytes([word[0], word[1]]))).collect();
        Self { width: side, height: side, grey }
    }

    /// The first frame of any image, decoded by DCMTK.
    async fn decoded(object: &Object, directory: &Path) -> Self {
        let (file, portable) = (directory.join("image.dcm"), directory.join("image.pnm"));
        let header = &object.header;
        let bytes =
            part10::file(&header.sop_class, &header.sop_instance, &object.transfer_syntax, &object.bytes);
        fs::write(&file, bytes).unwrap();
        let mut command = Command::new("dcmj2pnm");
        let status = command.args(["--frame", "1", "+op"]).arg(&file).arg(&portable).status().await.unwrap();
        assert!(status.success());
        Self::portable(&fs::read(&portable).unwrap())
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

/// How much what is shown resembles a picture.
fn resemblance(seen: &Value, picture: &Picture) -> f64 {
    let number = |value: &Value| value.as_f64().unwrap();
    let grid: Vec<f64> = seen["grid"].as_array().unwrap().iter().map(number).collect();
    correlation(&grid, &picture.fitted(number(&seen["width"]), number(&seen["height"])))
}

/// What stands on the screen for each address, a kind before each; trouble on the way fails.
async fn look(wanted: &[String]) -> Vec<Value> {
    let shots = std::env::temp_dir().join(format!("outrigger-viewer-{}", std::process::id()));
    fs::create_dir_all(&shots).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/viewer/look.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg("/usr/bin/chromium").arg(&shots).args(wanted);
    let ran = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let lines = ran.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let seen: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    for page in &seen {
        assert!(
            page["troubles"].as_array().unwrap().is_empty() && !page["seen"].is_null(),
            "{page:#}, with screenshots in {}",
            shots.display()
        );
    }
    fs::remove_dir_all(&shots).unwrap();
    seen.into_iter().map(|mut page| page["seen"].take()).collect()
}

/// What is looked at, and what it must look like.
struct Studies {
    ct: Vec<Object>,
    us: Object,
    sr: Object,
    pictures: [Picture; 2],
}

impl Studies {
    async fn new() -> Self {
        let ct: Vec<Object> = corpus(61, Shape::Ct, 12).map(Object::from).collect();
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
        let pictures = [Picture::of_phantom(&ct[0], 512), Picture::decoded(&us, directory.path()).await];
        Self { ct, us, sr, pictures }
    }

    fn all(&self) -> Vec<Object> {
        self.ct.iter().chain([&self.us, &self.sr]).cloned().collect()
    }

    /// Opens each in the viewer; the picture that it is must be there, and not another.
    async fn are_shown(&self, door: &Door) {
        let web = door.node.listening().unwrap().web[0];
        let url = |kind: &str, object: &Object| {
            let study = object.header.study.as_ref().unwrap();
            format!("{kind}=http://{web}/viewer/viewer?StudyInstanceUIDs={study}")
        };
        let wanted = [url("image", &self.ct[0]), url("image", &self.us), url("report", &self.sr)];
        let seen = look(&wanted).await;
        for (page, picture) in seen.iter().zip(&self.pictures) {
            let (it, mean) = (resemblance(page, picture), &page["distinct"]);
            println!("resemblance {it:.3}, {mean} grey levels");
            assert!(it > ALIKE, "{it}: {page}");
        }
        // The comparison tells one from the other.
        for (page, picture) in seen.iter().zip(self.pictures.iter().rev()) {
            assert!(resemblance(page, picture) < ALIKE);
        }
        assert!(seen[2].as_str().unwrap().contains("Document Title"), "{}", seen[2]);
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
    studies.are_shown(&door).await;
    orthanc.process().pause().unwrap();
    studies.are_shown(&door).await;
    orthanc.process().resume().unwrap();
    archive.process().pause().unwrap();
    studies.are_shown(&door).await;
    archive.process().resume().unwrap();
}
