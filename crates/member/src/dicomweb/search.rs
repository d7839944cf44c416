//! Searching by QIDO-RS (PS3.18 section 10.6), page by page.

use std::collections::BTreeSet;

use hyper::StatusCode;
use hyper::header::{ACCEPT, WARNING};
use outrigger_dataset::element::Vr;
use outrigger_model::{Answer, Items, Level, Query, QueryKey, SeriesUid, Status, StudyUid, Tag};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::json;
use crate::contract::{Answered, Found, MemberError, Wholeness};
use crate::http::{Ask, Connection, HttpRefusal};
use crate::series::{self, INSTANCES_MAX};

pub(super) const OPERATION: &str = "QIDO-RS";

/// Matches asked for at once: some hundred kilobytes.
const PAGE: usize = 1000;
/// Longest page read, in bytes: each match has at most some kilobytes.
const PAGE_BYTES_MAX: usize = 64 << 20;
/// Most studies looked through for the patients they are of: QIDO-RS knows no search for patients.
const STUDIES_MAX: usize = 100_000;

/// Letters that stand unescaped in a path: the unreserved ones (RFC 3986 section 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same in a query, where wildcards and the comma of lists may stand as they are (RFC 3986 section 3.4). They do: Orthanc 1.10 takes
/// no value of a query as escaped, and so finds nothing by `%2A`.
const IN_QUERY: &AsciiSet = &PLAIN.remove(b'*').remove(b'?').remove(b',').remove(b':').remove(b'@');

/// Why a page cannot be taken.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("the answer of {url} is no list in DICOM JSON")]
    NoJson {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{url} answered 206, and the whole was asked for")]
    Partial { url: String },
}

/// A page of matches.
struct Page {
    answers: Vec<Answer>,
    /// Whether the server says that there are more.
    has_more: bool,
}

/// What is searched for: the resource and its parameters, as far as they do not change from page to page.
struct Search {
    below: String,
    /// The attribute that tells one match from another.
    unique: &'static [Tag],
}

/// A text as it stands in a query.
fn in_query(text: &str) -> String {
    utf8_percent_encode(text, IN_QUERY).to_string()
}

/// A text as it stands in a path.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Asks for one study, to see whether searches are answered.
pub(super) async fn is_answered(connection: &mut Connection) -> Result<(), MemberError> {
    let search = Search { below: "/studies?".to_owned(), unique: &[Tag::STUDY_INSTANCE_UID] };
    let address = connection.address().to_owned();
    match connection.ask(&search.page(1, 0)).await {
        Ok(answer) => match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            _ => Err(MemberError::Http(Box::new(answer.refusal(OPERATION).await))),
        },
        Err(error) => Err(error.of_health(&address, OPERATION)),
    }
}

/// The instances of a series that the member shows.
pub(super) async fn instances(
    connection: &mut Connection,
    study: &StudyUid,
    series: &SeriesUid,
) -> Result<Found, MemberError> {
    let answered = find(connection, &series::query(study, series, ""), INSTANCES_MAX).await?;
    let instance = |answer: &Answer| series::instance_of(answer, series);
    Ok(Found { instances: answered.answers.iter().filter_map(instance).collect() })
}

/// Searches, and reads at most so many matches.
pub(super) async fn find(
    connection: &mut Connection,
    query: &Query,
    most: usize,
) -> Result<Answered, MemberError> {
    let search = Search::of(query);
    let is_patients = query.level == Level::Patient;
    let read_most = if is_patients { STUDIES_MAX } else { most };
    let mut answers: Vec<Answer> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut offset = 0;
    loop {
        // One more than is wanted, to know whether it was all.
        let limit = PAGE.min(read_most.saturating_sub(offset).saturating_add(1));
        let page = match search.read(connection, limit, offset).await {
            Ok(page) => page,
            Err(MemberError::Http(refusal)) if offset > 0 => return Ok(ended(answers, &refusal)),
            Err(error) => return Err(error),
        };
        let (count, came_before) = (page.answers.len(), seen.len());
        for answer in page.answers {
            let is_new = seen.insert(search.identity(&answer));
            if is_new && answers.len() == most {
                return Ok(Answered { answers, whole: Wholeness::Cut });
            }
            if is_new {
                answers.push(answer);
            }
        }
        offset += count;
        if count == 0 || (count < limit && !page.has_more) {
            return Ok(Answered { answers, whole: Wholeness::All });
        }
        // Of patients every study may be of one that was seen; of all else a page of what was seen shows a server that
        // knows no offset.
        if (seen.len() == came_before && !is_patients) || offset > read_most {
            tracing::debug!("a member gives the same page again and again, or never stops");
            return Ok(Answered { answers, whole: Wholeness::Ended(Status::PROCESSING_FAILURE) });
        }
    }
}

fn ended(answers: Vec<Answer>, refusal: &HttpRefusal) -> Answered {
    tracing::debug!(%refusal, "a member does not answer a search to its end");
    Answered { answers, whole: Wholeness::Ended(Status::PROCESSING_FAILURE) }
}

impl Search {
    /// Below the study and the series that the keys name alone, since many servers search nothing else quickly.
    fn of(query: &Query) -> Self {
        let single = |tag: Tag| {
            let key = query.keys.iter().find(|key| key.tag == tag)?;
            // Dots alone would name another resource.
            let is_single = key.value.bytes().any(|byte| byte.is_ascii_digit())
                && key.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            is_single.then(|| key.value.clone())
        };
        let study = single(Tag::STUDY_INSTANCE_UID);
        let series = study.as_ref().and_then(|_| single(Tag::SERIES_INSTANCE_UID));
        let (path, unique): (_, &'static [Tag]) = match (query.level, &study, &series) {
            (Level::Patient, ..) => ("/studies".to_owned(), &[Tag::PATIENT_ID, Tag::ISSUER_OF_PATIENT_ID]),
            (Level::Study, ..) => ("/studies".to_owned(), &[Tag::STUDY_INSTANCE_UID]),
            (Level::Series, None, _) => ("/series".to_owned(), &[Tag::SERIES_INSTANCE_UID]),
            (Level::Series, Some(study), _) => {
                (format!("/studies/{study}/series"), &[Tag::SERIES_INSTANCE_UID])
            }
            (Level::Image, None, _) => ("/instances".to_owned(), &[Tag::SOP_INSTANCE_UID]),
            (Level::Image, Some(study), None) => {
                (format!("/studies/{study}/instances"), &[Tag::SOP_INSTANCE_UID])
            }
            (Level::Image, Some(study), Some(series)) => {
                (format!("/studies/{study}/series/{series}/instances"), &[Tag::SOP_INSTANCE_UID])
            }
        };
        let in_path = |tag: Tag| {
            query.level != Level::Study
                && query.level != Level::Patient
                && ((tag == Tag::STUDY_INSTANCE_UID && study.is_some())
                    || (tag == Tag::SERIES_INSTANCE_UID && query.level == Level::Image && series.is_some()))
        };
        let mut below = format!("{path}?");
        for key in query.keys.iter().filter(|key| !in_path(key.tag)) {
            let tag = String::from(key.tag);
            if let Some(items) = items(key) {
                below.push_str(&items);
                continue;
            }
            below.push_str(&if key.value.is_empty() {
                format!("includefield={tag}&")
            } else {
                // A list of UIDs stands with commas (PS3.18 section 8.3.4.1).
                let value = if is_uid(key.tag) { key.value.replace('\\', ",") } else { key.value.clone() };
                format!("{tag}={}&", in_query(&value))
            });
        }
        Self { below, unique }
    }

    fn identity(&self, answer: &Answer) -> Vec<String> {
        self.unique.iter().map(|tag| answer.value(*tag).unwrap_or_default().to_owned()).collect()
    }

    fn page(&self, limit: usize, offset: usize) -> Ask {
        let offset = if offset > 0 { format!("&offset={offset}") } else { String::new() };
        Ask::get(format!("{}limit={limit}{offset}", self.below)).with(ACCEPT, "application/dicom+json")
    }

    async fn read(
        &self,
        connection: &mut Connection,
        limit: usize,
        offset: usize,
    ) -> Result<Page, MemberError> {
        let lost = |source| MemberError::Lost { operation: OPERATION, source: Box::new(source) };
        let asked = connection.ask(&self.page(limit, offset)).await;
        let mut answer = asked.map_err(|error| error.during(OPERATION))?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT => return Ok(Page { answers: Vec::new(), has_more: false }),
            StatusCode::PARTIAL_CONTENT => {
                return Err(lost(PageError::Partial { url: answer.url }));
            }
            _ => return Err(MemberError::Http(Box::new(answer.refusal(OPERATION).await))),
        }
        // 299 with "there are so many additional results" (PS3.18 section 8.3.4.4).
        let has_more = answer.header(&WARNING).is_some_and(|warning| warning.contains("additional results"));
        let body = answer.whole(PAGE_BYTES_MAX).await.map_err(|error| error.during(OPERATION))?;
        let read: Vec<Value> = serde_json::from_slice(&body)
            .map_err(|source| lost(PageError::NoJson { url: answer.url, source }))?;
        Ok(Page { answers: read.iter().filter_map(json::answer).collect(), has_more })
    }
}

/// The parameters of a sequence: one for each attribute of its item (PS3.18 section 8.3.4.1).
fn items(key: &QueryKey) -> Option<String> {
    let item =
        Items::from_text(&key.value).filter(|_| outrigger_dataset::dictionary::vr(key.tag) == Vr::SQ)?;
    let sequence = String::from(key.tag);
    let attributes = item.0.into_iter().flatten().map(|(tag, value)| {
        let tag = String::from(tag);
        match value.as_str() {
            "" => format!("includefield={sequence}.{tag}&"),
            value => format!("{sequence}.{tag}={}&", in_query(value)),
        }
    });
    let attributes: String = attributes.collect();
    (!attributes.is_empty()).then_some(attributes)
}

fn is_uid(tag: Tag) -> bool {
    outrigger_dataset::dictionary::vr(tag) == Vr::UI
}

#[cfg(test)]
mod tests {
    use outrigger_model::QueryRoot;

    use super::*;

    fn below(level: Level, keys: &[(Tag, &str)]) -> String {
        let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() });
        Search::of(&Query::new(QueryRoot::Study, level, keys.collect())).below
    }

    #[test]
    fn a_query_becomes_a_resource_and_its_parameters() {
        let (study, series) = ((Tag::STUDY_INSTANCE_UID, "1.2"), (Tag::SERIES_INSTANCE_UID, "1.3"));
        for (level, keys, expected) in [
            (
                Level::Study,
                &[study, (Tag::PATIENT_ID, "")][..],
                "/studies?0020000D=1.2&includefield=00100020&",
            ),
            (Level::Study, &[(Tag::STUDY_INSTANCE_UID, "1\\2")], "/studies?0020000D=1,2&"),
            (Level::Study, &[(Tag::PATIENT_NAME, "M\u{fc}*")], "/studies?00100010=M%C3%BC*&"),
            (Level::Series, &[study], "/studies/1.2/series?"),
            (Level::Series, &[study, series], "/studies/1.2/series?0020000E=1.3&"),
            (Level::Series, &[(Tag::MODALITY, "CT")], "/series?00080060=CT&"),
            (Level::Image, &[study, series], "/studies/1.2/series/1.3/instances?"),
            (Level::Image, &[study], "/studies/1.2/instances?"),
            (Level::Image, &[series], "/instances?0020000E=1.3&"),
            (Level::Patient, &[(Tag::PATIENT_ID, "a/../b")], "/studies?00100020=a%2F..%2Fb&"),
            (
                Level::Series,
                &[(Tag::REQUEST_ATTRIBUTES, r#"[{"00400009":"S 1","00401001":""}]"#)],
                "/series?00400275.00400009=S%201&includefield=00400275.00401001&",
            ),
            (Level::Series, &[(Tag::REQUEST_ATTRIBUTES, "")], "/series?includefield=00400275&"),
            (Level::Series, &[(Tag::STUDY_INSTANCE_UID, "../x")], "/series?0020000D=..%2Fx&"),
        ] {
            assert_eq!(below(level, keys), expected);
        }
    }
}
