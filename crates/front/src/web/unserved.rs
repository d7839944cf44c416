//! What somebody who was let in asked for and was not given, for the audit trail: who tries UIDs is to be seen there.

use std::collections::{BTreeMap, HashMap};

use axum::RequestExt;
use axum::extract::{MatchedPath, Path, Request};
use axum::http::{Method, StatusCode};
use outrigger_dicomweb::resource::transaction;
use outrigger_model::{SeriesUid, SopClassUid, SopInstanceUid, StudyUid, sop_class};

use super::{Door, commit};
use crate::audit::{AuditEvent, Party, StudyTally, Unserved};

/// Longest path and query that is recorded, in bytes: any that was ever meant.
const ASKED_BYTES_MAX: usize = 4 << 10;
/// What stands before all resources.
const BASE: &str = "/dicomweb";

/// What a request wants of patients' data.
pub(super) struct Wanted {
    what: What,
    study: Option<StudyUid>,
    /// Path and query.
    asked: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Retrieval,
    Store,
    Query(&'static str),
}

impl Wanted {
    /// By the resource that its path is; none where there is no such resource, or a UID in it is none.
    pub(super) async fn of(request: &mut Request) -> Option<Self> {
        let matched = request.extensions().get::<MatchedPath>()?.as_str().to_owned();
        let what = what(request.method(), matched.strip_prefix(BASE)?)?;
        let Path(path) = request.extract_parts::<Path<HashMap<String, String>>>().await.ok()?;
        let are_uids = path.iter().all(|(name, value)| match name.as_str() {
            "study" => StudyUid::new(value).is_ok_and(|uid| uid.is_addressable()),
            "series" => SeriesUid::new(value).is_ok_and(|uid| uid.is_addressable()),
            "instance" => SopInstanceUid::new(value).is_ok_and(|uid| uid.is_addressable()),
            "transaction" => transaction(value).is_ok(),
            _ => true,
        });
        let study = path.get("study").and_then(|uid| StudyUid::new(uid).ok());
        let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
        let asked = asked.get(..asked.floor_char_boundary(ASKED_BYTES_MAX)).unwrap_or_default().to_owned();
        are_uids.then_some(Self { what, study, asked })
    }

    /// Tells the audit trail that it was not done, where a status says so.
    pub(super) async fn answered(self, door: &Door, party: Party, status: StatusCode) {
        let is_refused = status.is_client_error() || status.is_server_error();
        // Nothing is done by such a method, whatever was meant.
        if !is_refused || status == StatusCode::METHOD_NOT_ALLOWED {
            return;
        }
        let service = &*door.front.service;
        let what = match self.what {
            What::Retrieval => {
                Unserved::Retrieval(StudyTally::of(service, self.study, BTreeMap::new()).await)
            }
            What::Store => Unserved::Store(StudyTally::of(service, self.study, BTreeMap::new()).await),
            What::Query(class) => {
                Unserved::Query { sop_class: SopClassUid::known(class), asked: self.asked.into() }
            }
        };
        let reason = format!("answered with {status}");
        door.front.audit.put(AuditEvent::Unserved { party, what, reason }).await;
    }
}

/// What a method wants of a resource, by the template of its path below the base.
fn what(method: &Method, template: &str) -> Option<What> {
    let shows = *method == Method::GET || *method == Method::HEAD;
    if template.starts_with(commit::REQUESTS) {
        return Some(What::Query(sop_class::STORAGE_COMMITMENT_PUSH));
    }
    if *method == Method::POST && template.starts_with("/studies") {
        return Some(What::Store);
    }
    let lists = ["/studies", "/series", "/instances"].iter().any(|list| template.ends_with(list));
    match (shows, lists) {
        (true, true) => Some(What::Query(sop_class::STUDY_ROOT_FIND)),
        (true, false) if template.starts_with("/studies/") => Some(What::Retrieval),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_says_what_is_wanted() {
        let find = What::Query(sop_class::STUDY_ROOT_FIND);
        for (method, template, wanted) in [
            (Method::GET, "/studies", Some(find)),
            (Method::GET, "/studies/{study}/series/{series}/instances", Some(find)),
            (Method::GET, "/studies/{study}", Some(What::Retrieval)),
            (Method::HEAD, "/studies/{study}/series/{series}", Some(What::Retrieval)),
            (Method::GET, "/studies/{study}/metadata", Some(What::Retrieval)),
            (Method::POST, "/studies", Some(What::Store)),
            (Method::POST, "/studies/{study}", Some(What::Store)),
            (
                Method::POST,
                "/commitment-requests/{transaction}",
                Some(What::Query(sop_class::STORAGE_COMMITMENT_PUSH)),
            ),
            (Method::DELETE, "/studies/{study}", None),
            (Method::GET, "/", None),
        ] {
            assert_eq!(what(&method, template), wanted, "{method} {template}");
        }
    }
}
