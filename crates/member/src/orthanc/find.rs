//! Searching by POST /tools/find, page by page.

use std::collections::BTreeSet;

use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_model::{Level, Query, QueryKey, Status};
use serde_json::{Map, Value, json};

use super::asked;
use super::attributes::{Attributes, Resource};
use crate::contract::{Answered, MemberError, Wholeness};
use crate::http::{Ask, Connection, Payload};

pub(super) const OPERATION: &str = "POST /tools/find";

/// Matches asked for at once: each has some hundred bytes, a study with many series some kilobytes.
const PAGE: usize = 500;
/// Longest page read, in bytes: a study names each of its series, a series each of its instances.
const PAGE_BYTES_MAX: usize = 256 << 20;

/// Searches, and reads at most so many matches.
pub(super) async fn find(
    connection: &mut Connection,
    query: &Query,
    most: usize,
) -> Result<Answered, MemberError> {
    let mut attributes = Attributes::of(query);
    let mut answers = Vec::new();
    let mut seen = BTreeSet::new();
    let mut since = 0;
    loop {
        // One more than is wanted, to know whether it was all.
        let limit = PAGE.min(most.saturating_sub(since).saturating_add(1));
        let page = Payload::Bytes(request(query, limit, since).to_string().into());
        let asked: Result<Vec<Resource>, _> =
            asked(connection, &Ask::post("/tools/find", page), OPERATION, PAGE_BYTES_MAX).await;
        let page = match asked {
            Ok(page) => page,
            Err(MemberError::Http(refusal)) if since > 0 => {
                tracing::debug!(%refusal, "a member does not answer a search to its end");
                return Ok(Answered { answers, whole: Wholeness::Ended(Status::PROCESSING_FAILURE) });
            }
            Err(error) => return Err(error),
        };
        let (count, before) = (page.len(), seen.len());
        for resource in page {
            let is_new = seen.insert(resource.id.clone());
            if is_new && answers.len() == most {
                return Ok(Answered { answers, whole: Wholeness::Cut });
            }
            if is_new {
                answers.push(attributes.answer(connection, resource).await?);
            }
        }
        since += count;
        if count < limit {
            return Ok(Answered { answers, whole: Wholeness::All });
        }
        if seen.len() == before {
            tracing::debug!("a member gives the same page again and again");
            return Ok(Answered { answers, whole: Wholeness::Ended(Status::PROCESSING_FAILURE) });
        }
    }
}

/// The request for a page.
fn request(query: &Query, limit: usize, since: usize) -> Value {
    let level = match query.level {
        Level::Patient => "Patient",
        Level::Study => "Study",
        Level::Series => "Series",
        Level::Image => "Instance",
    };
    // `*` alone is universal matching, and refused for UIDs.
    // Items of sequences are not matched there.
    let is_matched =
        |key: &&QueryKey| !matches!(key.value.as_str(), "" | "*") && dictionary::vr(key.tag) != Vr::SQ;
    let matched = query.keys.iter().filter(is_matched);
    let keys: Map<String, Value> =
        matched.map(|key| (named(key.tag), Value::from(key.value.as_str()))).collect();
    json!({"Level": level, "Query": keys, "Expand": true, "Short": true, "Limit": limit, "Since": since})
}

/// A tag as Orthanc writes it.
pub(super) fn named(tag: outrigger_model::Tag) -> String {
    format!("{:04x},{:04x}", tag.0, tag.1)
}

#[cfg(test)]
mod tests {
    use outrigger_model::{QueryRoot, Tag};

    use super::*;

    #[test]
    fn keys_without_a_value_match_everything() {
        let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
        let keys =
            vec![key(Tag::STUDY_INSTANCE_UID, "*"), key(Tag::PATIENT_ID, ""), key(Tag::PATIENT_NAME, "M\"*")];
        let query = Query::new(QueryRoot::Study, Level::Image, keys);
        assert_eq!(
            request(&query, 11, 0),
            json!({"Level": "Instance", "Query": {"0010,0010": "M\"*"}, "Expand": true, "Short": true, "Limit": 11, "Since": 0})
        );
    }
}
