//! Metadata (PS3.18 section 10.4.1.1.2): DICOM JSON, an array of one object for each instance.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outrigger_dataset::json;
use outrigger_dicomweb::accept::is_json_accepted;
use outrigger_dicomweb::media::DICOM_JSON;

use super::Wado;
use super::ahead::Ahead;
use super::asking::{Asking, Resource};
use super::body::{Broken, Pieces, written};
use super::given::Given;
use super::plan::{instances, resource_of};
use crate::service::Retrievable;
use crate::web::Refusal;

/// Gives the metadata of a study, a series or an instance.
pub(super) async fn metadata(wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    if !is_json_accepted(&asking.accept) {
        return Err(Refusal::not_acceptable("metadata can be had as application/dicom+json"));
    }
    let mut planned = instances(&wado, &asking.resource).await?.into_iter();
    let first = planned.next().ok_or_else(|| Refusal::nothing("there is nothing"))?;
    let mut given = Given::new(&asking);
    given.count(&first);
    let Asking { resource, base, .. } = asking;
    // Nothing is answered before the first is there: until then an error has a status of its own.
    let location = Location { base, resource };
    let first = described(&wado, &location, &first).await?;
    let body = written(|pieces| async move {
        let sent = send_all(&wado, &pieces, &location, first, planned.collect(), &mut given).await;
        given.tell().await;
        (pieces, sent)
    });
    Ok(([(CONTENT_TYPE, DICOM_JSON)], body).into_response())
}

/// What the instances stand in.
#[derive(Clone)]
struct Location {
    base: String,
    resource: Resource,
}

async fn send_all(
    wado: &Wado,
    pieces: &Pieces,
    location: &Location,
    first: Bytes,
    rest: Vec<Retrievable>,
    given: &mut Given,
) -> Result<(), Broken> {
    pieces.send(Bytes::from_static(b"[")).await?;
    pieces.send(first).await?;
    let describer = (wado.clone(), location.clone());
    let mut ahead = Ahead::new(rest, move |instance| {
        let (wado, location) = describer.clone();
        async move { described(&wado, &location, &instance).await }
    });
    while let Some((instance, object)) = ahead.next().await {
        given.count(&instance);
        let object = object.map_err(|refusal| {
            Broken::Failed(format!("{} cannot be described: {}", instance.sop_instance, refusal.text()))
        })?;
        pieces.send(Bytes::from_static(b",")).await?;
        pieces.send(object).await?;
    }
    pieces.send(Bytes::from_static(b"]")).await
}

/// The object of one instance.
async fn described(wado: &Wado, location: &Location, instance: &Retrievable) -> Result<Bytes, Refusal> {
    let (survey, _) = wado.look(instance).await?;
    let path = resource_of(&location.resource, instance).path();
    let bulk = format!("{}/{path}/bulkdata", location.base);
    Ok(wado.threads.blocking("metadata", move || json::metadata(&survey, &bulk)).await?.into())
}
