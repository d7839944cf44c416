//! Storing by STOW-RS (PS3.18 section 10.5): one request an object, so that each has an answer of its own.

use std::sync::Arc;

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use outrigger_dataset::part10;
use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::Random;
use serde_json::Value;

use super::stored::{of_code, reply};
use crate::contract::{MemberError, Need, Outgoing, Reply, StoreSession};
use crate::http::{Answer, Ask, Connection, Payload};

pub(super) const OPERATION: &str = "STOW-RS";

/// Longest answer to the store of one object, in bytes: a few attributes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection for storing.
pub(super) struct Session {
    connection: Connection,
    random: Random,
}

impl Session {
    pub(super) fn new(connection: Connection, random: Random) -> Self {
        Self { connection, random }
    }

    fn boundary(&self) -> Result<String, MemberError> {
        let drawn = self.random.u128();
        let drawn =
            drawn.map_err(|error| MemberError::Lost { operation: OPERATION, source: Box::new(error) })?;
        Ok(format!("outrigger-{drawn:032x}"))
    }
}

#[async_trait]
impl StoreSession for Session {
    /// Nothing is negotiated: a server that does not take an encoding says so to the object.
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        Some(need.transfer_syntax.clone())
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let boundary = self.boundary()?;
        let ask =
            Ask::post("/studies", payload(object, &boundary)).with(ACCEPT, "application/dicom+json").with(
                CONTENT_TYPE,
                format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"),
            );
        let answer = self.connection.ask(&ask).await.map_err(|error| error.during(OPERATION))?;
        match answer.status {
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::CONFLICT => of_object(answer, object).await,
            _ => Ok(of_request(answer).await),
        }
    }

    async fn release(self: Box<Self>) -> Result<(), MemberError> {
        Ok(())
    }
}

/// The object as a file in a body of one part.
fn payload(object: &Outgoing, boundary: &str) -> Payload {
    let mut before = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes();
    before.extend(part10::file(&object.sop_class, &object.sop_instance, &object.transfer_syntax, &[]));
    let after = format!("\r\n--{boundary}--\r\n").into_bytes();
    Payload::Object { before: before.into(), object: Arc::clone(&object.bytes), after: after.into() }
}

/// An answer that says what became of the object.
async fn of_object(mut answer: Answer, object: &Outgoing) -> Result<Reply, MemberError> {
    let code = answer.status;
    let body = answer.whole(ANSWER_BYTES_MAX).await.map_err(|error| error.during(OPERATION))?;
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    reply(code, json.as_ref(), &object.sop_instance)
        .map_err(|error| MemberError::Lost { operation: OPERATION, source: Box::new(error) })
}

/// An answer that refuses the request as a whole.
async fn of_request(answer: Answer) -> Reply {
    let status = of_code(answer.status);
    Reply { status, comment: Some(answer.refusal(OPERATION).await.to_string()) }
}
