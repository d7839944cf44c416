//! Rendered images and thumbnails (PS3.18 section 10.4.1.1.3 and 10.4.1.1.7).

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use outrigger_dataset::pixel::Shape;
use outrigger_dicomweb::accept::rendered_media;
use outrigger_dicomweb::frames::frame_list;
use outrigger_dicomweb::render::{
    Frame, RENDERED_SAMPLES_MAX, RenderError, Wishes, missing_palettes, render,
};

use super::Wado;
use super::asking::Asking;
use super::failure::{failed, too_large};
use super::frames::one_frame;
use super::given::Given;
use super::plan::instances;
use crate::service::Retrievable;
use crate::web::Refusal;

/// Bytes that rendering takes for each sample: stored, decoded, as levels, scaled.
const BYTES_A_SAMPLE: u64 = 16;
/// Instances of a study or series that are tried for a picture of it: reports and states among them have none.
const TRIED_MAX: usize = 8;

/// Gives a picture of a frame; of the first where none is named.
pub(super) async fn rendered(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let wishes = wishes(&asking)?;
    if asking.resource.instance.is_none() {
        return Err(Refusal::not_acceptable(
            "instances are rendered one by one; a thumbnail shows a whole series",
        ));
    }
    picture(&wado, &asking, wishes).await
}

/// Gives a small picture: of an instance, or of one in the middle of a series or study.
pub(super) async fn thumbnail(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let wishes = wishes(&asking)?.small();
    picture(&wado, &asking, wishes).await
}

fn wishes(asking: &Asking) -> Result<Wishes, Refusal> {
    let parameters = asking.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Wishes::parse(parameters).map_err(Refusal::bad)
}

async fn picture(wado: &Wado, asking: &Asking, wishes: Wishes) -> Result<Response, Refusal> {
    let media = rendered_media(&asking.accept)
        .ok_or_else(|| Refusal::not_acceptable("pictures can be had as image/jpeg and image/png"))?;
    let number = match asking.frames.as_deref().map(frame_list) {
        None => None,
        Some(Err(error)) => return Err(Refusal::bad(error)),
        Some(Ok(numbers)) => match numbers.as_slice() {
            [number] => Some(*number),
            _ => return Err(Refusal::not_acceptable("frames are rendered one by one")),
        },
    };
    let found = instances(wado, &asking.resource).await?;
    // The middle of a series shows more of the patient than its ends.
    let middle = found.len() / 2;
    let candidates = found.iter().skip(middle).chain(found.iter().take(middle)).take(TRIED_MAX);
    let mut refused = None;
    for instance in candidates {
        match wado.render(instance, number, wishes, media).await {
            Ok(image) => {
                let mut given = Given::new(asking);
                given.count(instance);
                given.tell().await;
                return Ok(([(CONTENT_TYPE, media)], image).into_response());
            }
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    Err(refused.unwrap_or_else(|| Refusal::nothing("there is nothing")))
}

impl Wado {
    async fn render(
        &self,
        instance: &Retrievable,
        number: Option<u32>,
        wishes: Wishes,
        media: &'static str,
    ) -> Result<Vec<u8>, Refusal> {
        let (mut survey, source) = self.look(instance).await?;
        for (tag, place) in missing_palettes(&survey) {
            survey.fill(tag, self.gather(&source, vec![place]).await?);
        }
        let survey = Arc::new(survey);
        let index = self.index(&survey, &source).await?;
        let number = number.unwrap_or(1);
        let span = index.frame(number).ok_or_else(|| {
            Refusal::nothing(format!("there is no frame {number}; the instance has {}", index.count()))
        })?;
        let shape = Shape::read(&one_frame(&survey))
            .map_err(|error| Refusal::not_acceptable(format!("the instance cannot be rendered: {error}")))?;
        let samples = u64::from(shape.rows) * u64::from(shape.columns) * u64::from(shape.samples);
        if samples > RENDERED_SAMPLES_MAX {
            return Err(too_large(&RenderError::TooLarge { samples }));
        }
        let (bytes, memory) = self.frame_bytes(&source, &span, samples * BYTES_A_SAMPLE).await?;
        let work = move || {
            let frame =
                Frame { survey: &survey, number, transfer_syntax: &source.transfer_syntax, bytes: &bytes };
            render(&frame, &wishes, media)
        };
        let rendered = self.threads.blocking("render", work).await?;
        drop(memory);
        rendered.map_err(|error| match error {
            RenderError::TooLarge { .. } => too_large(&error),
            RenderError::Outside => Refusal::bad(error),
            RenderError::Unsupported { .. } => Refusal::not_acceptable(error),
            error => failed("the frame cannot be rendered", &error),
        })
    }
}
