//! Bulk data (PS3.18 section 10.4.1.1.5): values that metadata name by URI.

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outrigger_dataset::survey::{ElementPath, Found, Place};
use outrigger_dicomweb::accept::{Container, FrameForm};
use outrigger_dicomweb::bulk::bulk_path;
use outrigger_dicomweb::media::OCTET_STREAM;
use outrigger_model::Tag;

use super::Wado;
use super::asking::Asking;
use super::body::{Broken, Pieces, written};
use super::frames::Frames;
use super::given::Given;
use super::opened::Source;
use super::plan::instance;
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
    let (survey, source) = wado.look(&planned).await?;
    let mut given = Given::new(&asking);
    given.count(&planned);
    let nothing = || Refusal::nothing("the instance has no such value");
    let places = match &survey.follow(path).ok_or_else(nothing)?.value {
        Found::Items(_) => return Err(nothing()),
        Found::Fragments(_) if path.items.is_empty() && path.last == PIXEL_DATA => {
            let location = format!("{}/{}/frames", asking.base, asking.resource.path());
            let frames = Frames::new(&wado, &asking, survey, source, location).await?;
            let numbers = (1..=frames.index.count()).collect();
            return frames.respond(wado, numbers, given).await;
        }
        Found::Fragments(fragments) => Value::There(fragments.iter().skip(1).copied().collect()),
        Found::There(place) => Value::There(vec![*place]),
        Found::Here(bytes) => Value::Here(bytes.clone()),
    };
    let container = FrameForm::container_of_bytes(&FrameForm::accepted(&asking.accept))
        .ok_or_else(|| Refusal::not_acceptable("the value can be had as application/octet-stream"))?;
    respond(wado, &asking, (source, places), container, given)
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
}

fn respond(
    wado: Wado,
    asking: &Asking,
    (source, value): (Source, Value),
    container: Container,
    given: Given,
) -> Result<Response, Refusal> {
    let length = value.length().to_string();
    if container == Container::Single {
        let body = written(|pieces| async move {
            let sent = send(&wado, &pieces, &source, value).await;
            given.tell().await;
            (pieces, sent)
        });
        let fields = [(CONTENT_TYPE, OCTET_STREAM), (CONTENT_LENGTH, length.as_str())];
        return Ok((fields, body).into_response());
    }
    let boundary = wado.boundary()?;
    let path = asking.bulk.as_deref().unwrap_or("7FE00010");
    let location = format!("{}/{}/bulkdata/{path}", asking.base, asking.resource.path());
    let fields = [
        ("Content-Type", OCTET_STREAM),
        ("Content-Length", length.as_str()),
        ("Content-Location", &location),
    ];
    let (head, content_type) = (boundary.part(&fields), boundary.content_type(OCTET_STREAM));
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
