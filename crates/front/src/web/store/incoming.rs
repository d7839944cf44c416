//! The body of a store request: bounded in bytes and in time, one part after another.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use outrigger_dicomweb::media::{DICOM, MULTIPART_RELATED, MediaType};
use outrigger_dicomweb::multipart_reader::{Event, MultipartError, MultipartReader, PartHead};
use tokio::time::timeout;

use crate::web::Refusal;

/// What a store request has to be.
const WANTED: &str = "send multipart/related; type=\"application/dicom\"; boundary=BOUNDARY";

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenOff {
    #[error("the request is larger than the {limit} bytes taken here")]
    TooLarge { limit: u64 },
    #[error("nothing more came for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the multipart body cannot be read")]
    Multipart(#[from] MultipartError),
    #[error("the connection failed")]
    Connection(#[source] axum::Error),
    #[error("there are more than {limit} objects; send them in several requests")]
    TooMany { limit: usize },
}

impl BrokenOff {
    /// The status where nothing was stored.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Silent(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Multipart(_) | Self::Connection(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The bytes of a body.
struct Source {
    stream: BodyDataStream,
    left: u64,
    limit: u64,
    inactivity: Duration,
}

/// A body on its way in.
pub(super) struct Incoming {
    source: Source,
    form: Form,
}

enum Form {
    Multipart(Box<MultipartReader>),
    /// One object that is the body: whether it was begun.
    Single(Single),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Single {
    Before,
    Within,
    Behind,
}

/// How much is taken, and how long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) request_bytes_max: u64,
    pub(super) inactivity: Duration,
}

impl Incoming {
    /// The body of a request, where its header says that it is one of objects.
    pub(super) fn new(headers: &HeaderMap, body: Body, bounds: Bounds) -> Result<Self, Refusal> {
        let form = form(headers)?;
        Ok(Self { source: Source::new(headers, body, bounds)?, form })
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Result<Event, BrokenOff> {
        match &mut self.form {
            Form::Single(at) => single(&mut self.source, at).await,
            Form::Multipart(reader) => loop {
                if let Some(event) = reader.next_event()? {
                    return Ok(event);
                }
                match self.source.bytes().await? {
                    Some(bytes) => reader.push(bytes),
                    None => reader.finish()?,
                }
            },
        }
    }
}

async fn single(source: &mut Source, at: &mut Single) -> Result<Event, BrokenOff> {
    match at {
        Single::Before => {
            *at = Single::Within;
            Ok(Event::Part(PartHead::default()))
        }
        Single::Within => {
            if let Some(bytes) = source.bytes().await? {
                return Ok(Event::Data(bytes));
            }
            *at = Single::Behind;
            Ok(Event::PartEnd)
        }
        Single::Behind => Ok(Event::End),
    }
}

/// The whole body of a request that is held in memory.
pub(in crate::web) async fn whole_body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: u64,
    inactivity: Duration,
) -> Result<Vec<u8>, Refusal> {
    let mut source = Source::new(headers, body, Bounds { request_bytes_max: bytes_max, inactivity })?;
    let mut whole = Vec::new();
    while let Some(bytes) = source.bytes().await.map_err(|error| refused(&error))? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

fn refused(error: &BrokenOff) -> Refusal {
    Refusal::new(error.status(), error.to_string())
}

impl Source {
    fn new(headers: &HeaderMap, body: Body, bounds: Bounds) -> Result<Self, Refusal> {
        let limit = bounds.request_bytes_max;
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(refused(&BrokenOff::TooLarge { limit }));
        }
        Ok(Self { stream: body.into_data_stream(), left: limit, limit, inactivity: bounds.inactivity })
    }

    async fn bytes(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        let next = timeout(self.inactivity, self.stream.next());
        let next = next.await.map_err(|_| BrokenOff::Silent(self.inactivity))?;
        let Some(bytes) = next.transpose().map_err(BrokenOff::Connection)? else { return Ok(None) };
        self.left =
            self.left.checked_sub(bytes.len() as u64).ok_or(BrokenOff::TooLarge { limit: self.limit })?;
        Ok(Some(bytes))
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let unsupported = || Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, WANTED);
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(unsupported)?;
    let media = MediaType::parse(given).map_err(|error| Refusal::bad(format!("{error}; {WANTED}")))?;
    if media.essence() == DICOM {
        return Ok(Form::Single(Single::Before));
    }
    let is_dicom = |of: &str| of.eq_ignore_ascii_case(DICOM);
    if media.essence() != MULTIPART_RELATED || !media.parameter("type").is_none_or(is_dicom) {
        return Err(unsupported());
    }
    let boundary = media.parameter("boundary").unwrap_or_default();
    let reader = MultipartReader::new(boundary);
    reader
        .map(|reader| Form::Multipart(Box::new(reader)))
        .map_err(|error| Refusal::bad(format!("{error}; {WANTED}")))
}
