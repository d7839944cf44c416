//! Store (STOW-RS, PS3.18 section 10.5): each object is taken as it comes, and the answer follows the commits.

mod incoming;
mod object;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WARNING};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use outrigger_dicomweb::media::DICOM_JSON;
use outrigger_dicomweb::multipart_reader::Event;
use outrigger_dicomweb::resource::Resource;
use outrigger_dicomweb::stored::{Fate, Stored, Whole, response, whole};
use outrigger_model::{Status, StudyUid};
use outrigger_runtime::Spool;
use tokio::task::JoinSet;
use tracing::Instrument;

pub(super) use self::incoming::whole_body;
use self::incoming::{Bounds, BrokenOff, Incoming};
use self::object::{Arriving, Desk, Outcome, Syntaxes};
use super::{Caller, Door, Refusal, accepting};
use crate::audit::{AuditEvent, Tallies};
use crate::intake::Again;

/// Objects of one request: a modality's largest series many times over; a list without end is refused.
const OBJECTS_MAX: usize = 20_000;
/// Objects of one request whose commits are waited for while the next arrive: the journal gathers them, and each may hold
/// a mebibyte of memory.
const COMMITS_MAX: usize = 16;

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
    let Resource::Study(study) = Resource::study(&study).map_err(Refusal::bad)? else {
        return Err(Refusal::bad("the URL names no study"));
    };
    store(&door, &caller, Some(study), request).await
}

async fn store(
    door: &Door,
    caller: &Caller,
    study: Option<StudyUid>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    accepting::json(&head.headers)?;
    let bounds = Bounds {
        request_bytes_max: door.options.request_bytes_max,
        inactivity: door.options.timers.inactivity,
    };
    let mut incoming = Incoming::new(&head.headers, body, bounds)?;
    let spool = door.front.service.spool();
    let accepts = door.front.service.accepts();
    let mut taking = Taking {
        desk: Arc::new(Desk {
            front: door.front.clone(),
            origin: caller.origin(&door.options),
            study,
            spool: Spool {
                object_bytes_max: spool.object_bytes_max.min(door.options.object_bytes_max),
                ..spool
            },
            syntaxes: Syntaxes { preferred: accepts.preferred, others: accepts.others },
        }),
        caller,
        commits: JoinSet::new(),
        begun: 0,
        done: BTreeMap::new(),
        tallies: Tallies::default(),
        again: Again::Never,
    };
    let ended = taking.all(&mut incoming).await;
    taking.settle(0).await;
    taking.report().await;
    taking.answer(ended)
}

/// The objects of one request.
struct Taking<'a> {
    desk: Arc<Desk>,
    caller: &'a Caller,
    commits: JoinSet<(usize, Outcome)>,
    /// Objects that came so far.
    begun: usize,
    /// What became of them, by their place in the request.
    done: BTreeMap<usize, Stored>,
    tallies: Tallies,
    /// Whether one failed that may be taken another time.
    again: Again,
}

impl Taking<'_> {
    async fn all(&mut self, incoming: &mut Incoming) -> Result<(), BrokenOff> {
        loop {
            match incoming.next().await? {
                Event::End => return Ok(()),
                Event::Part(head) => {
                    if self.begun >= OBJECTS_MAX {
                        return Err(BrokenOff::TooMany { limit: OBJECTS_MAX });
                    }
                    let object = Arriving::new(&head);
                    self.one(incoming, object).await?;
                }
                // Nothing stands between two parts.
                Event::Data(_) | Event::PartEnd => {}
            }
        }
    }

    async fn one(&mut self, incoming: &mut Incoming, mut object: Arriving) -> Result<(), BrokenOff> {
        while let Event::Data(bytes) = incoming.next().await? {
            object = object.push(&self.desk, bytes).await;
        }
        let place = self.begun;
        self.begun += 1;
        match object.end().await {
            Err(outcome) => self.note(place, outcome).await,
            Ok(whole) => {
                self.settle(COMMITS_MAX - 1).await;
                let desk = Arc::clone(&self.desk);
                let committing = async move { (place, whole.commit(desk).await) };
                self.commits.spawn(committing.in_current_span());
            }
        }
        Ok(())
    }

    /// Waits until at most `left` commits are under way.
    async fn settle(&mut self, left: usize) {
        while self.commits.len() > left {
            match self.commits.join_next().await {
                Some(Ok((place, outcome))) => self.note(place, outcome).await,
                Some(Err(error)) => tracing::error!(%error, "a commit ended badly"),
                None => return,
            }
        }
    }

    async fn note(&mut self, place: usize, outcome: Outcome) {
        if outcome.again == Again::Later {
            self.again = Again::Later;
        }
        if let Some(study) = outcome.header.as_ref().and_then(|header| self.tallies.add(header)) {
            let party = self.caller.party.clone();
            self.desk.front.audit.put(AuditEvent::Stored { party, study }).await;
        }
        self.done.insert(place, outcome.stored);
    }

    /// Reports what was stored.
    async fn report(&mut self) {
        for study in self.tallies.take() {
            let party = self.caller.party.clone();
            self.desk.front.audit.put(AuditEvent::Stored { party, study }).await;
        }
    }

    fn answer(self, ended: Result<(), BrokenOff>) -> Result<Response, Refusal> {
        let mut stored: Vec<Stored> = (0..self.begun).map(|place| fate(&self.done, place)).collect();
        let status = match (whole(&stored), &ended) {
            (Whole::None, Err(broken)) => return Err(Refusal::new(broken.status(), with_causes(broken))),
            (_, Err(_)) => StatusCode::ACCEPTED,
            _ if stored.is_empty() => return Err(Refusal::bad("there is no object in the request")),
            (Whole::None, _) if self.again == Again::Later => StatusCode::SERVICE_UNAVAILABLE,
            (Whole::None, _) => StatusCode::CONFLICT,
            (Whole::Some, _) => StatusCode::ACCEPTED,
            (Whole::All, _) => StatusCode::OK,
        };
        let study = one_study(&stored);
        if ended.is_err() {
            // What did not come, or not whole, failed as well.
            stored.push(nameless(Status::CANNOT_UNDERSTAND));
        }
        let body = response(&self.caller.base, &stored, study.as_ref());
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(DICOM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, super::refusal::TRY_AGAIN_S);
        }
        if let Err(broken) = ended {
            tracing::warn!(error = &broken as &dyn std::error::Error, "a store request broke off");
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            let warning = format!("299 outrigger \"{}\"", with_causes(&broken).replace('"', "'"));
            if let Ok(warning) = HeaderValue::from_str(&warning) {
                headers.insert(WARNING, warning);
            }
        }
        Ok(response)
    }
}

/// What became of the object at a place; one whose commit never ended is not known to be stored.
fn fate(done: &BTreeMap<usize, Stored>, place: usize) -> Stored {
    done.get(&place).cloned().unwrap_or_else(|| nameless(Status::PROCESSING_FAILURE))
}

fn nameless(reason: Status) -> Stored {
    Stored { sop_class: None, sop_instance: None, fate: Fate::Failed(reason.0) }
}

/// The study that all objects taken are of, if it is one.
fn one_study(stored: &[Stored]) -> Option<Resource> {
    let mut studies = stored.iter().filter_map(|object| match &object.fate {
        Fate::Taken(Some(Resource::Instance(study, ..))) => Some(study),
        Fate::Taken(_) | Fate::Failed(_) => None,
    });
    let first = studies.next()?;
    studies.all(|study| study == first).then(|| Resource::Study(first.clone()))
}

fn with_causes(error: &BrokenOff) -> String {
    match error {
        BrokenOff::Multipart(cause) => format!("{error}: {cause}"),
        BrokenOff::TooLarge { .. }
        | BrokenOff::Silent(_)
        | BrokenOff::Connection(_)
        | BrokenOff::TooMany { .. } => error.to_string(),
    }
}
