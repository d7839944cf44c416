//! Retrieving an instance by WADO-RS (PS3.18 section 10.4), in the encoding in which it is kept.

use hyper::StatusCode;
use hyper::header::ACCEPT;
use outrigger_dicomweb::multipart_reader::{Event, MultipartError, MultipartReader, PartHead, boundary};
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::search::escaped;
use crate::contract::{CameBack, MemberError};
use crate::file::{Arriving, Came, FileError, Wanted};
use crate::http::{Answer, Ask, Connection, HttpError};

pub(super) const OPERATION: &str = "WADO-RS";

/// As it is kept, whatever that is (PS3.18 section 8.7.3.5.2).
const AS_KEPT: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
/// For servers that know no `*`.
const AS_GIVEN: &str = "multipart/related; type=\"application/dicom\"";

/// Most characters of a Content-Type that are told on.
const TYPE_SHOWN_MAX: usize = 200;

/// Instances of a series that have come and are digested while the next comes: one, for as many threads as matter to one who reads.
const FINISHING_MAX: usize = 1;

/// An instance that nobody has: 2.25 with a UUID of zeros (PS3.5 section B.2).
const NOBODYS: &str = "2.25.0";

/// Why the answer to a retrieval is not taken for the instance.
#[derive(Debug, thiserror::Error)]
enum RetrieveError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("`{0}` stands where `multipart/related` with a boundary is expected")]
    Type(String),
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
    #[error("what came could not be looked at")]
    Unfinished(#[source] JoinError),
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
    format!("{}/instances/{}", path_of_series(study, series), escaped(instance.as_str()))
}

fn path_of_series(study: &StudyUid, series: &SeriesUid) -> String {
    format!("/studies/{}/series/{}", escaped(study.as_str()), escaped(series.as_str()))
}

/// Retrieves an instance; nothing is taken before all of it has come.
pub(super) async fn instance(
    connection: &mut Connection,
    spool: &Spool,
    wanted: Wanted<'_>,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let answer = given(connection, &path(wanted.study, wanted.series, wanted.instance)).await?;
    came(answer, spool).await?.taken_for(wanted, OPERATION)
}

/// Retrieves the instances of a series in one answer and hands each over when it has come whole, until all came or nobody
/// takes them any more.
pub(super) async fn series(
    connection: &mut Connection,
    spool: &Spool,
    (study, series): (&StudyUid, &SeriesUid),
    taken: &mpsc::Sender<CameBack>,
) -> Result<(), MemberError> {
    let mut answer = given(connection, &path_of_series(study, series)).await?;
    let mut parts = Parts::of(&answer, spool)?;
    let mut finishing = JoinSet::new();
    let ended = loop {
        match parts.next(&mut answer).await {
            Ok(Some(whole)) => drop(finishing.spawn(whole.finish())),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if finishing.len() > FINISHING_MAX && !hand_over(&mut finishing, taken).await? {
            return Ok(());
        }
    };
    // What came whole has come, even if the body is cut behind it.
    while !finishing.is_empty() && hand_over(&mut finishing, taken).await? {}
    Ok(ended?)
}

/// Hands one over that has come whole; `false` if nobody takes it.
async fn hand_over(
    finishing: &mut JoinSet<Result<Came, FileError>>,
    taken: &mpsc::Sender<CameBack>,
) -> Result<bool, RetrieveError> {
    match finishing.join_next().await {
        Some(Ok(came)) => Ok(taken.send(came?.back()).await.is_ok()),
        Some(Err(lost)) => Err(RetrieveError::Unfinished(lost)),
        None => Ok(true),
    }
}

/// The answer that gives what is below a path.
async fn given(connection: &mut Connection, path: &str) -> Result<Answer, MemberError> {
    let mut answer = ask(connection, path, AS_KEPT).await?;
    if answer.status == StatusCode::NOT_ACCEPTABLE {
        answer = ask(connection, path, AS_GIVEN).await?;
    }
    match answer.status {
        StatusCode::OK => match answer.content_encoding() {
            Some(encoding) => Err(RetrieveError::Encoded(encoding.to_owned()).into()),
            None => Ok(answer),
        },
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
    if is_dicom(answer.content_type()) {
        return single(answer, spool).await;
    }
    let mut parts = Parts::of(&answer, spool)?;
    let first = parts.next(&mut answer).await?.ok_or(RetrieveError::NoPart)?.finish().await?;
    // To the end of the body even behind the last boundary, so that the connection can be used again.
    match parts.next(&mut answer).await? {
        None => Ok(first),
        Some(_) => Err(RetrieveError::TwoParts),
    }
}

/// The files of a multipart body, one after another.
struct Parts<'a> {
    reader: MultipartReader,
    spool: &'a Spool,
    arriving: Option<Arriving>,
}

impl<'a> Parts<'a> {
    fn of(answer: &Answer, spool: &'a Spool) -> Result<Self, RetrieveError> {
        let content_type = answer.content_type();
        let unusable = || RetrieveError::Type(content_type.chars().take(TYPE_SHOWN_MAX).collect());
        let boundary = boundary(content_type).ok_or_else(unusable)?;
        Ok(Self { reader: MultipartReader::new(&boundary)?, spool, arriving: None })
    }

    /// The next file that came whole; `None` at the end of a body that came whole.
    async fn next(&mut self, answer: &mut Answer) -> Result<Option<Arriving>, RetrieveError> {
        loop {
            while let Some(event) = self.reader.next_event()? {
                if let Some(whole) = self.take(event).await? {
                    return Ok(Some(whole));
                }
            }
            let Some(bytes) = answer.next().await? else {
                self.reader.finish()?;
                return Ok(None);
            };
            self.reader.push(bytes);
        }
    }

    /// Takes what comes next; gives a part back when it is whole.
    async fn take(&mut self, event: Event) -> Result<Option<Arriving>, RetrieveError> {
        match (event, &mut self.arriving) {
            (Event::Part(head), _) => {
                is_of_dicom(&head)?;
                self.arriving = Some(Arriving::begin(self.spool));
            }
            (Event::Data(bytes), Some(arriving)) => arriving.push(bytes).await?,
            (Event::PartEnd, _) => return Ok(self.arriving.take()),
            (Event::Data(_), None) | (Event::End, _) => {}
        }
        Ok(None)
    }
}

fn is_of_dicom(head: &PartHead) -> Result<(), RetrieveError> {
    match head.field("content-type") {
        Some(kind) if !kind.is_empty() && !is_dicom(kind) => Err(RetrieveError::PartType(kind.to_owned())),
        _ => Ok(()),
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
