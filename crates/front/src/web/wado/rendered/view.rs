//! An instance made ready to be looked at.

use std::sync::Arc;

use outrigger_dataset::codestream::Family;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::survey::{Found, FrameIndex, Place, Survey};
use outrigger_dicomweb::media::frame_media;
use outrigger_dicomweb::render::{
    Animated, Frame, RENDERED_SAMPLES_MAX, RenderError, Wishes, animate, missing_values, render,
};
use tokio::sync::OwnedSemaphorePermit;

use super::super::Wado;
use super::super::failure::{failed, too_large};
use super::super::frames::one_frame;
use super::super::looked::Looked;
use super::super::opened::Source;
use super::super::read::gathered;
use crate::service::Retrievable;
use crate::web::Refusal;

/// Bytes that rendering takes for each sample: stored, decoded, as levels, scaled.
const BYTES_A_SAMPLE: u64 = 16;

/// An instance that was opened and looked over.
pub(super) struct View {
    survey: Arc<Survey>,
    source: Source,
    /// Memory that the survey takes.
    _room: OwnedSemaphorePermit,
}

/// A view of one frame or of all, with what is read of it.
struct Prepared {
    survey: Arc<Survey>,
    index: FrameIndex,
    shape: Shape,
    samples: u64,
}

impl View {
    pub(super) async fn open(wado: &Wado, instance: &Retrievable) -> Result<Self, Refusal> {
        let Looked { survey, source, room } = wado.look(instance).await?;
        Ok(Self { survey, source, _room: room })
    }

    /// Media type and places of the stream, where the frames are one.
    pub(super) fn video(&self) -> Option<(&'static str, Vec<Place>)> {
        let syntax = &self.source.transfer_syntax;
        let is_video = Family::of(syntax) == Some(Family::Video);
        match &self.survey.pixel_data()?.value {
            Found::Fragments(fragments) if is_video => {
                Some((frame_media(syntax), fragments.iter().skip(1).copied().collect()))
            }
            _ => None,
        }
    }

    pub(super) fn into_source(self) -> Source {
        self.source
    }

    /// Refuses frames that are not there.
    pub(super) async fn check(&self, wado: &Wado, numbers: &[u32]) -> Result<(), Refusal> {
        let index = wado.index(&self.survey, &self.source).await?;
        match numbers.iter().find(|number| index.frame(**number).is_none()) {
            Some(number) => Err(missing(*number, &index)),
            None => Ok(()),
        }
    }

    /// A picture of a frame.
    pub(super) async fn render(
        &self,
        wado: &Wado,
        number: u32,
        wishes: Wishes,
        media: &'static str,
    ) -> Result<Vec<u8>, Refusal> {
        let Prepared { survey, index, samples, .. } = self.prepared(wado, &[number]).await?;
        let span = index.frame(number).ok_or_else(|| missing(number, &index))?;
        let (bytes, memory) = wado.frame_bytes(&self.source, &span, samples * BYTES_A_SAMPLE).await?;
        let transfer_syntax = self.source.transfer_syntax.clone();
        let work = move || {
            let frame = Frame { survey: &survey, number, transfer_syntax: &transfer_syntax, bytes: &bytes };
            render(&frame, &wishes, media)
        };
        let rendered = wado.threads.blocking("render", work).await?;
        drop(memory);
        rendered.map_err(unrendered)
    }

    /// All frames as an animation.
    pub(super) async fn animate(&self, wado: &Wado, wishes: Wishes) -> Result<Vec<u8>, Refusal> {
        let count = wado.index(&self.survey, &self.source).await?.count();
        let numbers: Vec<u32> = (1..=count).collect();
        let Prepared { survey, index, shape, samples } = self.prepared(wado, &numbers).await?;
        let source = self.source.clone();
        let check = Animated { survey: &survey, transfer_syntax: &source.transfer_syntax, frames: count };
        check.check(&shape).map_err(unrendered)?;
        // A pixel takes a byte of a GIF, or a little more.
        let animation = u64::from(shape.rows) * u64::from(shape.columns) * u64::from(count) * 2;
        let memory = wado.memory_beside(&source, samples * BYTES_A_SAMPLE + animation).await?;
        let work = move || {
            let animated =
                Animated { survey: &survey, transfer_syntax: &source.transfer_syntax, frames: count };
            animate(&animated, &wishes, |number| {
                let places = index.frame(number).map(|span| span.places).unwrap_or_default();
                gathered(&*source.bytes, &places)
                    .map_err(|error| failed("the instance cannot be read", &error))
            })
        };
        let rendered = wado.threads.blocking("animate", work).await?;
        drop(memory);
        rendered
    }

    /// The survey with all that these frames need, where they lie, and how large they are.
    async fn prepared(&self, wado: &Wado, numbers: &[u32]) -> Result<Prepared, Refusal> {
        let mut survey = Arc::clone(&self.survey);
        for number in numbers {
            for (path, place) in missing_values(&survey, *number) {
                let value = wado.gather(&self.source, vec![place]).await?;
                Arc::make_mut(&mut survey).fill(&path, value);
            }
        }
        let index = wado.index(&survey, &self.source).await?;
        let shape = Shape::read(&one_frame(&survey))
            .map_err(|error| Refusal::not_acceptable(format!("the instance cannot be rendered: {error}")))?;
        let samples = u64::from(shape.rows) * u64::from(shape.columns) * u64::from(shape.samples);
        if samples > RENDERED_SAMPLES_MAX {
            return Err(too_large(&RenderError::TooLarge { samples }));
        }
        Ok(Prepared { survey, index, shape, samples })
    }
}

fn missing(number: u32, index: &FrameIndex) -> Refusal {
    Refusal::nothing(format!("there is no frame {number}; the instance has {}", index.count()))
}

fn unrendered(error: RenderError) -> Refusal {
    match error {
        RenderError::TooLarge { .. } | RenderError::TooLong { .. } => too_large(&error),
        RenderError::Outside => Refusal::bad(error),
        RenderError::Unsupported { .. } => Refusal::not_acceptable(error),
        error => failed("the frame cannot be rendered", &error),
    }
}

impl From<RenderError> for Refusal {
    fn from(error: RenderError) -> Self {
        unrendered(error)
    }
}
