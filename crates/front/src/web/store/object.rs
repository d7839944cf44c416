//! One object of a store request, from the head of its part to the commit.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_dataset::part10::{Head, Meta};
use outrigger_dataset::scan::Scanned;
use outrigger_dicomweb::media::{DICOM, MediaType};
use outrigger_dicomweb::multipart_reader::PartHead;
use outrigger_dicomweb::resource::Resource;
use outrigger_dicomweb::stored::{Fate, Stored};
use outrigger_model::transfer_syntax::{Pixels, traits};
use outrigger_model::{InstanceHeader, Origin, Status, StudyUid, TransferSyntaxUid, WallTime};
use outrigger_runtime::Spool;

use crate::dimse::takes;
use crate::intake::{Again, Aside, Intake, Refusal, Taken, of_service};
use crate::quarantine::Label;
use crate::service::{Arrival, OtherSyntaxes};
use crate::web::WebFront;

/// Transfer syntax not supported (PS3.18 table I.2-2).
const SYNTAX_NOT_SUPPORTED: Status = Status(0xC122);

/// What all objects of a request share.
pub(super) struct Desk {
    pub(super) front: WebFront,
    pub(super) origin: Origin,
    /// The study that all must be of, where the URL names one.
    pub(super) study: Option<StudyUid>,
    pub(super) spool: Spool,
    pub(super) syntaxes: Syntaxes,
}

/// Which encodings are taken.
pub(super) struct Syntaxes {
    pub(super) preferred: Vec<TransferSyntaxUid>,
    pub(super) others: OtherSyntaxes,
}

impl Syntaxes {
    fn takes(&self, syntax: &TransferSyntaxUid) -> bool {
        let keeps = self.others == OtherSyntaxes::Keep || self.preferred.contains(syntax);
        keeps && traits(syntax).pixels != Pixels::Elsewhere
    }
}

/// An object that is arriving.
pub(super) enum Arriving {
    Head(Head),
    DataSet(Meta, Box<Intake>),
    /// What follows is read and dropped.
    Refused(Option<Meta>, Refusal),
}

/// An object that has arrived, and may be committed.
pub(super) struct Whole {
    meta: Meta,
    taken: Taken,
}

/// What became of an object.
pub(super) struct Outcome {
    pub(super) stored: Stored,
    /// What was stored, for the audit trail.
    pub(super) header: Option<InstanceHeader>,
    pub(super) again: Again,
}

impl Outcome {
    fn refused(meta: Option<Meta>, refusal: &Refusal) -> Self {
        let (sop_class, sop_instance) =
            meta.map(|meta| (meta.sop_class, meta.sop_instance)).unwrap_or_default();
        metrics::counter!("outrigger_stores_total", "outcome" => "refused").increment(1);
        let fate = Fate::Failed(refusal.status.0);
        Self { stored: Stored { sop_class, sop_instance, fate }, header: None, again: refusal.again }
    }
}

impl Arriving {
    /// Begins with the head of its part.
    pub(super) fn new(head: &PartHead) -> Self {
        let given = head.field("content-type").unwrap_or(DICOM);
        if MediaType::parse(given).is_ok_and(|media| media.essence() == DICOM) {
            return Self::Head(Head::default());
        }
        tracing::warn!(given, "a part of a store request is of another type");
        Self::Refused(None, Refusal::new(Status::CANNOT_UNDERSTAND, "the part is not application/dicom"))
    }

    /// Takes the next bytes.
    pub(super) async fn push(self, desk: &Desk, bytes: Bytes) -> Self {
        match self {
            Self::Head(mut head) => match head.push(&bytes) {
                Ok(None) => Self::Head(head),
                Ok(Some(meta)) if !desk.syntaxes.takes(&meta.transfer_syntax) => {
                    let text = format!("objects in {} are not taken", meta.transfer_syntax);
                    Self::Refused(Some(meta), Refusal::new(SYNTAX_NOT_SUPPORTED, text))
                }
                Ok(Some(meta)) => {
                    let intake = Intake::begin(&desk.spool, &meta.transfer_syntax);
                    Self::data(meta, Box::new(intake), head.rest()).await
                }
                Err(error) => Self::Refused(None, Refusal::new(Status::CANNOT_UNDERSTAND, error.to_string())),
            },
            Self::DataSet(meta, intake) => Self::data(meta, intake, bytes).await,
            Self::Refused(..) => self,
        }
    }

    async fn data(meta: Meta, mut intake: Box<Intake>, bytes: Bytes) -> Self {
        match intake.push(bytes).await {
            Ok(()) => Self::DataSet(meta, intake),
            Err(refusal) => Self::Refused(Some(meta), refusal),
        }
    }

    /// All has come; an object that cannot be committed has its outcome.
    pub(super) async fn end(self) -> Result<Whole, Outcome> {
        match self {
            Self::Head(_) => {
                let text = "the part ends before a data set begins";
                Err(Outcome::refused(None, &Refusal::new(Status::CANNOT_UNDERSTAND, text)))
            }
            Self::DataSet(meta, intake) => match intake.finish().await {
                Ok(taken) => Ok(Whole { meta, taken }),
                Err(refusal) => Err(Outcome::refused(Some(meta), &refusal)),
            },
            Self::Refused(meta, refusal) => {
                tracing::warn!(status = %refusal.status, text = refusal.text, "an object was refused");
                Err(Outcome::refused(meta, &refusal))
            }
        }
    }
}

impl Whole {
    /// Hands the object to the service; the outcome follows its commit.
    pub(super) async fn commit(self, desk: Arc<Desk>) -> Outcome {
        let Self { meta, taken: Taken { body, scanned } } = self;
        if let Some(outcome) = scanned.as_ref().ok().and_then(|scanned| of_class(&scanned.header)) {
            return outcome;
        }
        let judged = scanned.and_then(|scanned| of_study(desk.study.as_ref(), scanned));
        let Scanned { header, oddities, .. } = match judged {
            Ok(scanned) => scanned,
            Err(refusal) => {
                desk.put_aside(&meta, &refusal, body).await;
                return Outcome::refused(Some(meta), &refusal);
            }
        };
        let (length, origin) = (body.length, desk.origin.clone());
        let transfer_syntax = meta.transfer_syntax.clone();
        let arrival = Arrival { header: header.clone(), oddities, transfer_syntax, body, origin };
        match desk.front.service.accept(arrival).await {
            Ok(stored) => {
                tracing::debug!(instance = %header.sop_instance, length, ?stored, "stored");
                metrics::counter!("outrigger_stores_total", "outcome" => stored.name()).increment(1);
                Outcome::taken(header)
            }
            Err(refusal) => {
                let error = &refusal as &dyn std::error::Error;
                tracing::warn!(instance = %header.sop_instance, error, "the object was not accepted");
                let named = Meta {
                    sop_class: Some(header.sop_class),
                    sop_instance: Some(header.sop_instance),
                    ..meta
                };
                Outcome::refused(Some(named), &of_service(&refusal))
            }
        }
    }
}

impl Outcome {
    fn taken(header: InstanceHeader) -> Self {
        let place = header.study.clone().zip(header.series.clone());
        let place =
            place.map(|(study, series)| Resource::Instance(study, series, header.sop_instance.clone()));
        let stored = Stored {
            sop_class: Some(header.sop_class.clone()),
            sop_instance: Some(header.sop_instance.clone()),
            fate: Fate::Taken(place),
        };
        Self { stored, header: Some(header), again: Again::Never }
    }
}

/// The outcome of an object whose class is of another service than storage: DIMSE takes it as little.
fn of_class(header: &InstanceHeader) -> Option<Outcome> {
    if takes(&header.sop_class) {
        return None;
    }
    let (sop_class, sop_instance) = (Some(header.sop_class.clone()), Some(header.sop_instance.clone()));
    let status = Status::SOP_CLASS_NOT_SUPPORTED;
    tracing::warn!(%status, class = %header.sop_class, "an object of no storage class was refused");
    metrics::counter!("outrigger_stores_total", "outcome" => "refused").increment(1);
    let stored = Stored { sop_class, sop_instance, fate: Fate::Failed(status.0) };
    Some(Outcome { stored, header: None, again: Again::Never })
}

/// An object belongs to the study of the URL it is sent to (PS3.18 section 10.5.1).
fn of_study(study: Option<&StudyUid>, scanned: Scanned) -> Result<Scanned, Refusal> {
    if study.is_none() || study == scanned.header.study.as_ref() {
        return Ok(scanned);
    }
    let text = "the object is of another study than the URL it was sent to";
    Err(Refusal::new(Status::DATA_SET_MISMATCH, text).of(vec![outrigger_model::Tag::STUDY_INSTANCE_UID]))
}

impl Desk {
    /// Keeps the bytes of what is refused, where it can be said what they are.
    async fn put_aside(&self, meta: &Meta, refusal: &Refusal, body: outrigger_runtime::Body) {
        let Some(sop_class) = meta.sop_class.clone() else {
            tracing::warn!(text = refusal.text, "an object of no known SOP class was refused");
            return;
        };
        let at = WallTime(self.front.clock.wall_us());
        let (sop_instance, transfer_syntax) = (meta.sop_instance.clone(), meta.transfer_syntax.clone());
        let label = Label { at, sop_class, sop_instance, transfer_syntax };
        let (quarantine, refusals) = (&self.front.quarantine, &self.front.refusals);
        Aside { quarantine, refusals, origin: &self.origin }.put(label, refusal, body).await;
    }
}
