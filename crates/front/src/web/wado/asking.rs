//! What a request asks for, taken from its path, query and header fields.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header::{ACCEPT, HeaderMap, IF_RANGE, RANGE};
use axum::http::request::Parts;
use axum::{Extension, RequestPartsExt};
use outrigger_dicomweb::accept::Accept;
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, UidError};

use super::failure::failed;
use crate::audit::Party;
use crate::web::accepting::by_query;
use crate::web::{Caller, Door, Refusal};

/// Most parameters of a query that are looked at.
const PARAMETERS_MAX: usize = 64;

/// A request for something of a study.
pub(super) struct Asking {
    /// What of it.
    pub(super) resource: Resource,
    /// Where it came in.
    pub(super) door: Arc<Door>,
    /// Who asks.
    pub(super) party: Party,
    /// The base of the service as the requestor reached it.
    pub(super) base: String,
    /// What it takes.
    pub(super) accept: Accept,
    /// Parameters of the query, decoded.
    pub(super) query: Vec<(String, String)>,
    /// Frames asked for, as written.
    pub(super) frames: Option<String>,
    /// Path of bulk data, as written.
    pub(super) bulk: Option<String>,
    /// The range of bytes asked for, as written; none where it is asked for under a condition.
    pub(super) range: Option<String>,
}

/// A study, one of its series, or one instance of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) study: StudyUid,
    pub(super) series: Option<SeriesUid>,
    pub(super) instance: Option<SopInstanceUid>,
}

impl Resource {
    /// Its path below the base of the service, escaped: legacy UIDs hold more than digits.
    pub(super) fn path(&self) -> String {
        let mut path = format!("studies/{}", escaped(self.study.as_str()));
        if let Some(series) = &self.series {
            path = format!("{path}/series/{}", escaped(series.as_str()));
        }
        if let Some(instance) = &self.instance {
            path = format!("{path}/instances/{}", escaped(instance.as_str()));
        }
        path
    }
}

impl FromRequestParts<Arc<Door>> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Refusal> {
        let Extension(caller) = parts
            .extract::<Extension<Caller>>()
            .await
            .map_err(|error| failed("nobody has looked at who calls", &error))?;
        let Path(mut path) = parts
            .extract::<Path<HashMap<String, String>>>()
            .await
            .map_err(|_| Refusal::bad("the path cannot be decoded"))?;
        let Query(query) = parts
            .extract::<Query<Vec<(String, String)>>>()
            .await
            .map_err(|_| Refusal::bad("the query cannot be decoded"))?;
        if query.len() > PARAMETERS_MAX {
            return Err(Refusal::bad("the query has too many parameters"));
        }
        let resource = Resource {
            study: uid(path.get("study"), "Study Instance UID", StudyUid::new)?
                .ok_or_else(|| Refusal::bad("the path names no study"))?,
            series: uid(path.get("series"), "Series Instance UID", SeriesUid::new)?,
            instance: uid(path.get("instance"), "SOP Instance UID", SopInstanceUid::new)?,
        };
        Ok(Self {
            resource,
            door: Arc::clone(door),
            party: caller.party,
            base: caller.base,
            accept: accept(&parts.headers, &query)?,
            query,
            frames: path.remove("frames"),
            bulk: path.remove("path"),
            range: range(&parts.headers),
        })
    }
}

/// Answers carry no validator, so that what If-Range has is never the same (RFC 9110 section 13.1.5).
fn range(headers: &HeaderMap) -> Option<String> {
    let range = headers.get(RANGE).filter(|_| !headers.contains_key(IF_RANGE))?;
    range.to_str().ok().map(str::to_owned)
}

/// A part of a path with all but unreserved characters escaped (RFC 3986 section 2.3).
fn escaped(part: &str) -> String {
    part.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

/// A UID of a path: what can stand in one, legacy data included, and nothing that means something in a path.
fn uid<T>(
    text: Option<&String>,
    what: &str,
    read: impl Fn(&str) -> Result<T, UidError>,
) -> Result<Option<T>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    match read(text) {
        _ if !text.bytes().all(is_plain) => Err(Refusal::bad(format!("the {what} holds what no UID can"))),
        Ok(uid) => Ok(Some(uid)),
        Err(error) => Err(Refusal::bad(format!("the {what} is none: {error}"))),
    }
}

/// The query parameter comes before the header field (PS3.18 section 8.3.3.1).
fn accept(headers: &HeaderMap, query: &[(String, String)]) -> Result<Accept, Refusal> {
    let text = if let Some(text) = by_query(query) {
        text
    } else {
        let values: Result<Vec<&str>, _> =
            headers.get_all(ACCEPT).iter().map(|value| value.to_str()).collect();
        values.map_err(|_| Refusal::bad("Accept is no text"))?.join(",")
    };
    Accept::parse(&text).map_err(Refusal::bad)
}
