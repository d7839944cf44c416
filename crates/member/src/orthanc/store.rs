//! Storing by POST /instances: one request an object.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use outrigger_dataset::part10;
use outrigger_model::{Status, TransferSyntaxUid};
use serde::Deserialize;

use super::json;
use crate::contract::{MemberError, Need, Outgoing, Reply, StoreSession};
use crate::dicomweb::of_code;
use crate::http::{Ask, Connection, Payload};

pub(super) const OPERATION: &str = "POST /instances";

/// Longest answer to a store, in bytes: a few identifiers.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A connection for storing.
pub(super) struct Session {
    connection: Connection,
}

/// What Orthanc answers to a store.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(rename = "Status")]
    status: String,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

#[async_trait]
impl StoreSession for Session {
    /// Nothing is negotiated: Orthanc takes files of any encoding.
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        Some(need.transfer_syntax.clone())
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let head = part10::file(&object.sop_class, &object.sop_instance, &object.transfer_syntax, &[]);
        let payload =
            Payload::Object { before: head.into(), object: Arc::clone(&object.bytes), after: Bytes::new() };
        let ask = Ask::post("/instances", payload).with(CONTENT_TYPE, "application/dicom");
        let answer = self.connection.ask(&ask).await.map_err(|error| error.during(OPERATION))?;
        if answer.status != StatusCode::OK {
            let status = of_code(answer.status);
            return Ok(Reply { status, comment: Some(answer.refusal(OPERATION).await.to_string()) });
        }
        let stored: Stored = json(answer, OPERATION, ANSWER_BYTES_MAX).await?;
        Ok(of_word(&stored.status))
    }

    async fn release(self: Box<Self>) -> Result<(), MemberError> {
        Ok(())
    }
}

/// Orthanc's word as the status of a C-STORE.
fn of_word(word: &str) -> Reply {
    let status = match word {
        "Success" => return Reply { status: Status::SUCCESS, comment: None },
        "AlreadyStored" => Status::DUPLICATE_SOP_INSTANCE,
        // A rule of its own keeps the object out; the same object is never let in.
        "FilteredOut" => Status::CANNOT_UNDERSTAND,
        "StorageFull" => Status::OUT_OF_RESOURCES,
        _ => Status::PROCESSING_FAILURE,
    };
    let cut: String = word.chars().take(64).collect();
    Reply { status, comment: Some(format!("Orthanc says {cut}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_is_success() {
        for (word, status) in [
            ("Success", 0x0000),
            ("AlreadyStored", 0x0111),
            ("FilteredOut", 0xC000),
            ("StorageFull", 0xA700),
            ("Failure", 0x0110),
            ("", 0x0110),
        ] {
            assert_eq!(of_word(word).status, Status(status), "{word}");
        }
    }
}
