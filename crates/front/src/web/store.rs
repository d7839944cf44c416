//! Store (STOW-RS, PS3.18 section 10.5): each object is taken as it comes, and the answer follows the commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use multer::{Constraints, Field, Multipart, SizeLimit};
use outrigger_dataset::part10::{Head, HeadError};
use outrigger_dataset::scan::{Scanned, Scanner};
use outrigger_dicomweb::stored::{Fate, Stored, Whole, response, whole};
use outrigger_model::{InstanceHeader, StudyUid, TransferSyntaxUid, transfer_syntax};
use outrigger_runtime::spool::{BodyWriter, SpoolError};
use outrigger_runtime::{Body as Spooled, Spool};

use super::{Caller, Door, Refusal};
use crate::audit::{AuditEvent, Tallies};
use crate::service::{Arrival, RefusalKind, StoreRefusal};

/// Objects of one request: a modality's largest series many times over; a list without end is refused.
const OBJECTS_MAX: usize = 20_000;
/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// Failure Reasons (PS3.18 table I.2.2-1, PS3.3 section C.14.1.1).
mod reason {
    pub(super) const PROCESSING_FAILURE: u16 = 0x0110;
    pub(super) const CLASS_NOT_SUPPORTED: u16 = 0x0122;
    pub(super) const NOT_AUTHORIZED: u16 = 0x0124;
    pub(super) const OUT_OF_RESOURCES: u16 = 0xA700;
    pub(super) const DATA_SET_MISMATCH: u16 = 0xA900;
    pub(super) const CANNOT_UNDERSTAND: u16 = 0xC000;
}

/// The resources that take objects.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new().route("/studies", post(into_any)).route("/studies/{study}", post(into_one))
}

async fn into_any(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    store(&door, &caller, None, request).await
}

async fn into_one(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    Path(study): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let study = StudyUid::new(&study)
        .map_err(|error| Refusal::bad(format!("the study in the URL is no UID: {error}")))?;
    store(&door, &caller, Some(study), request).await
}

/// What the objects of one request share.
struct Taking<'a> {
    door: &'a Door,
    caller: &'a Caller,
    study: Option<StudyUid>,
    spool: Spool,
    tallies: Tallies,
    stored: Vec<Stored>,
    /// Whether an object failed for want of room: the sender shall try again.
    no_room: bool,
    /// The study that all objects taken are of, as long as they are of one.
    of_study: BTreeMap<Option<StudyUid>, usize>,
}

async fn store(
    door: &Door,
    caller: &Caller,
    study: Option<StudyUid>,
    request: Request,
) -> Result<Response, Refusal> {
    let boundary = boundary(request.headers())?;
    let spool = door.front.service.spool();
    let spool =
        Spool { object_bytes_max: spool.object_bytes_max.min(door.options.object_bytes_max), ..spool };
    // One more than may be taken, so that too large an object is refused with its reason and not with its request.
    let limit = spool.object_bytes_max.saturating_add(Head::BYTES_MAX as u64 + 1);
    let constraints = Constraints::new().size_limit(SizeLimit::new().per_field(limit));
    let parts = request.into_body().into_data_stream();
    let mut parts = Multipart::with_constraints(parts, boundary, constraints);
    let mut taking = Taking {
        door,
        caller,
        study,
        spool,
        tallies: Tallies::default(),
        stored: Vec::new(),
        no_room: false,
        of_study: BTreeMap::new(),
    };
    let ended = taking.all(&mut parts).await;
    taking.report().await;
    match ended {
        Ok(()) => taking.answer(),
        // What was taken before stays taken; the sender is told that the request broke off, and sends it again.
        Err(refusal) => Err(refusal),
    }
}

/// The boundary of a multipart/related body of DICOM objects.
fn boundary(headers: &HeaderMap) -> Result<String, Refusal> {
    let unsupported = |text: &str| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    const WANTED: &str = "send multipart/related; type=\"application/dicom\"; boundary=…";
    let given = headers.get(HeaderName::from(CONTENT_TYPE)).and_then(|value| value.to_str().ok());
    let given = given.ok_or_else(|| unsupported(WANTED))?;
    let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
    if !media.trim().eq_ignore_ascii_case("multipart/related") {
        return Err(unsupported(WANTED));
    }
    let mut found = (None, None);
    for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "type" => found.0 = Some(value),
            "boundary" => found.1 = Some(value),
            _ => {}
        }
    }
    if found.0.is_some_and(|of| !of.eq_ignore_ascii_case("application/dicom")) {
        return Err(unsupported(WANTED));
    }
    match found.1 {
        Some(boundary) if !boundary.is_empty() && boundary.len() <= BOUNDARY_MAX => Ok(boundary.to_owned()),
        _ => Err(Refusal::bad(format!("the boundary has 1 to {BOUNDARY_MAX} characters; {WANTED}"))),
    }
}

impl Taking<'_> {
    async fn all(&mut self, parts: &mut Multipart<'_>) -> Result<(), Refusal> {
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            if self.stored.len() >= OBJECTS_MAX {
                let text = format!("more than {OBJECTS_MAX} objects; send them in several requests");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            let stored = self.one(part).await?;
            self.stored.push(stored);
        }
        Ok(())
    }

    /// Takes one object; only a request that breaks off ends all.
    async fn one(&mut self, mut part: Field<'_>) -> Result<Stored, Refusal> {
        let failed = |reason| Stored { sop_class: None, sop_instance: None, fate: Fate::Failed(reason) };
        let mut head = Head::default();
        let syntax = loop {
            let Some(bytes) = part.chunk().await.map_err(broken)? else {
                tracing::warn!("a part of a store request ends before its data set");
                return Ok(failed(reason::CANNOT_UNDERSTAND));
            };
            match head.push(&bytes) {
                Ok(None) => {}
                Ok(Some(syntax)) => break syntax,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a part of a store request is no DICOM file"
                    );
                    while part.chunk().await.map_err(broken)?.is_some() {}
                    return Ok(failed(reason_of_head(&error)));
                }
            }
        };
        let mut receiving = Receiving { writer: self.spool.begin(), scanner: Scanner::new(&syntax) };
        let mut taken = receiving.push(head.rest()).await;
        while let Some(bytes) = part.chunk().await.map_err(broken)? {
            if taken.is_ok() {
                taken = receiving.push(bytes).await;
            }
        }
        let finished = match taken {
            Ok(()) => receiving.finish().await,
            Err(error) => Err(error),
        };
        match finished {
            Err(reason) => {
                self.no_room |= reason == reason::OUT_OF_RESOURCES;
                Ok(failed(reason))
            }
            Ok((body, scanned)) => Ok(self.accept(syntax, body, scanned).await),
        }
    }

    async fn accept(&mut self, syntax: TransferSyntaxUid, body: Spooled, scanned: Scanned) -> Stored {
        let Scanned { header, oddities, .. } = scanned;
        let fate = match self.permitted(&syntax, &header) {
            Err(reason) => Fate::Failed(reason),
            Ok(()) => {
                let origin = self.caller.origin(&self.door.options);
                let arrival =
                    Arrival { header: header.clone(), oddities, transfer_syntax: syntax, body, origin };
                match self.door.front.service.accept(arrival).await {
                    Ok(_) => Fate::Taken,
                    Err(refusal) => {
                        let error = &refusal as &dyn std::error::Error;
                        tracing::warn!(instance = %header.sop_instance, error, "the object was not accepted");
                        self.no_room |= refusal.kind == RefusalKind::OutOfResources;
                        Fate::Failed(reason_of(&refusal))
                    }
                }
            }
        };
        let label = if fate == Fate::Taken { "new" } else { "refused" };
        metrics::counter!("outrigger_stores_total", "outcome" => label).increment(1);
        if fate == Fate::Taken {
            *self.of_study.entry(header.study.clone()).or_default() += 1;
            if let Some(study) = self.tallies.add(&header) {
                let party = self.caller.party.clone();
                self.door.front.audit.put(AuditEvent::Stored { party, study }).await;
            }
        }
        Stored { sop_class: Some(header.sop_class), sop_instance: Some(header.sop_instance), fate }
    }

    /// Whether the object belongs where it was sent, in an encoding that is kept.
    fn permitted(&self, syntax: &TransferSyntaxUid, header: &InstanceHeader) -> Result<(), u16> {
        if self.study.is_some() && self.study != header.study {
            tracing::warn!(instance = %header.sop_instance, "an object is of another study than the one it was sent to");
            return Err(reason::DATA_SET_MISMATCH);
        }
        if transfer_syntax::traits(syntax).pixels == transfer_syntax::Pixels::Elsewhere {
            return Err(reason::CLASS_NOT_SUPPORTED);
        }
        Ok(())
    }

    /// Reports what was stored.
    async fn report(&mut self) {
        for study in self.tallies.take() {
            let party = self.caller.party.clone();
            self.door.front.audit.put(AuditEvent::Stored { party, study }).await;
        }
    }

    fn answer(self) -> Result<Response, Refusal> {
        if self.stored.is_empty() {
            return Err(Refusal::bad("there is no object in the request"));
        }
        let whole = whole(&self.stored);
        if whole == Whole::None && self.no_room {
            let text = "there is no room for the objects now; send them again later";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        let status = match whole {
            Whole::All => StatusCode::OK,
            Whole::Some => StatusCode::ACCEPTED,
            Whole::None => StatusCode::CONFLICT,
        };
        let mut studies = self.of_study.keys().flatten();
        let study = studies.next().filter(|_| self.of_study.len() == 1).map(StudyUid::as_str);
        let body = response(&self.caller.base, &self.stored, study);
        let mut response = (status, Body::from(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
        Ok(response)
    }
}

/// An object on its way in.
struct Receiving {
    writer: BodyWriter,
    scanner: Scanner,
}

impl Receiving {
    async fn push(&mut self, bytes: bytes::Bytes) -> Result<(), u16> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.scanner.push(&bytes);
        self.writer.push(bytes).await.map_err(|error| reason_of_spool(&error))
    }

    async fn finish(self) -> Result<(Spooled, Scanned), u16> {
        let scanned = self.scanner.finish().map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "an object was refused");
            error.refusal().0
        })?;
        let body = self.writer.finish().await.map_err(|error| reason_of_spool(&error))?;
        metrics::counter!("outrigger_received_bytes_total").increment(body.length);
        Ok((body, scanned))
    }
}

fn reason_of_head(error: &HeadError) -> u16 {
    match error {
        HeadError::NoFile | HeadError::TooLong | HeadError::Unreadable | HeadError::NoSyntax => {
            reason::CANNOT_UNDERSTAND
        }
    }
}

fn reason_of_spool(error: &SpoolError) -> u16 {
    tracing::warn!(error = error as &dyn std::error::Error, "an object could not be taken in");
    reason::OUT_OF_RESOURCES
}

fn reason_of(refusal: &StoreRefusal) -> u16 {
    match refusal.kind {
        RefusalKind::OutOfResources => reason::OUT_OF_RESOURCES,
        RefusalKind::NotAuthorized | RefusalKind::Rejected => reason::NOT_AUTHORIZED,
        RefusalKind::ClassNotSupported => reason::CLASS_NOT_SUPPORTED,
        RefusalKind::Failed => reason::PROCESSING_FAILURE,
    }
}

/// The body is no multipart body, or ends before its end.
fn broken(error: multer::Error) -> Refusal {
    match error {
        multer::Error::FieldSizeExceeded { limit, .. } => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("an object is larger than {limit} bytes"))
        }
        error => Refusal::bad(format!(
            "the multipart body cannot be read to its end: {error}; objects before that may have been stored: send all again"
        )),
    }
}
