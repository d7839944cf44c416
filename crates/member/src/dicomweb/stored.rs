//! What a server answers to a store (PS3.18 section 10.5.3), as the status of a C-STORE.

use hyper::StatusCode;
use outrigger_model::{SopInstanceUid, Status};
use serde_json::Value;

use crate::contract::Reply;

const FAILED_SEQUENCE: &str = "00081198";
const STORED_SEQUENCE: &str = "00081199";
const OTHER_FAILURES: &str = "0008119A";
const INSTANCE: &str = "00081155";
const FAILURE_REASON: &str = "00081197";
const WARNING_REASON: &str = "00081196";

/// Why an answer says neither that the object was stored nor that it was not.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnclearError {
    #[error("the answer names other instances, and not the one that was sent")]
    NotNamed,
    #[error("the answer is 202, some stored, and does not say which")]
    Unsaid,
}

/// What the answer says of the one instance that was sent.
///
/// Its failure and warning reasons are the status codes of a C-STORE (PS3.18 tables I.2-2 and I.2-3).
pub(super) fn reply(
    code: StatusCode,
    body: Option<&Value>,
    sent: &SopInstanceUid,
) -> Result<Reply, UnclearError> {
    let listed = |sequence: &str| body.map(|body| items(body, sequence)).unwrap_or_default();
    let of_ours = |items: &[&Value]| items.iter().copied().find(|item| names(item, sent)).cloned();
    let failed = listed(FAILED_SEQUENCE);
    // One object was sent: a failure without its name is its own.
    let nameless = listed(OTHER_FAILURES);
    if let Some(item) = of_ours(&failed).or_else(|| nameless.first().copied().cloned()) {
        let status = reason(&item, FAILURE_REASON).unwrap_or(Status::PROCESSING_FAILURE);
        return Ok(Reply { status, comment: Some(comment(code)) });
    }
    let stored = listed(STORED_SEQUENCE);
    if let Some(item) = of_ours(&stored) {
        let warning = reason(&item, WARNING_REASON).unwrap_or(Status::SUCCESS);
        return Ok(Reply { status: warning, comment: (warning != Status::SUCCESS).then(|| comment(code)) });
    }
    let names_others = !failed.is_empty() || !stored.is_empty();
    match code {
        StatusCode::CONFLICT => {
            Ok(Reply { status: Status::PROCESSING_FAILURE, comment: Some(comment(code)) })
        }
        _ if names_others => Err(UnclearError::NotNamed),
        StatusCode::ACCEPTED => Err(UnclearError::Unsaid),
        // All were stored (PS3.18 table 10.5.3-1); some servers say no more.
        _ => Ok(Reply { status: Status::SUCCESS, comment: None }),
    }
}

fn comment(code: StatusCode) -> String {
    format!("HTTP {}", code.as_u16())
}

fn items<'a>(data_set: &'a Value, sequence: &str) -> Vec<&'a Value> {
    // Some servers answer a list with one data set in it.
    let data_set = data_set.as_array().and_then(|list| list.first()).unwrap_or(data_set);
    let items = data_set.get(sequence).and_then(|element| element.get("Value")).and_then(Value::as_array);
    items.map(|items| items.iter().collect()).unwrap_or_default()
}

fn first<'a>(item: &'a Value, tag: &str) -> Option<&'a Value> {
    item.get(tag)?.get("Value")?.as_array()?.first()
}

fn names(item: &Value, sent: &SopInstanceUid) -> bool {
    let uid = first(item, INSTANCE).and_then(Value::as_str).and_then(|uid| SopInstanceUid::new(uid).ok());
    uid.as_ref() == Some(sent)
}

fn reason(item: &Value, tag: &str) -> Option<Status> {
    let value = first(item, tag)?;
    // A number, as text where the server is of PS3.18 2013.
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().map(Status)
}

/// The status for an answer that is about the request as a whole and not about its object.
pub(crate) fn of_code(code: StatusCode) -> Status {
    match code.as_u16() {
        401 | 403 => Status::NOT_AUTHORIZED,
        400 | 406 | 411 | 413 | 414 | 422 => Status::CANNOT_UNDERSTAND,
        415 => Status::SOP_CLASS_NOT_SUPPORTED,
        429 | 503 | 507 => Status::OUT_OF_RESOURCES,
        // Wrong path, wrong server, failing server: another day it may be put right, and the object is not at fault.
        _ => Status::PROCESSING_FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(code: u16, body: &Value) -> Result<u16, UnclearError> {
        let sent = SopInstanceUid::known("1.2.3");
        let code = StatusCode::from_u16(code).unwrap();
        reply(code, Some(body), &sent).map(|reply| reply.status.0)
    }

    fn item(uid: &str, tag: &str, reason: impl Into<Value>) -> Value {
        let mut item = json!({ INSTANCE: {"vr": "UI", "Value": [uid]} });
        item[tag] = json!({"vr": "US", "Value": [reason.into()]});
        item
    }

    #[test]
    fn what_is_said_of_the_instance_counts_and_not_the_code() {
        let failed = |reason: u16| json!({ FAILED_SEQUENCE: {"vr": "SQ", "Value": [item("1.2.3", FAILURE_REASON, reason)]} });
        for reason in [0x0110, 0x0122, 0xA700, 0xA900, 0xC000, 0x0124] {
            for code in [200, 202, 409] {
                assert_eq!(said(code, &failed(reason)).unwrap(), reason);
            }
        }
        let stored = json!({ STORED_SEQUENCE: {"Value": [item("1.2.3", "00081190", "http://x")]} });
        assert_eq!(said(200, &stored).unwrap(), 0);
        assert_eq!(said(200, &json!([stored])).unwrap(), 0);
        let warned = json!({ STORED_SEQUENCE: {"Value": [item("1.2.3", WARNING_REASON, 0xB000)]} });
        assert_eq!(said(202, &warned).unwrap(), 0xB000);
        let text = json!({ FAILED_SEQUENCE: {"Value": [item("1.2.3", FAILURE_REASON, "272")]} });
        assert_eq!(said(409, &text).unwrap(), 0x0110);
        let nameless = json!({ OTHER_FAILURES: {"Value": [{ FAILURE_REASON: {"Value": [0xC000]} }]} });
        assert_eq!(said(409, &nameless).unwrap(), 0xC000);
    }

    #[test]
    fn where_nothing_is_said_of_the_instance_only_200_and_409_are_clear() {
        assert_eq!(said(200, &json!({})).unwrap(), 0);
        assert_eq!(said(409, &json!({})).unwrap(), 0x0110);
        said(202, &json!({})).unwrap_err();
        let other = json!({ STORED_SEQUENCE: {"Value": [item("1.2.4", "00081190", "u")]} });
        said(200, &other).unwrap_err();
        assert_eq!(
            reply(StatusCode::OK, None, &SopInstanceUid::known("1.2")).unwrap().status,
            Status::SUCCESS
        );
    }
}
