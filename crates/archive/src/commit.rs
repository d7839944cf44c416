//! Storage commitment (PS3.4 Annex J): what the catalogue holds and whose file can be opened is on stable storage already, as
//! nothing is acknowledged before. So a request is decided when it comes.

use outrigger_catalogue::Located;
use outrigger_front::{CommitRefusal, CommitRequest, CommitResult, Committing};
use outrigger_model::{SopClassUid, SopInstanceUid, Status};

use crate::archive::Archive;
use crate::blobs::{Ahead, Blobs};

/// Instances of one request at most, each an object file to be opened before it is answered: some seconds of an idle disk.
const INSTANCES_MAX: usize = 10_000;
/// Resource limitation (PS3.7 section C.5.13).
const RESOURCE_LIMITATION: Status = Status(0x0213);

/// Failure Reasons (PS3.3 section C.14.1.1): processing failure, no such object instance, class / instance conflict.
const UNREADABLE: u16 = 0x0110;
const NO_SUCH_INSTANCE: u16 = 0x0112;
const CLASS_CONFLICT: u16 = 0x0119;

type Pair = (SopClassUid, SopInstanceUid);

/// Decides a request.
pub(crate) async fn commit(archive: &Archive, request: CommitRequest) -> Result<Committing, CommitRefusal> {
    let CommitRequest { transaction, requestor, called, mut instances, places: named } = request;
    if instances.len() > INSTANCES_MAX {
        let text = format!("at most {INSTANCES_MAX} instances are taken in one request");
        return Err(CommitRefusal { status: RESOURCE_LIMITATION, text, source: None });
    }
    if let Some(since) = archive.stopped.get() {
        let text = "what the disk holds is not known before a restart".to_owned();
        let source = Some(since.clone().into());
        return Err(CommitRefusal { status: Status::PROCESSING_FAILURE, text, source });
    }
    instances.sort_unstable();
    instances.dedup();
    let located = archive
        .reader
        .ask(move |catalogue| {
            let named: Vec<_> = instances.iter().map(|pair| pair.1.clone()).collect();
            Ok(catalogue.lookup_each(&named)?.into_iter().zip(instances).collect::<Vec<_>>())
        })
        .await
        .map_err(|error| failed("the catalogue could not be read", error))?;
    let blobs = archive.blobs.clone();
    let decided = archive.threads.blocking("blobs of a commitment", move || {
        let mut result = CommitResult {
            transaction,
            requestor,
            called,
            committed: Vec::new(),
            failed: Vec::new(),
            places: named,
        };
        for (located, pair) in located {
            match lacking(&*blobs, located.as_ref(), &pair) {
                None => result.committed.push(pair),
                Some(reason) => result.failed.push((pair, reason)),
            }
        }
        result
    });
    let result = decided.await.map_err(|error| failed("the objects could not be looked at", error))?;
    Ok(Committing::Decided(result))
}

fn failed(text: &str, source: impl std::error::Error + Send + Sync + 'static) -> CommitRefusal {
    let text = text.to_owned();
    CommitRefusal { status: Status::PROCESSING_FAILURE, text, source: Some(Box::new(source)) }
}

/// Why an instance is not committed; `None` if it is: every version of it can be opened, its end as it was written.
fn lacking(blobs: &dyn Blobs, located: Option<&Located>, (sop_class, sop_instance): &Pair) -> Option<u16> {
    let Some(located) = located else { return Some(NO_SUCH_INSTANCE) };
    if located.sop_class != *sop_class {
        return Some(CLASS_CONFLICT);
    }
    let mut versions = located.versions().peekable();
    if versions.peek().is_none() {
        return Some(NO_SUCH_INSTANCE);
    }
    for version in versions {
        if let Err(error) = blobs.open(version.place, &version.sha256, Ahead::End) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%sop_instance, error, "an object cannot be committed to");
            return Some(UNREADABLE);
        }
    }
    None
}
