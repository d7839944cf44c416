//! Retrieving an instance by WADO-RS (PS3.18 section 10.4), in the encoding in which it is kept.

use hyper::StatusCode;
use hyper::header::ACCEPT;
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};

use super::multipart::{Event, Multipart, MultipartError};
use crate::contract::MemberError;
use crate::file::{Arriving, Came, FileError, Wanted};
use crate::http::{Answer, Ask, Connection, HttpError};

pub(super) const OPERATION: &str = "WADO-RS";

/// As it is kept, whatever that is (PS3.18 section 8.7.3.5.2).
const AS_KEPT: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
/// For servers that know no `*`.
const AS_GIVEN: &str = "multipart/related; type=\"application/dicom\"";

/// An instance that nobody has: 2.25 with a UUID of zeros (PS3.5 section B.2).
const NOBODYS: &str = "2.25.0";

/// Why the answer to a retrieval is not taken for the instance.
#[derive(Debug, thiserror::Error)]
enum RetrieveError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the answer is no whole multipart body")]
    Multipart(#[from] MultipartError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the answer has no part, and so no instance")]
    NoPart,
    #[error("the answer has a second part, and one instance was asked for")]
    TwoParts,
    #[error("a part of the answer is of type `{0}`, and `application/dicom` was asked for")]
    PartType(String),
    #[error("the answer is encoded as `{0}`, which was not asked for")]
    Encoded(String),
    #[error("the answer has no length, and so may have been cut")]
    NoLength,
}

impl From<RetrieveError> for MemberError {
    fn from(error: RetrieveError) -> Self {
        match error {
            RetrieveError::Http(error) => error.during(OPERATION),
            other => Self::Lost { operation: OPERATION, source: Box::new(other) },
        }
    }
}

fn path(study: &StudyUid, series: &SeriesUid, instance: &SopInstanceUid) -> String {
    format!(
        "/studies/{}/series/{}/instances/{}",
        super::search::escaped(study.as_str()),
        super::search::escaped(series.as_str()),
        super::search::escaped(instance.as_str())
    )
}

/// Retrieves an instance; nothing is taken before all of it has come.
pub(super) async fn instance(
    connection: &mut Connection,
    spool: &Spool,
    wanted: Wanted<'_>,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let path = path(wanted.study, wanted.series, wanted.instance);
    let mut answer = ask(connection, &path, AS_KEPT).await?;
    if answer.status == StatusCode::NOT_ACCEPTABLE {
        answer = ask(connection, &path, AS_GIVEN).await?;
    }
    match answer.status {
        StatusCode::OK => came(answer, spool).await?.taken_for(wanted, OPERATION),
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT => Err(MemberError::NotFound),
        _ => Err(MemberError::Http(Box::new(answer.refusal(OPERATION).await))),
    }
}

/// Whether retrieval is offered at all: an instance that nobody has is not found.
pub(super) async fn is_offered(connection: &mut Connection) -> Result<bool, MemberError> {
    let path = path(&StudyUid::known(NOBODYS), &SeriesUid::known(NOBODYS), &SopInstanceUid::known(NOBODYS));
    let answer = ask(connection, &path, AS_KEPT).await?;
    Ok(matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT))
}

async fn ask(connection: &mut Connection, path: &str, accept: &str) -> Result<Answer, MemberError> {
    let ask = Ask::get(path).with(ACCEPT, accept);
    connection.ask(&ask).await.map_err(|error| error.during(OPERATION))
}

async fn came(mut answer: Answer, spool: &Spool) -> Result<Came, RetrieveError> {
    if let Some(encoding) = answer.content_encoding() {
        return Err(RetrieveError::Encoded(encoding.to_owned()));
    }
    if is_dicom(answer.content_type()) {
        return single(answer, spool).await;
    }
    let mut multipart = Multipart::of(answer.content_type())?;
    let mut part = Part::default();
    loop {
        while let Some(event) = multipart.next()? {
            part.take(event, spool).await?;
        }
        // To the end of the body even behind the last boundary, so that the connection can be used again.
        match answer.next().await? {
            Some(bytes) => multipart.push(&bytes),
            None => break,
        }
    }
    multipart.finish()?;
    Ok(part.whole.ok_or(RetrieveError::NoPart)?.finish().await?)
}

/// The one part that is awaited.
#[derive(Default)]
struct Part {
    arriving: Option<Arriving>,
    whole: Option<Arriving>,
}

impl Part {
    async fn take(&mut self, event: Event, spool: &Spool) -> Result<(), RetrieveError> {
        match (event, &mut self.arriving) {
            (Event::Part(_), _) if self.whole.is_some() => return Err(RetrieveError::TwoParts),
            (Event::Part(kind), _) if !kind.is_empty() && !is_dicom(&kind) => {
                return Err(RetrieveError::PartType(kind));
            }
            (Event::Part(_), _) => self.arriving = Some(Arriving::begin(spool)),
            (Event::Data(bytes), Some(arriving)) => arriving.push(bytes).await?,
            (Event::PartEnd, _) => self.whole = self.arriving.take(),
            (Event::Data(_), None) | (Event::End, _) => {}
        }
        Ok(())
    }
}

/// Some servers answer a single instance as it is.
async fn single(mut answer: Answer, spool: &Spool) -> Result<Came, RetrieveError> {
    if !answer.is_framed() {
        return Err(RetrieveError::NoLength);
    }
    let mut arriving = Arriving::begin(spool);
    while let Some(bytes) = answer.next().await? {
        arriving.push(bytes).await?;
    }
    Ok(arriving.finish().await?)
}

fn is_dicom(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/dicom")
}
