//! Reading an instance back as the file that Orthanc keeps: its identifier is looked up, then its file is asked for.

use hyper::StatusCode;
use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::{Body, Spool};
use serde::Deserialize;

use super::asked;
use crate::contract::MemberError;
use crate::file::{Arriving, Came, FileError, Wanted};
use crate::http::{Ask, Connection, HttpError, Payload};

const LOOK_UP: &str = "POST /tools/lookup";
pub(super) const OPERATION: &str = "GET /instances/{id}/file";

/// Longest answer to a look-up, in bytes: some identifiers.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Copies of one SOP Instance UID that are looked at: Orthanc keeps one for each patient, study and series it came under.
const COPIES_MAX: usize = 8;

/// What is known under an identifier of DICOM.
#[derive(Debug, Deserialize)]
pub(super) struct Known {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Type")]
    kind: String,
}

/// Why the answer is not taken for the file.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{url} answered 206, and the whole file was asked for")]
    Partial { url: String },
    #[error("the answer of {url} has no length, and so may have been cut")]
    NoLength { url: String },
    #[error("the answer of {url} is encoded as `{encoding}`, which was not asked for")]
    Encoded { url: String, encoding: String },
}

impl From<FetchError> for MemberError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Http(error) => error.during(OPERATION),
            other => Self::Lost { operation: OPERATION, source: Box::new(other) },
        }
    }
}

/// Reads an instance back; nothing is taken before all of it has come.
pub(super) async fn fetch(
    connection: &mut Connection,
    spool: &Spool,
    wanted: Wanted<'_>,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let uid = Payload::Bytes(wanted.instance.as_str().to_owned().into());
    let known: Vec<Known> =
        asked(connection, &Ask::post("/tools/lookup", uid), LOOK_UP, ANSWER_BYTES_MAX).await?;
    let copies = known.iter().filter(|known| known.kind == "Instance" && is_id(&known.id));
    for copy in copies.take(COPIES_MAX) {
        match file(connection, spool, &copy.id).await {
            Ok(came) if came.is_elsewhere(wanted) => {}
            Ok(came) => return came.taken_for(wanted, OPERATION),
            // Removed between the two questions.
            Err(MemberError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Err(MemberError::NotFound)
}

async fn file(connection: &mut Connection, spool: &Spool, id: &str) -> Result<Came, MemberError> {
    let asked = connection.ask(&Ask::get(format!("/instances/{id}/file"))).await;
    let mut answer = asked.map_err(|error| error.during(OPERATION))?;
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(MemberError::NotFound),
        StatusCode::PARTIAL_CONTENT => return Err(FetchError::Partial { url: answer.url }.into()),
        _ => return Err(MemberError::Http(Box::new(answer.refusal(OPERATION).await))),
    }
    if let Some(encoding) = answer.content_encoding() {
        let (encoding, url) = (encoding.to_owned(), answer.url.clone());
        return Err(FetchError::Encoded { url, encoding }.into());
    }
    if !answer.is_framed() {
        return Err(FetchError::NoLength { url: answer.url }.into());
    }
    let mut arriving = Arriving::begin(spool);
    while let Some(bytes) = answer.next().await.map_err(FetchError::from)? {
        arriving.push(bytes).await.map_err(FetchError::from)?;
    }
    Ok(arriving.finish().await.map_err(FetchError::from)?)
}

/// Whether it may stand in a path: what Orthanc calls its resources is a SHA-1 in groups of eight digits.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
