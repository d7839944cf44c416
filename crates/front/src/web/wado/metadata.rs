//! Metadata (PS3.18 section 10.4.1.1.2): DICOM JSON, an array of one object for each instance.

use axum::http::header::{CONTENT_TYPE, WARNING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use outrigger_dataset::json;
use outrigger_dicomweb::accept::is_json_accepted;
use outrigger_dicomweb::media::DICOM_JSON;

use super::Wado;
use super::ahead::Ahead;
use super::asking::{Asking, Resource};
use super::body::{Broken, Pieces, written};
use super::given::Given;
use super::looked::Looked;
use super::opened::Memory;
use super::plan::{instances, resource_of, unlisted, unlisted_warning};
use crate::service::Retrievable;
use crate::web::Refusal;

/// Descriptions of one request that are kept until it is known what is left out: those of five thousand CT images.
const KEPT_MIB_MAX: u32 = 32;

/// Gives the metadata of a study, a series or an instance.
///
/// All instances are described before anything is answered: what cannot be described must not cost the others, and has
/// to be told in a header field.
pub(super) async fn metadata(mut wado: Wado, asking: Asking) -> Result<Response, Refusal> {
    if !is_json_accepted(&asking.accept) {
        return Err(Refusal::not_acceptable("metadata can be had as application/dicom+json"));
    }
    let planned = instances(&wado, &asking.resource).await?;
    let unlisted = unlisted_warning(unlisted(&wado, &asking.resource, &planned).await?);
    wado.retrieves(&planned);
    let mut given = Given::new(&asking);
    let Asking { resource, base, .. } = asking;
    let location = Location { base, resource };
    let mut described = Descriptions::default();
    let mut ahead = Ahead::new(planned, describer(&wado, &location));
    while let Some((instance, object)) = ahead.next().await {
        if object.is_ok() {
            given.count(&instance);
        }
        described.put(&wado, instance, object);
    }
    let warning = described.left_out.warning(described.count);
    if described.count == described.left_out.count() {
        let first = described.left_out.first;
        return Err(first.unwrap_or_else(|| Refusal::nothing("there is nothing")));
    }
    let body = written(|pieces| async move {
        let sent = send_all(&wado, &pieces, &location, described).await;
        given.tell().await;
        (pieces, sent)
    });
    let mut response = ([(CONTENT_TYPE, DICOM_JSON)], body).into_response();
    for warning in warning.into_iter().chain(unlisted) {
        response.headers_mut().append(WARNING, warning);
    }
    Ok(response)
}

/// What the instances stand in.
#[derive(Clone)]
struct Location {
    base: String,
    resource: Resource,
}

/// What came of describing instances.
#[derive(Default)]
struct Descriptions {
    count: usize,
    /// The first of them.
    kept: Vec<Bytes>,
    /// Memory taken for them.
    memory: Vec<Memory>,
    kept_bytes: usize,
    /// Those that were described, and are to be described again.
    rest: Vec<Retrievable>,
    left_out: LeftOut,
}

impl Descriptions {
    fn put(&mut self, wado: &Wado, instance: Retrievable, object: Result<Bytes, Refusal>) {
        self.count += 1;
        match object {
            Ok(object) if self.rest.is_empty() && self.has_room(wado, object.len()) => {
                self.kept_bytes += object.len();
                self.kept.push(object);
            }
            Ok(_) => self.rest.push(instance),
            Err(refusal) => self.left_out.put(&instance, refusal),
        }
    }

    /// Takes memory for so much more, where there is some at once: what holds memory must not wait for more.
    fn has_room(&mut self, wado: &Wado, more: usize) -> bool {
        let needed = (self.kept_bytes + more).div_ceil(1 << 20);
        while self.memory.len() < needed {
            let has_more = self.memory.len() < usize::try_from(KEPT_MIB_MAX).unwrap_or(usize::MAX);
            let Some(memory) = has_more.then(|| wado.descriptions_memory()).flatten() else { return false };
            self.memory.push(memory);
        }
        true
    }
}

/// Instances that are not described.
#[derive(Default)]
struct LeftOut {
    /// They are here, and cannot be read.
    unreadable: usize,
    /// Nobody gives them now.
    absent: usize,
    /// Why the first is not.
    first: Option<Refusal>,
}

impl LeftOut {
    fn count(&self) -> usize {
        self.unreadable + self.absent
    }

    fn put(&mut self, instance: &Retrievable, refusal: Refusal) {
        let instance = &instance.sop_instance;
        tracing::warn!(%instance, why = refusal.text(), "an instance is left out of the metadata");
        if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.absent += 1;
        } else {
            self.unreadable += 1;
        }
        self.first.get_or_insert(refusal);
    }

    /// What tells the caller: the status stays 200, since viewers take 206 for a failure and would show nothing.
    fn warning(&self, of: usize) -> Option<HeaderValue> {
        let Self { unreadable, absent, .. } = self;
        let text = format!(
            "299 outrigger \"{} of {of} instances are left out: {unreadable} cannot be read, {absent} cannot be had now\"",
            self.count()
        );
        (self.count() > 0).then(|| HeaderValue::from_str(&text).ok()).flatten()
    }
}

async fn send_all(
    wado: &Wado,
    pieces: &Pieces,
    location: &Location,
    described: Descriptions,
) -> Result<(), Broken> {
    let Descriptions { kept, memory, rest, .. } = described;
    pieces.send(Bytes::from_static(b"[")).await?;
    let mut before = "";
    for object in kept {
        pieces.send(Bytes::from_static(before.as_bytes())).await?;
        pieces.send(object).await?;
        before = ",";
    }
    drop(memory);
    let mut ahead = Ahead::new(rest, describer(wado, location));
    while let Some((instance, object)) = ahead.next().await {
        let object = object.map_err(|refusal| {
            Broken::Failed(format!("{} cannot be described: {}", instance.sop_instance, refusal.text()))
        })?;
        pieces.send(Bytes::from_static(before.as_bytes())).await?;
        pieces.send(object).await?;
        before = ",";
    }
    pieces.send(Bytes::from_static(b"]")).await
}

/// How an instance is described.
fn describer(wado: &Wado, location: &Location) -> impl Fn(Retrievable) -> Describing + use<> {
    let describer = (wado.clone(), location.clone());
    move |instance| {
        let (wado, location) = describer.clone();
        async move { described(&wado, &location, &instance).await }.boxed()
    }
}

type Describing = BoxFuture<'static, Result<Bytes, Refusal>>;

/// The object of one instance.
async fn described(wado: &Wado, location: &Location, instance: &Retrievable) -> Result<Bytes, Refusal> {
    let looked = wado.look(instance).await?;
    let path = resource_of(&location.resource, instance).path();
    let bulk = format!("{}/{path}/bulkdata", location.base);
    let work = move || {
        let Looked { survey, room: _room, .. } = looked;
        json::metadata(&survey, &bulk)
    };
    Ok(wado.threads.blocking("metadata", work).await?.into())
}
