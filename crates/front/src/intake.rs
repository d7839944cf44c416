//! Taking an object in, whatever it comes over: bytes stream to the spool and past the scanner at once.

use bytes::Bytes;
use outrigger_dataset::scan::{ScanError, Scanned, Scanner};
use outrigger_model::{Origin, SeriesUid, SopInstanceUid, Status, StudyUid, Tag, TransferSyntaxUid};
use outrigger_runtime::spool::{BodyWriter, SpoolError};
use outrigger_runtime::{Body, Spool};

use crate::outbox::Outbox;
use crate::quarantine::{Label, Quarantine, RefusalEvent};
use crate::service::{RefusalKind, StoreRefusal};

/// Why an object is refused, for the peer and for the list of refusals: no paths and nothing of our inside, which the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) text: String,
    pub(crate) offending: Vec<Tag>,
    pub(crate) again: Again,
}

/// Whether the same object may be taken another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Later,
    Never,
}

impl Refusal {
    pub(crate) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), offending: Vec::new(), again: Again::Never }
    }

    /// The attributes at fault.
    pub(crate) fn of(self, offending: Vec<Tag>) -> Self {
        Self { offending, ..self }
    }

    fn later(self) -> Self {
        Self { again: Again::Later, ..self }
    }
}

/// An object on its way in.
pub(crate) struct Intake {
    writer: BodyWriter,
    scanner: Scanner,
}

/// An object that has arrived whole.
pub(crate) struct Taken {
    /// Its bytes.
    pub(crate) body: Body,
    /// What was seen in them, or why they cannot be taken.
    pub(crate) scanned: Result<Scanned, Refusal>,
}

impl Intake {
    /// Begins to take in a data set of a transfer syntax.
    pub(crate) fn begin(spool: &Spool, transfer_syntax: &TransferSyntaxUid) -> Self {
        Self { writer: spool.begin(), scanner: Scanner::new(transfer_syntax) }
    }

    /// Takes the next bytes; after a refusal nothing more may be pushed.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        self.scanner.push(&bytes);
        self.writer.push(bytes).await.map_err(|error| not_taken(&error))
    }

    /// The whole object.
    pub(crate) async fn finish(self) -> Result<Taken, Refusal> {
        let scanned = self.scanner.finish().map_err(|error| of_scan(&error)).and_then(addressable);
        let body = self.writer.finish().await.map_err(|error| not_taken(&error))?;
        metrics::counter!("outrigger_received_bytes_total").increment(body.length);
        Ok(Taken { body, scanned })
    }
}

fn not_taken(error: &SpoolError) -> Refusal {
    tracing::warn!(error = error as &dyn std::error::Error, "an object could not be taken in");
    of_spool(error)
}

/// Where refused objects go.
pub(crate) struct Aside<'a> {
    pub(crate) quarantine: &'a Quarantine,
    pub(crate) refusals: &'a Outbox<RefusalEvent>,
    pub(crate) origin: &'a Origin,
}

impl Aside<'_> {
    /// Lists an object that contradicts itself or cannot be understood, and keeps its bytes for diagnosis.
    pub(crate) async fn put(&self, label: Label, refusal: &Refusal, body: Body) {
        let length = body.length;
        let (status, text) = (refusal.status, refusal.text.clone());
        let Label { at, sop_class, sop_instance, transfer_syntax } = label.clone();
        tracing::warn!(instance = sop_instance.as_ref().map(SopInstanceUid::as_str), %status, text, length, "an object was refused");
        let kept = match self.quarantine.keep(label, body).await {
            Ok(path) => Some(path),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a refused object is not kept");
                None
            }
        };
        let event = RefusalEvent {
            at,
            origin: self.origin.clone(),
            sop_class,
            sop_instance,
            transfer_syntax,
            status,
            text,
            offending: refusal.offending.clone(),
            length,
            kept,
        };
        self.refusals.put(event).await;
    }
}

/// The service's refusal: its own words are for the log.
pub(crate) fn of_service(refusal: &StoreRefusal) -> Refusal {
    let (status, text) = match refusal.kind {
        RefusalKind::OutOfResources => {
            (Status::OUT_OF_RESOURCES, "no room for the object now; try again later")
        }
        RefusalKind::NotAuthorized => {
            (Status::NOT_AUTHORIZED, "this object may not be stored by this AE title")
        }
        RefusalKind::Rejected => {
            (Status::NOT_AUTHORIZED, "this object was rejected before and is not taken again")
        }
        RefusalKind::ClassNotSupported => {
            (Status::SOP_CLASS_NOT_SUPPORTED, "objects of this SOP class are not taken")
        }
        RefusalKind::Failed => {
            (Status::PROCESSING_FAILURE, "the object could not be stored; try again later")
        }
    };
    let is_passing = matches!(refusal.kind, RefusalKind::OutOfResources | RefusalKind::Failed);
    let refusal = Refusal::new(status, text);
    if is_passing { refusal.later() } else { refusal }
}

/// An object that could not be taken in: the sender may try again when there is room.
pub(crate) fn of_spool(error: &SpoolError) -> Refusal {
    let refused = |text: String| Refusal::new(Status::OUT_OF_RESOURCES, text);
    match error {
        SpoolError::TooLarge { limit } => {
            refused(format!("the object is larger than the {limit} bytes taken here"))
        }
        SpoolError::Write { .. } | SpoolError::Name(_) | SpoolError::Thread(_) | SpoolError::Digest(_) => {
            refused("the object could not be taken in; try again later".to_owned()).later()
        }
    }
}

/// Bytes that cannot be understood, or that lack what identifies an object.
fn of_scan(error: &ScanError) -> Refusal {
    let offending = match error {
        ScanError::MissingUid { tag } | ScanError::BadUid { tag, .. } => vec![*tag],
        ScanError::Truncated { .. }
        | ScanError::Unfinished { .. }
        | ScanError::BadLength { .. }
        | ScanError::Misplaced { .. }
        | ScanError::Inflate(_) => Vec::new(),
    };
    Refusal::new(error.refusal(), error.to_string()).of(offending)
}

/// An object that could be asked for by nobody afterwards is not taken: a path, a list or a wildcard would be read instead of
/// its UID, here and at members. Other UIDs that break the rules are identities as they are (PS3.5 section 9.1).
fn addressable(scanned: Scanned) -> Result<Scanned, Refusal> {
    let header = &scanned.header;
    let is_good = [
        (Tag::SOP_INSTANCE_UID, header.sop_instance.is_addressable()),
        (Tag::STUDY_INSTANCE_UID, header.study.as_ref().is_none_or(StudyUid::is_addressable)),
        (Tag::SERIES_INSTANCE_UID, header.series.as_ref().is_none_or(SeriesUid::is_addressable)),
    ];
    let offending: Vec<Tag> = is_good.iter().filter(|(_, is_good)| !is_good).map(|(tag, _)| *tag).collect();
    let Some(first) = offending.first() else { return Ok(scanned) };
    let text = format!("{first} is no UID that could be asked for");
    Err(Refusal::new(Status::DATA_SET_MISMATCH, text).of(offending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_failure_of_its_own_class() {
        for (kind, status) in [
            (RefusalKind::OutOfResources, 0xA700),
            (RefusalKind::NotAuthorized, 0x0124),
            (RefusalKind::ClassNotSupported, 0x0122),
            (RefusalKind::Rejected, 0x0124),
            (RefusalKind::Failed, 0x0110),
        ] {
            let refusal = of_service(&StoreRefusal { kind, text: "/var/lib/why".into(), source: None });
            assert_eq!(refusal.status, Status(status));
            assert!(!refusal.text.contains("why"), "{}", refusal.text);
        }
    }
}
