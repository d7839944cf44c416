//! A workstation of our own that speaks DICOMweb: retrieves studies by WADO-RS and notes each object as it comes.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dicomweb::media::MediaType;
use outrigger_dicomweb::multipart_reader::{Event, MultipartReader, PartHead};
use outrigger_model::{SopInstanceUid, TransferSyntaxUid};
use outrigger_sim::part10;
use tokio::time::Instant;

use crate::modality::Object;
use crate::workstation::{Came, Progress, wrong_objects};

/// Longest time for a whole request: longer than anything that is judged here.
const PATIENCE: Duration = Duration::from_secs(180);
/// Bytes taken from the connection at once.
const PIECE: usize = 64 << 10;
const ACCEPT: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";

/// How a request ended, and what came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// Why the body did not end well.
    pub(crate) broken: Option<String>,
    pub(crate) came: Vec<Came>,
}

impl Fetched {
    /// Everything that is wrong with it, if all of these had to come, and once.
    pub(crate) fn wrong(&self, expected: &[Object]) -> Vec<String> {
        let mut wrong = wrong_objects(&self.came, expected);
        if self.status != 200 {
            wrong.push(format!("status {}", self.status));
        }
        wrong.extend(self.broken.clone());
        wrong
    }
}

/// Retrieves the study of these objects from the root of a service.
pub(crate) async fn retrieve(root: &str, objects: &[Object], progress: &Progress) -> Fetched {
    let url = format!("{root}/studies/{}", objects[0].header.study.as_ref().unwrap());
    let progress = progress.clone();
    tokio::task::spawn_blocking(move || read(&url, &progress)).await.unwrap()
}

fn read(url: &str, progress: &Progress) -> Fetched {
    let asked = ureq::get(url).header("Accept", ACCEPT).config().http_status_as_error(false);
    let answer = asked.timeout_global(Some(PATIENCE)).build().call();
    let mut fetched = Fetched { status: 0, broken: None, came: Vec::new() };
    match answer {
        Err(error) => fetched.broken = Some(error.to_string()),
        Ok(answer) => {
            fetched.status = answer.status().as_u16();
            if fetched.status == 200 {
                let boundary = boundary(answer.headers()["content-type"].to_str().unwrap());
                let body = answer.into_body().into_reader();
                fetched.broken = parts(body, &boundary, &mut fetched.came, progress).err();
            }
        }
    }
    fetched
}

fn boundary(content_type: &str) -> String {
    MediaType::parse(content_type).unwrap().parameter("boundary").unwrap().to_owned()
}

/// Takes the parts of a body; the error is the connection's, or says where the body was cut.
fn parts(
    mut body: impl Read,
    boundary: &str,
    came: &mut Vec<Came>,
    progress: &Progress,
) -> Result<(), String> {
    let mut reader = MultipartReader::new(boundary).unwrap();
    let mut piece = vec![0; PIECE];
    let mut part = (PartHead::default(), Vec::new());
    loop {
        let count = body.read(&mut piece).map_err(|error| format!("the body broke: {error}"))?;
        if count == 0 {
            return reader.finish().map_err(|error| error.to_string());
        }
        reader.push(Bytes::copy_from_slice(&piece[..count]));
        while let Some(event) = reader.next_event().map_err(|error| error.to_string())? {
            match event {
                Event::Part(head) => part = (head, Vec::new()),
                Event::Data(bytes) => part.1.extend_from_slice(&bytes),
                Event::PartEnd => {
                    came.push(object(&part.0, &part.1));
                    progress.send_modify(|count| *count += 1);
                }
                Event::End => {}
            }
        }
    }
}

/// An object of a part, by what the part says of it.
fn object(head: &PartHead, file: &[u8]) -> Came {
    let media = MediaType::parse(head.field("Content-Type").unwrap()).unwrap();
    let (_, uid) = head.field("Content-Location").unwrap().rsplit_once('/').unwrap();
    Came {
        instance: SopInstanceUid::new(uid).unwrap(),
        transfer_syntax: TransferSyntaxUid::new(media.parameter("transfer-syntax").unwrap()).unwrap(),
        originator: None,
        bytes: Bytes::copy_from_slice(part10::parts(file).unwrap().data_set),
        at: Instant::now(),
    }
}
