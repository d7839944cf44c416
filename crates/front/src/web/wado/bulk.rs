//! Bulk data (PS3.18 section 10.4.1.1.5): values that metadata name by URI, video among them.

use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outrigger_dataset::codestream::Family;
use outrigger_dataset::survey::{ElementPath, Found, Place};
use outrigger_dicomweb::accept::{Container, FrameChoice, FrameForm, RenderedForm};
use outrigger_dicomweb::bulk::bulk_path;
use outrigger_dicomweb::media::OCTET_STREAM;
use outrigger_dicomweb::range::{Part, Range};
use outrigger_model::Tag;

use super::Wado;
use super::asking::Asking;
use super::body::{Broken, Pieces, written};
use super::frames::Frames;
use super::given::Given;
use super::opened::Source;
use super::plan::instance;
use crate::service::Retrievable;
use crate::web::Refusal;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// Gives the value a path leads to.
pub(super) async fn bulk_data(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    let path = bulk_path(asking.bulk.as_deref().unwrap_or_default()).map_err(Refusal::bad)?;
    value(wado, asking, &path).await
}

/// Gives the pixel data of an instance.
pub(super) async fn pixel_data(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    value(wado, asking, &PIXEL_DATA.into()).await
}

async fn value(wado: Wado, asking: Asking, path: &ElementPath) -> Result<Response, Refusal> {
    let planned = instance(&wado, &asking.resource).await?;
    let looked = wado.look(&planned).await?;
    let mut given = Given::new(&asking);
    given.count(&planned);
    let nothing = || Refusal::nothing("the instance has no such value");
    let is_pixel_data = path.items.is_empty() && path.last == PIXEL_DATA;
    let forms = FrameForm::accepted(&asking.accept);
    let value = match &looked.survey.follow(path).ok_or_else(nothing)?.value {
        Found::Items(_) => return Err(nothing()),
        Found::Fragments(fragments) if is_pixel_data && is_video(&looked.source) => {
            let choice = FrameChoice::of(&forms, &looked.source.transfer_syntax).ok_or_else(not_as_video)?;
            let way =
                Way { container: choice.container, content_type: choice.content_type(), media: choice.media };
            let value = Value::There(fragments.iter().skip(1).copied().collect());
            return respond(wado, &asking, (looked.source, value), &way, given);
        }
        Found::Fragments(_) if is_pixel_data => {
            let location = format!("{}/{}/frames", asking.base, asking.resource.path());
            let frames = Frames::new(&wado, &asking, looked, location).await?;
            let numbers = (1..=frames.index.count()).collect();
            return frames.respond(wado, numbers, given).await;
        }
        Found::Fragments(fragments) => Value::There(fragments.iter().skip(1).copied().collect()),
        Found::There(place) => Value::There(vec![*place]),
        Found::Here(bytes) => Value::Here(bytes.clone()),
    };
    let container = FrameForm::container_of_bytes(&forms)
        .ok_or_else(|| Refusal::not_acceptable("the value can be had as application/octet-stream"))?;
    let way = Way { container, content_type: OCTET_STREAM.to_owned(), media: OCTET_STREAM.to_owned() };
    respond(wado, &asking, (looked.source, value), &way, given)
}

fn is_video(source: &Source) -> bool {
    Family::of(&source.transfer_syntax) == Some(Family::Video)
}

fn not_as_video() -> Refusal {
    Refusal::not_acceptable("the video can be had in the media type of its encoding, or by transfer-syntax=*")
}

/// Gives a video as it is stored: it is what a rendered one would be.
pub(super) fn video(
    wado: Wado,
    asking: &Asking,
    instance: &Retrievable,
    source: Source,
    (forms, media, places): (&[RenderedForm], &'static str, Vec<Place>),
) -> Result<Response, Refusal> {
    let (container, media) = RenderedForm::choose(forms, &[media]).ok_or_else(|| {
        Refusal::not_acceptable(format!("the instance is a video; it can be had as {media}"))
    })?;
    let mut given = Given::new(asking);
    given.count(instance);
    let container = container.unwrap_or(Container::Single);
    let way = Way { container, content_type: media.to_owned(), media: media.to_owned() };
    respond(wado, asking, (source, Value::There(places)), &way, given)
}

/// How a value is sent.
struct Way {
    container: Container,
    /// The media type of it, and of the body where it is alone.
    content_type: String,
    /// Without parameters.
    media: String,
}

/// A value to be sent.
enum Value {
    Here(Bytes),
    There(Vec<Place>),
}

impl Value {
    fn length(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::There(places) => places.iter().map(|place| place.length).sum(),
        }
    }

    /// A part of it that lies within.
    fn part(self, part: Part) -> Self {
        let place = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
        match self {
            Self::Here(bytes) => Self::Here(bytes.slice(place(part.from)..place(part.to))),
            Self::There(places) => {
                let mut before = 0;
                let mut parts = Vec::new();
                for Place { offset, length } in places {
                    let (from, to) = (part.from.max(before), part.to.min(before + length));
                    if from < to {
                        parts.push(Place { offset: offset + (from - before), length: to - from });
                    }
                    before += length;
                }
                Self::There(parts)
            }
        }
    }
}

fn respond(
    wado: Wado,
    asking: &Asking,
    (source, value): (Source, Value),
    way: &Way,
    given: Given,
) -> Result<Response, Refusal> {
    if way.container == Container::Single {
        return single(wado, asking, (source, value), way, given);
    }
    let length = value.length().to_string();
    let boundary = wado.boundary()?;
    let path = asking.bulk.as_deref().unwrap_or("7FE00010");
    let location = format!("{}/{}/bulkdata/{path}", asking.base, asking.resource.path());
    let fields = [
        ("Content-Type", way.content_type.as_str()),
        ("Content-Length", length.as_str()),
        ("Content-Location", &location),
    ];
    let (head, content_type) = (boundary.part(&fields), boundary.content_type(&way.media));
    let body = written(|pieces| async move {
        let sent = async {
            pieces.send(head).await?;
            send(&wado, &pieces, &source, value).await?;
            pieces.send(boundary.end()).await
        };
        let sent = sent.await;
        given.tell().await;
        (pieces, sent)
    });
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

/// The value alone, or a part of it where one is asked for (RFC 9110 section 14.2), as players of video do.
fn single(
    wado: Wado,
    asking: &Asking,
    (source, value): (Source, Value),
    way: &Way,
    given: Given,
) -> Result<Response, Refusal> {
    let length = value.length();
    let part = match asking.range.as_deref().map(|range| Range::parse(range).within(length)) {
        Some(Ok(part)) => part,
        None => None,
        Some(Err(error)) => return Err(Refusal::out_of_range(error, length)),
    };
    let value = match part {
        Some(part) => value.part(part),
        None => value,
    };
    let sent = value.length();
    let body = written(|pieces| async move {
        let sent = send(&wado, &pieces, &source, value).await;
        given.tell().await;
        (pieces, sent)
    });
    let fields = [(CONTENT_TYPE, way.content_type.clone()), (CONTENT_LENGTH, sent.to_string())];
    let mut response = (fields, body).into_response();
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(Part { from, to }) = part {
        let range = format!("bytes {from}-{}/{length}", to.saturating_sub(1));
        headers.extend(HeaderValue::from_str(&range).ok().map(|range| (CONTENT_RANGE, range)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

async fn send(wado: &Wado, pieces: &Pieces, source: &Source, value: Value) -> Result<(), Broken> {
    match value {
        Value::Here(bytes) => pieces.send(bytes).await,
        Value::There(places) => {
            for place in places {
                wado.send_place(pieces, source, place).await?;
            }
            Ok(())
        }
    }
}
