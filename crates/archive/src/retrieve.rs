//! Listing what a retrieval takes, and opening each object.

use std::sync::Arc;

use outrigger_catalogue::{Current, Cursor, Located};
use outrigger_front::{FindRefusal, Opened, Provenance, Retrievable, StudyPatient};
use outrigger_model::{Selection, Sha256Digest, SopInstanceUid, Status, StudyUid};
use outrigger_runtime::Threads;
use outrigger_runtime::threads::WorkLost;

use crate::blob::BlobError;
use crate::blobs::{Ahead, Blobs};
use crate::find::unreadable;
use crate::reader::Reader;

/// Instances listed at once.
const PAGE: usize = 1000;
/// Instances of one retrieval, which are held in memory. The counters of its responses have 16 bits (PS3.7 table 9.3-9) and stay
/// at their end.
const INSTANCES_MAX: usize = 1 << 18;

/// Lists the instances of a selection.
pub(crate) async fn plan(reader: &Reader, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
    let selection = Arc::new(selection);
    let mut found = Vec::new();
    let mut after = Cursor::default();
    loop {
        let asked = selection.clone();
        let page = reader.ask(move |catalogue| catalogue.select(&asked, after, PAGE)).await;
        let page = page.map_err(unreadable)?;
        found.extend(page.items.into_iter().filter_map(retrievable));
        if found.len() > INSTANCES_MAX {
            return Err(FindRefusal {
                status: Status::CANNOT_COUNT_MATCHES,
                text: format!("more than {INSTANCES_MAX} instances are selected; ask for them by series"),
                source: None,
            });
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(found),
        }
    }
}

/// The patient of a study as the catalogue has it.
pub(crate) async fn patient_of(reader: &Reader, study: &StudyUid) -> Option<StudyPatient> {
    let query = StudyPatient::query(study);
    match reader.ask(move |catalogue| catalogue.find(&query, Cursor::default(), 1)).await {
        Ok(page) => page.items.first().map(StudyPatient::named),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%study, error, "the audit trail is not told whose a study is");
            None
        }
    }
}

/// An archive has no members from which it could inherit: all that it lists it keeps.
fn retrievable(located: Located) -> Option<Retrievable> {
    let Current::Kept(current) = located.current else { return None };
    Some(Retrievable {
        sop_class: located.sop_class,
        sop_instance: located.sop_instance,
        study: located.study,
        series: located.series,
        transfer_syntax: current.transfer_syntax,
        length: current.length,
        place: format!("{:08x}/{}", current.place, current.sha256),
    })
}

/// Why an object could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenBlobError {
    #[error("`{place}` is no place of this archive")]
    BadPlace { place: String },
    #[error("the object cannot be read")]
    Blob(#[source] BlobError),
    #[error(
        "under the name of this object lies the file of another, {found}; put the right one back, or send the object again"
    )]
    Another {
        found: SopInstanceUid,
        #[source]
        source: BlobError,
    },
    #[error("the object cannot be opened")]
    Thread(#[source] WorkLost),
}

/// Opens the object at a place, its end checked.
pub(crate) async fn open(
    blobs: Arc<dyn Blobs>,
    threads: Threads,
    instance: &Retrievable,
) -> Result<Opened, FindRefusal> {
    let refused = |error: OpenBlobError| {
        tracing::error!(sop_instance = %instance.sop_instance, error = &error as &dyn std::error::Error, "an object cannot be served");
        FindRefusal {
            status: Status::CANNOT_PERFORM_SUBOPERATIONS,
            text: error.to_string(),
            source: Some(Box::new(error)),
        }
    };
    let bad = || OpenBlobError::BadPlace { place: instance.place.clone() };
    let (bucket, sha256) = parse(&instance.place).ok_or_else(bad).map_err(refused)?;
    let opened = threads.blocking("blob open", move || blobs.open(bucket, &sha256, Ahead::Block));
    let blob = opened.await.map_err(OpenBlobError::Thread).map_err(refused)?;
    let bytes = Arc::new(blob.map_err(OpenBlobError::from).map_err(refused)?);
    Ok(Opened { transfer_syntax: instance.transfer_syntax.clone(), bytes, provenance: Provenance::Proven })
}

impl From<BlobError> for OpenBlobError {
    /// What a peer is told says which object lies there, and not where.
    fn from(source: BlobError) -> Self {
        match &source {
            BlobError::Another { found, .. } => Self::Another { found: found.clone(), source },
            BlobError::Read { .. }
            | BlobError::BadEnd { .. }
            | BlobError::BadFacts { .. }
            | BlobError::Otherwise { .. }
            | BlobError::Damaged { .. } => Self::Blob(source),
        }
    }
}

fn parse(place: &str) -> Option<(u64, Sha256Digest)> {
    let (bucket, sha256) = place.split_once('/')?;
    Some((u64::from_str_radix(bucket, 16).ok()?, Sha256Digest::from_hex(sha256).ok()?))
}
