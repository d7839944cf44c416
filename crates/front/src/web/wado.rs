//! WADO-RS (PS3.18 section 10.4): objects, metadata, frames, bulk data and pictures of them.
//!
//! A request lists its instances first, opens the first before anything is answered, and streams from there. What fails
//! behind the first byte breaks the connection: a body that ends well is whole.

mod ahead;
mod asking;
mod body;
mod bulk;
mod failure;
mod frames;
mod given;
mod looked;
mod metadata;
mod objects;
mod opened;
mod plan;
mod read;
mod rendered;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Extension, RequestPartsExt, Router};
use outrigger_dicomweb::accept::IMAGES;
use outrigger_dicomweb::media::{COMPRESSED, DICOM, DICOM_JSON, MULTIPART_RELATED, OCTET_STREAM, VIDEOS};
use outrigger_runtime::{Random, Threads};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::failure::failed;
use super::{Door, Refusal};
use crate::service::{Retrievable, Service};

/// Memory that all requests of a listener together may take for objects they hold as a whole, in MiB: to transcode, to
/// render. The next waits.
const HELD_MIB: u32 = 1024;

/// Memory that all requests of a listener together may take for surveys of objects, in MiB. The next waits. It is apart,
/// and taken before that for whole objects: who has looked an object over may wait for that.
const SURVEYED_MIB: u32 = 512;

/// Memory that all requests of a listener together may take for descriptions that wait to be sent, in MiB.
const DESCRIBED_MIB: u32 = 256;

const STUDY: &str = "/studies/{study}";
const SERIES: &str = "/studies/{study}/series/{series}";
const INSTANCE: &str = "/studies/{study}/series/{series}/instances/{instance}";

/// What retrieval can do, as the capabilities document says it.
pub(super) fn capabilities() -> Value {
    let of_each = ["", "/metadata", "/rendered", "/thumbnail"];
    let of_levels =
        [STUDY, SERIES, INSTANCE].into_iter().flat_map(|level| of_each.map(|of| format!("{level}{of}")));
    let of_instances = [
        "/frames/{frames}",
        "/frames/{frames}/rendered",
        "/frames/{frames}/thumbnail",
        "/bulkdata/{path}",
        "/pixeldata",
    ];
    let of_instances = of_instances.map(|of| format!("{INSTANCE}{of}"));
    let parts = |media: &str| [media.to_owned(), format!("{MULTIPART_RELATED}; type=\"{media}\"")];
    let media = [DICOM, OCTET_STREAM].into_iter().chain(COMPRESSED).chain(VIDEOS).flat_map(parts);
    json!({
        "resources": of_levels.chain(of_instances).collect::<Vec<_>>(),
        "mediaTypes": media.chain([DICOM_JSON.to_owned()]).collect::<Vec<_>>(),
        "renderedMediaTypes": IMAGES.into_iter().chain(VIDEOS).flat_map(parts).collect::<Vec<_>>(),
        "parameters": ["accept", "viewport", "window", "quality"],
        "transferSyntax":
            "as stored by `*`; else any that it becomes without loss, Explicit VR Little Endian by default",
    })
}

/// What retrieval is served from; clones share it.
#[derive(Clone)]
struct Wado {
    service: Arc<dyn Service>,
    threads: Threads,
    random: Random,
    memory: Memory,
}

/// Memory that can be taken, in MiB.
#[derive(Debug, Clone)]
struct Memory {
    /// For objects held as a whole.
    objects: Arc<Semaphore>,
    /// For surveys; never waited for by who has taken memory for objects.
    surveys: Arc<Semaphore>,
    /// For descriptions; never waited for.
    descriptions: Arc<Semaphore>,
}

/// The resources that are retrieved.
pub(super) fn routes() -> Router<Arc<Door>> {
    let room = |mib| Arc::new(Semaphore::new(usize::try_from(mib).unwrap_or(Semaphore::MAX_PERMITS)));
    let memory =
        Memory { objects: room(HELD_MIB), surveys: room(SURVEYED_MIB), descriptions: room(DESCRIBED_MIB) };
    let mut router = Router::new();
    for level in [STUDY, SERIES, INSTANCE] {
        router = router
            .route(level, get(objects::retrieve))
            .route(&format!("{level}/metadata"), get(metadata::metadata))
            .route(&format!("{level}/rendered"), get(rendered::rendered))
            .route(&format!("{level}/thumbnail"), get(rendered::thumbnail));
    }
    router
        .route(&format!("{INSTANCE}/frames/{{frames}}"), get(frames::frames))
        .route(&format!("{INSTANCE}/frames/{{frames}}/rendered"), get(rendered::rendered))
        .route(&format!("{INSTANCE}/frames/{{frames}}/thumbnail"), get(rendered::thumbnail))
        .route(&format!("{INSTANCE}/bulkdata/{{*path}}"), get(bulk::bulk_data))
        .route(&format!("{INSTANCE}/pixeldata"), get(bulk::pixel_data))
        .layer(Extension(memory))
}

impl Wado {
    /// Opens these instances from now on as those of one retrieval, in which who answers nothing is waited for once.
    fn retrieves(&mut self, planned: &[Retrievable]) {
        if let Some(service) = self.service.retrieving(planned) {
            self.service = service;
        }
    }
}

impl FromRequestParts<Arc<Door>> for Wado {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Refusal> {
        let Extension(memory) = parts
            .extract::<Extension<Memory>>()
            .await
            .map_err(|error| failed("the listener is not set up", &error))?;
        let service = Arc::clone(&door.front.service);
        let mut wado = Self { service, threads: door.front.threads, random: Random::System, memory };
        // Which instances these are is not known yet.
        wado.retrieves(&[]);
        Ok(wado)
    }
}
