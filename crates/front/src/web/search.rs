//! Search (QIDO-RS, PS3.18 section 10.6).

mod page;
mod room;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WARNING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{check_key, write_query};
use outrigger_dataset::json;
use outrigger_dicomweb::media::DICOM_JSON;
use outrigger_dicomweb::resource::Resource;
use outrigger_dicomweb::search::{Fuzzy, Search, Within, parameters, search};
use outrigger_model::{
    Answer, Level, Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, UidError, sop_class,
};

pub(super) use self::room::Room;

use self::page::Page;
use self::room::Place;
use super::{Caller, Door, Refusal, accepting};
use crate::audit::AuditEvent;

/// Retrieve URL (0008,1190).
const RETRIEVE_URL: Tag = Tag(0x0008, 0x1190);
/// Most matches a page and those before it may be: nobody pages further, and all of them are held at once.
const MATCHES_MAX: usize = 50_000;
/// Keys that a Warning names: nobody reads more of them.
const NAMED_MAX: usize = 10;
/// The words of PS3.18 section 8.3.4.2.
const NOT_FUZZY: HeaderValue = HeaderValue::from_static(
    "299 outrigger \"The fuzzymatching parameter is not supported. Only literal matching has been performed.\"",
);

type Desk = State<Arc<Door>>;
type Called = Extension<Caller>;
type Found = Result<Response, Refusal>;

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
    raw: RawQuery,
    headers: HeaderMap,
}

impl Asked {
    fn anywhere(level: Level, raw: RawQuery, headers: HeaderMap) -> Self {
        Self { level, within: Within::default(), raw, headers }
    }
}

async fn studies(desk: Desk, caller: Called, raw: RawQuery, headers: HeaderMap) -> Found {
    answer(&desk, &caller, Asked::anywhere(Level::Study, raw, headers)).await
}

async fn series(desk: Desk, caller: Called, raw: RawQuery, headers: HeaderMap) -> Found {
    answer(&desk, &caller, Asked::anywhere(Level::Series, raw, headers)).await
}

async fn instances(desk: Desk, caller: Called, raw: RawQuery, headers: HeaderMap) -> Found {
    answer(&desk, &caller, Asked::anywhere(Level::Image, raw, headers)).await
}

async fn series_of_study(
    desk: Desk,
    caller: Called,
    Path(study): Path<String>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Found {
    let within = within(Resource::study(&study))?;
    answer(&desk, &caller, Asked { level: Level::Series, within, raw, headers }).await
}

async fn instances_of_study(
    desk: Desk,
    caller: Called,
    Path(study): Path<String>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Found {
    let within = within(Resource::study(&study))?;
    answer(&desk, &caller, Asked { level: Level::Image, within, raw, headers }).await
}

async fn instances_of_series(
    desk: Desk,
    caller: Called,
    Path((study, series)): Path<(String, String)>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Found {
    let within = within(Resource::series(&study, &series))?;
    answer(&desk, &caller, Asked { level: Level::Image, within, raw, headers }).await
}

/// What a search below a resource is confined to.
fn within(
    resource: Result<Resource, outrigger_dicomweb::resource::ResourceError>,
) -> Result<Within, Refusal> {
    Ok(match resource.map_err(Refusal::bad)? {
        Resource::Study(study) => Within { study: Some(study), series: None },
        Resource::Series(study, series) | Resource::Instance(study, series, _) => {
            Within { study: Some(study), series: Some(series) }
        }
    })
}

async fn answer(door: &Door, caller: &Caller, asked: Asked) -> Found {
    let RawQuery(raw) = asked.raw;
    let given = parameters(raw.as_deref().unwrap_or_default()).map_err(Refusal::bad)?;
    accepting::json_by(&asked.headers, &given)?;
    let Search { query, limit, offset, fuzzy, unsupported } =
        search(asked.level, &asked.within, &given).map_err(Refusal::bad)?;
    query.keys.iter().try_for_each(check_key).map_err(Refusal::bad)?;
    if offset.saturating_add(limit) > MATCHES_MAX {
        let text = format!("nothing is given beyond the first {MATCHES_MAX} matches; ask more narrowly");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let event = AuditEvent::Queried {
        party: caller.party.clone(),
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_FIND),
        identifier: write_query(Form::ExplicitLittle, &query).into(),
    };
    door.front.audit.put(event).await;
    let asked_for: Vec<Tag> = query.keys.iter().map(|key| key.tag).collect();
    let Matched { answers, behind, missing, place } = matches(door, query, offset, limit).await?;
    tracing::info!(level = ?asked.level, count = answers.len(), behind, missing = missing.is_some(), "search answered");
    let written = written(answers, asked.level, &caller.base, &asked_for);
    let length = HeaderValue::from(written.len());
    let mut response = place.body(written).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(DICOM_JSON));
    if fuzzy == Fuzzy::Asked {
        headers.append(WARNING, NOT_FUZZY);
    }
    if !unsupported.is_empty() {
        headers.extend(not_restricting(&unsupported).map(|warning| (WARNING, warning)));
    }
    if behind > 0 {
        let warning =
            format!("299 outrigger \"There are {behind} additional results that can be requested\"");
        headers.extend(HeaderValue::from_str(&warning).ok().map(|warning| (WARNING, warning)));
    }
    if let Some(missing) = missing {
        headers.append(WARNING, may_lack(&missing));
    }
    Ok(response)
}

/// Says which keys restrict nothing, as status FF01 does to a C-FIND: the answer has more than was looked for.
fn not_restricting(names: &[String]) -> Option<HeaderValue> {
    let named = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let warning = format!(
        "299 outrigger \"The following attributes are not supported as keys here, and restrict nothing: {named}{more}\""
    );
    HeaderValue::from_str(&warning).ok()
}

/// Says that an answer may lack something, and what; it may name a member in words of its own.
fn may_lack(missing: &str) -> HeaderValue {
    let plain: String =
        missing.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
    let warning = format!("299 outrigger \"The results may be {plain}\"");
    HeaderValue::from_str(&warning)
        .unwrap_or(HeaderValue::from_static("299 outrigger \"The results may be incomplete\""))
}

/// The matches of one page.
struct Matched {
    answers: Vec<Answer>,
    /// How many are behind it.
    behind: usize,
    /// What may be missing, if something may.
    missing: Option<String>,
    place: Place,
}

/// What fails in the middle fails all, since a part is no answer; an answer that may lack something is one.
async fn matches(door: &Door, query: Query, offset: usize, limit: usize) -> Result<Matched, Refusal> {
    let begun = door.front.clock.now();
    let mut page = Page::new(query.level, offset, limit);
    let mut place = door.room.place();
    let mut answers = door.front.service.find(query).await?;
    let mut missing = None;
    while let Some(answer) = answers.recv().await {
        match answer {
            Ok(answer) => {
                page.push(answer);
                place.grow_to(page.held()).await?;
            }
            Err(refusal) if refusal.is_incomplete() => missing = Some(refusal.text),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    metrics::histogram!("outrigger_find_seconds").record(begun.elapsed());
    let (answers, behind) = page.finish();
    Ok(Matched { answers, behind, missing, place })
}

/// The matches as they are sent; what was asked for and is not known stands there without a value, as in a C-FIND response.
fn written(answers: Vec<Answer>, level: Level, base: &str, asked_for: &[Tag]) -> Vec<u8> {
    let mut out = Vec::new();
    for answer in answers {
        let mut answer = retrievable_here(answer, level, base);
        answer.attributes.extend(asked_for.iter().map(|tag| (*tag, String::new())));
        out.push(if out.is_empty() { b'[' } else { b',' });
        out.extend_from_slice(&json::answer(&answer));
    }
    out.extend_from_slice(if out.is_empty() { b"[]" } else { b"]" });
    out
}

/// The answer with our URL as the one to retrieve from, whoever answered.
fn retrievable_here(mut answer: Answer, level: Level, base: &str) -> Answer {
    answer.attributes.retain(|(tag, _)| !matches!(*tag, Tag::RETRIEVE_AE_TITLE | RETRIEVE_URL));
    if let Some(resource) = resource(&answer, level) {
        answer.attributes.push((RETRIEVE_URL, format!("{base}{resource}")));
    }
    answer
}

fn resource(answer: &Answer, level: Level) -> Option<Resource> {
    let study = uid(answer, Tag::STUDY_INSTANCE_UID, StudyUid::new)?;
    if level <= Level::Study {
        return Some(Resource::Study(study));
    }
    let series = uid(answer, Tag::SERIES_INSTANCE_UID, SeriesUid::new)?;
    if level == Level::Series {
        return Some(Resource::Series(study, series));
    }
    let instance = uid(answer, Tag::SOP_INSTANCE_UID, SopInstanceUid::new)?;
    Some(Resource::Instance(study, series, instance))
}

fn uid<U>(answer: &Answer, tag: Tag, read: impl Fn(&str) -> Result<U, UidError>) -> Option<U> {
    answer.value(tag).and_then(|text| read(text).ok())
}
