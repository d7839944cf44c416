//! Search (QIDO-RS, PS3.18 section 10.6): answers stream as the service finds them.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, WARNING};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::write_query;
use outrigger_dataset::json;
use outrigger_dicomweb::search::{Fuzzy, Search, Within, search};
use outrigger_model::{Answer, Level, SeriesUid, SopClassUid, StudyUid, Tag, sop_class};
use tokio::sync::mpsc;

use super::{Caller, Door, Refusal};
use crate::audit::AuditEvent;
use crate::service::FindRefusal;

/// Retrieve URL (0008,1190).
const RETRIEVE_URL: Tag = Tag(0x0008, 0x1190);
/// What search answers are written in.
const DICOM_JSON: &str = "application/dicom+json";
/// Bytes of an answer gathered before they are sent: a frame of the network, and no more held of a long answer.
const PIECE_BYTES: usize = 16 * 1024;
const NOT_FUZZY: &str = "299 outrigger \"The fuzzymatching parameter is not supported. Only literal matching has been performed.\"";

type Parameters = Vec<(String, String)>;
type Desk = State<Arc<Door>>;

/// The resources that are searched.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/studies", get(studies))
        .route("/series", get(series))
        .route("/instances", get(instances))
        .route("/studies/{study}/series", get(series_of_study))
        .route("/studies/{study}/instances", get(instances_of_study))
        .route("/studies/{study}/series/{series}/instances", get(instances_of_series))
}

/// What a search is asked with.
struct Asked {
    level: Level,
    within: Within,
    parameters: Parameters,
    headers: HeaderMap,
}

async fn studies(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let within = Within::default();
    answer(desk, caller, Asked { level: Level::Study, within, parameters, headers }).await
}

async fn series(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let within = Within::default();
    answer(desk, caller, Asked { level: Level::Series, within, parameters, headers }).await
}

async fn instances(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let within = Within::default();
    answer(desk, caller, Asked { level: Level::Image, within, parameters, headers }).await
}

async fn series_of_study(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Path(study): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let within = Within { study: Some(study_of(&study)?), series: None };
    answer(desk, caller, Asked { level: Level::Series, within, parameters, headers }).await
}

async fn instances_of_study(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Path(study): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let within = Within { study: Some(study_of(&study)?), series: None };
    answer(desk, caller, Asked { level: Level::Image, within, parameters, headers }).await
}

async fn instances_of_series(
    desk: Desk,
    caller: Extension<Caller>,
    headers: HeaderMap,
    Path((study, series)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Refusal> {
    let series = SeriesUid::new(&series)
        .map_err(|error| Refusal::bad(format!("the series in the URL is no UID: {error}")))?;
    let within = Within { study: Some(study_of(&study)?), series: Some(series) };
    answer(desk, caller, Asked { level: Level::Image, within, parameters, headers }).await
}

fn study_of(text: &str) -> Result<StudyUid, Refusal> {
    StudyUid::new(text).map_err(|error| Refusal::bad(format!("the study in the URL is no UID: {error}")))
}

async fn answer(
    State(door): Desk,
    Extension(caller): Extension<Caller>,
    asked: Asked,
) -> Result<Response, Refusal> {
    acceptable(&asked.headers)?;
    let searched = search(asked.level, &asked.within, &asked.parameters).map_err(Refusal::bad)?;
    let event = AuditEvent::Queried {
        party: caller.party.clone(),
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_FIND),
        identifier: write_query(Form::ExplicitLittle, &searched.query).into(),
    };
    door.front.audit.put(event).await;
    let mut answers = door.front.service.find(searched.query.clone()).await?;
    // What fails before the first answer is a refusal; what fails later cuts the answer off.
    let first = answers.recv().await.transpose()?;
    let level = searched.query.level;
    let Search { limit, offset, fuzzy, .. } = searched;
    let written =
        Written { answers, next: first, level, base: caller.base, offset, limit, begun: false, ended: false };
    let mut response = Body::from_stream(stream::unfold(written, piece)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(DICOM_JSON));
    if fuzzy == Fuzzy::Asked {
        headers.insert(WARNING, HeaderValue::from_static(NOT_FUZZY));
    }
    Ok(response)
}

/// Search answers come in DICOM JSON alone.
fn acceptable(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut given = headers.get_all(HeaderName::from(ACCEPT)).iter().peekable();
    if given.peek().is_none() {
        return Ok(());
    }
    let ranges = given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut ranges = ranges.filter_map(|range| range.split(';').next()).map(str::trim);
    let taken = ["application/dicom+json", "application/json", "application/*", "*/*"];
    if ranges.any(|range| taken.iter().any(|taken| range.eq_ignore_ascii_case(taken))) {
        Ok(())
    } else {
        Err(Refusal::not_acceptable(format!("search answers come as {DICOM_JSON}; accept that")))
    }
}

/// An answer on its way into a body.
struct Written {
    answers: mpsc::Receiver<Result<Answer, FindRefusal>>,
    next: Option<Answer>,
    level: Level,
    base: String,
    offset: usize,
    limit: usize,
    begun: bool,
    ended: bool,
}

/// The next piece of the array; an error cuts the body off, so that nobody takes a part for the whole.
async fn piece(mut written: Written) -> Option<(Result<Bytes, FindRefusal>, Written)> {
    if written.ended {
        return None;
    }
    let mut out = Vec::new();
    while out.len() < PIECE_BYTES {
        let next = match written.next.take() {
            Some(answer) => Some(Ok(answer)),
            None => written.answers.recv().await,
        };
        match next {
            Some(Err(refusal)) => {
                tracing::warn!(error = &refusal as &dyn std::error::Error, "a search is cut off");
                written.ended = true;
                return Some((Err(refusal), written));
            }
            Some(Ok(_)) if written.offset > 0 => written.offset -= 1,
            Some(Ok(answer)) if written.limit > 0 => {
                written.limit -= 1;
                out.push(if written.begun { b',' } else { b'[' });
                written.begun = true;
                out.extend_from_slice(&json::answer(&written.retrievable_here(answer)));
            }
            Some(Ok(_)) | None => {
                out.extend_from_slice(if written.begun { b"]" } else { b"[]" });
                written.ended = true;
                written.answers.close();
                break;
            }
        }
    }
    Some((Ok(out.into()), written))
}

impl Written {
    /// The answer with our URL as the one to retrieve from, whoever answered.
    fn retrievable_here(&self, mut answer: Answer) -> Answer {
        answer.attributes.retain(|(tag, _)| !matches!(*tag, Tag::RETRIEVE_AE_TITLE | RETRIEVE_URL));
        let uid = |tag| answer.attributes.iter().find(|(of, _)| *of == tag).map(|(_, uid)| uid.as_str());
        let path = [
            (Level::Study, "studies", Tag::STUDY_INSTANCE_UID),
            (Level::Series, "series", Tag::SERIES_INSTANCE_UID),
            (Level::Image, "instances", Tag::SOP_INSTANCE_UID),
        ];
        let parts: Option<Vec<String>> = path
            .iter()
            .filter(|(level, ..)| *level <= self.level)
            .map(|(_, name, tag)| uid(*tag).map(|uid| format!("/{name}/{uid}")))
            .collect();
        if let Some(parts) = parts {
            answer.attributes.push((RETRIEVE_URL, format!("{}{}", self.base, parts.concat())));
        }
        answer
    }
}
