//! Frames (PS3.18 section 10.4.1.1.6): as they are stored, or decoded without loss.

use std::sync::Arc;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::pixel::{Shape, ShapeError, decode_frame};
use outrigger_dataset::survey::{FrameError, FrameIndex, Span, Survey, aligned};
use outrigger_dicomweb::accept::{Coding, Container, FrameChoice, FrameForm};
use outrigger_dicomweb::frames::frame_list;
use outrigger_dicomweb::multipart_writer::Boundary;
use outrigger_model::Tag;
use outrigger_runtime::BlockError;

use super::Wado;
use super::asking::Asking;
use super::body::{Broken, Pieces, written};
use super::failure::{failed, too_large};
use super::given::Given;
use super::looked::Looked;
use super::opened::{Memory, Source};
use super::plan::instance;
use super::read::reader;
use crate::web::Refusal;

const NOT_ACCEPTABLE: &str = "the frames can be had as multipart/related of application/octet-stream where they are \
                              native or compressed without loss, and of the media type of their encoding, by \
                              transfer-syntax=*";

/// Most bytes of a frame that is decoded or moved: two mammograms of 4,700 by 5,900 pixels.
const FRAME_BYTES_MAX: u64 = 128 << 20;

/// One response of frames.
pub(super) struct Frames {
    pub(super) source: Source,
    /// Each of them as if it were alone.
    pub(super) shape: Result<Shape, ShapeError>,
    pub(super) index: FrameIndex,
    pub(super) choice: FrameChoice,
    pub(super) boundary: Boundary,
    /// Their location but for the number.
    pub(super) location: String,
}

/// Gives frames of an instance.
pub(super) async fn frames(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let numbers = frame_list(asking.frames.as_deref().unwrap_or_default()).map_err(Refusal::bad)?;
    let planned = instance(&wado, &asking.resource).await?;
    let looked = wado.look(&planned).await?;
    let mut given = Given::new(&asking);
    given.count(&planned);
    let location = format!("{}/{}/frames", asking.base, asking.resource.path());
    let frames = Frames::new(&wado, &asking, looked, location).await?;
    frames.respond(wado, numbers, given).await
}

impl Frames {
    /// Finds the frames, and how they are to be sent.
    pub(super) async fn new(
        wado: &Wado,
        asking: &Asking,
        looked: Looked,
        location: String,
    ) -> Result<Self, Refusal> {
        let Looked { survey, source, room } = looked;
        let choice = FrameChoice::of(&FrameForm::accepted(&asking.accept), &source.transfer_syntax)
            .ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))?;
        let index = wado.index(&survey, &source).await?;
        let shape = Shape::read(&one_frame(&survey));
        // Nothing of the survey is needed while the frames are sent, which takes as long as their reader does.
        drop((survey, room));
        let boundary = wado.boundary()?;
        Ok(Self { source, shape, index, choice, boundary, location })
    }

    /// Sends frames by their numbers, of which there is at least one.
    pub(super) async fn respond(
        self,
        wado: Wado,
        numbers: Vec<u32>,
        given: Given,
    ) -> Result<Response, Refusal> {
        let count = self.index.count();
        if let Some(number) = numbers.iter().find(|number| self.index.frame(**number).is_none()) {
            return Err(Refusal::nothing(format!("there is no frame {number}; the instance has {count}")));
        }
        let is_empty = |number: &u32| self.index.frame(*number).is_some_and(|span| length(&span) == 0);
        if let Some(number) = numbers.iter().find(|number| is_empty(number)) {
            return Err(Refusal::nothing(format!("there are no bytes of frame {number}")));
        }
        let first = numbers.first().copied().unwrap_or(1);
        if self.choice.container == Container::Single && numbers.len() > 1 {
            let text = format!(
                "{} frames do not fit into {}; ask for multipart/related",
                numbers.len(),
                self.choice.media
            );
            return Err(Refusal::not_acceptable(&text));
        }
        // What cannot be decoded is told while an error has a status of its own.
        let first = self.made(&wado, first).await?;
        if self.choice.container == Container::Single {
            return Ok(self.single(wado, first, given));
        }
        let content_type = self.boundary.content_type(&self.choice.media);
        let body = written(|pieces| async move {
            let sent = self.send_all(&wado, &pieces, first, &numbers).await;
            given.tell().await;
            (pieces, sent)
        });
        Ok(([(CONTENT_TYPE, content_type)], body).into_response())
    }

    fn single(self, wado: Wado, frame: Made, given: Given) -> Response {
        let fields =
            [(CONTENT_TYPE, self.choice.content_type()), (CONTENT_LENGTH, frame.length().to_string())];
        let body = written(|pieces| async move {
            let sent = self.send(&wado, &pieces, frame).await;
            given.tell().await;
            (pieces, sent)
        });
        (fields, body).into_response()
    }

    async fn send_all(
        &self,
        wado: &Wado,
        pieces: &Pieces,
        first: Made,
        numbers: &[u32],
    ) -> Result<(), Broken> {
        let mut made = Some(first);
        for number in numbers {
            let frame = match made.take() {
                Some(frame) => frame,
                None => self.made(wado, *number).await.map_err(|refusal| {
                    Broken::Failed(format!("frame {number} cannot be given: {}", refusal.text()))
                })?,
            };
            let (length, location) = (frame.length().to_string(), format!("{}/{number}", self.location));
            let head = self.boundary.part(&[
                ("Content-Type", &self.choice.content_type()),
                ("Content-Length", &length),
                ("Content-Location", &location),
            ]);
            pieces.send(head).await?;
            self.send(wado, pieces, frame).await?;
        }
        pieces.send(self.boundary.end()).await
    }

    async fn send(&self, wado: &Wado, pieces: &Pieces, frame: Made) -> Result<(), Broken> {
        match frame {
            Made::Bytes(bytes, _memory) => pieces.send(bytes).await,
            Made::There(span) => {
                for place in span.places {
                    wado.send_place(pieces, &self.source, place).await?;
                }
                Ok(())
            }
        }
    }

    /// A frame as it is sent.
    async fn made(&self, wado: &Wado, number: u32) -> Result<Made, Refusal> {
        let span = self.index.frame(number).ok_or_else(|| Refusal::nothing("there is no such frame"))?;
        match (&span.bits, self.choice.coding) {
            (None, Coding::Kept) => Ok(Made::There(span)),
            (Some(bits), Coding::Kept) => {
                let (bytes, memory) = wado.frame_bytes(&self.source, &span, 0).await?;
                Ok(Made::Bytes(aligned(&bytes, bits).into(), memory))
            }
            (_, Coding::Decoded) => {
                let shape = self.shape.clone();
                let shape =
                    shape.map_err(|error| failed("the frame is not described by the attributes", &error))?;
                let (bytes, memory) = wado.frame_bytes(&self.source, &span, shape.decoded_bytes()).await?;
                let syntax = self.source.transfer_syntax.clone();
                let work = move || decode_frame(&syntax, &shape, &bytes);
                let decoded = wado.threads.blocking("decode", work).await?;
                let decoded = decoded.map_err(|error| failed("the frame cannot be decoded", &error))?;
                decoded
                    .map(|cells| Made::Bytes(cells.into(), memory))
                    .ok_or_else(|| Refusal::not_acceptable(NOT_ACCEPTABLE))
            }
        }
    }
}

/// A frame to be sent.
enum Made {
    /// In memory, for which this was taken.
    Bytes(Bytes, Memory),
    /// Where it lies in the object.
    There(Span),
}

impl Made {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes, _) => bytes.len() as u64,
            Self::There(span) => length(span),
        }
    }
}

fn length(span: &Span) -> u64 {
    span.places.iter().map(|place| place.length).sum()
}

/// What describes one frame of an image as if it were the only one.
pub(super) fn one_frame(survey: &Survey) -> DataSet {
    let mut described = survey.described();
    described.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "1"));
    described
}

impl Wado {
    /// Finds the frames of an instance.
    pub(super) async fn index(&self, survey: &Arc<Survey>, source: &Source) -> Result<FrameIndex, Refusal> {
        let (survey, source) = (Arc::clone(survey), source.clone());
        let work = move || FrameIndex::new(&survey, &source.transfer_syntax, reader(&*source.bytes));
        self.threads.blocking("frames", work).await?.map_err(|error: FrameError<BlockError>| match error {
            FrameError::NoPixels => Refusal::not_acceptable(error),
            FrameError::Video => {
                let text = format!("{error}; ask for the whole: `rendered` or `pixeldata` of the instance");
                Refusal::not_acceptable(&text)
            }
            error => failed("the frames of the instance cannot be found", &error),
        })
    }

    /// The bytes of one frame, in memory, with room for what it is decoded to.
    pub(super) async fn frame_bytes(
        &self,
        source: &Source,
        span: &Span,
        decoded: u64,
    ) -> Result<(Bytes, Memory), Refusal> {
        let length = length(span);
        if length > FRAME_BYTES_MAX {
            return Err(too_large(&format!("the frame has {length} bytes, more than {FRAME_BYTES_MAX}")));
        }
        let memory = self.memory_beside(source, length.saturating_add(decoded)).await?;
        Ok((self.gather(source, span.places.clone()).await?, memory))
    }
}
