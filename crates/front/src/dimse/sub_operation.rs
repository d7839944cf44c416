//! The C-STORE sub-operations of C-GET and C-MOVE: what is sent how, and how it is counted (PS3.4 section C.4.2, C.4.3).

use std::sync::Arc;

use bytes::Bytes;
use outrigger_dataset::transcode;
use outrigger_dimse::{Context, SubOperations};
use outrigger_model::{SopClassUid, SopInstanceUid, Status, StatusClass, TransferSyntaxUid};
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource, Threads};

use crate::audit::Transferred;
use crate::service::{FindRefusal, Opened, Retrievable};
use crate::versions::{Mixed, OneVersion};
use crate::whole::whole;

/// The largest object decoded for a peer, in bytes: it is held in memory twice while that is done.
const TRANSCODED_BYTES_MAX: u64 = 256 << 20;

/// The sub-operations of one request, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    remaining: usize,
    completed: usize,
    warnings: usize,
    failed: Vec<SopInstanceUid>,
    /// Instances that a member says it has and does not list: failed, without a UID.
    unlisted: usize,
    /// Instances given out, for the audit trail.
    pub(super) sent: Transferred,
}

/// How a request ended, as far as it is not told by the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Done,
    Cancelled,
}

impl Progress {
    pub(super) fn new(instances: usize, unlisted: u64) -> Self {
        let unlisted = usize::try_from(unlisted).unwrap_or(usize::MAX);
        Self { remaining: instances, unlisted, ..Self::default() }
    }

    /// Counts the answer to one sub-operation; `None` is one that was not answered or not possible.
    pub(super) fn count(&mut self, instance: &Retrievable, status: Option<Status>) {
        self.remaining = self.remaining.saturating_sub(1);
        match status.map(Status::class) {
            Some(StatusClass::Success) => self.completed += 1,
            Some(StatusClass::Warning) => self.warnings += 1,
            Some(StatusClass::Failure | StatusClass::Cancel | StatusClass::Pending) | None => {
                self.failed.push(instance.sop_instance.clone());
                return;
            }
        }
        self.sent.count(instance);
    }

    /// The counters; what 16 bits cannot hold stays at their end. Only pending and cancelled responses say what remains.
    pub(super) fn counters(&self, status: Status) -> SubOperations {
        let held = |count: usize| Some(u16::try_from(count).unwrap_or(u16::MAX));
        let says_remaining = matches!(status.class(), StatusClass::Pending | StatusClass::Cancel);
        SubOperations {
            remaining: if says_remaining { held(self.remaining) } else { None },
            completed: held(self.completed),
            failed: held(self.failed.len().saturating_add(self.unlisted)),
            warning: held(self.warnings),
        }
    }

    /// The final status (PS3.4 tables C.4-2 and C.4-3).
    pub(super) fn status(&self, finish: Finish) -> Status {
        match finish {
            Finish::Cancelled => Status::CANCEL,
            Finish::Done if self.failed.is_empty() && self.unlisted == 0 && self.warnings == 0 => {
                Status::SUCCESS
            }
            Finish::Done if self.completed == 0 && self.warnings == 0 => Status::CANNOT_PERFORM_SUBOPERATIONS,
            Finish::Done => Status::COERCED,
        }
    }

    /// What is said of the instances that have no UID here.
    pub(super) fn comment(&self) -> Option<String> {
        (self.unlisted > 0).then(|| format!("{} instances are not listed by their archive", self.unlisted))
    }

    /// The instances that were not delivered, as far as their UIDs are known.
    pub(super) fn failed(&self) -> &[SopInstanceUid] {
        &self.failed
    }
}

/// How one instance goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) context: u8,
    pub(super) transfer_syntax: TransferSyntaxUid,
}

/// The context for an instance: one for the bytes as they are kept, else the best they can be transcoded to losslessly.
pub(super) fn way(
    contexts: &[Context],
    instance: &Retrievable,
    encoding: &TransferSyntaxUid,
    length: u64,
) -> Result<Way, SubOperationError> {
    let fits = |syntax: &TransferSyntaxUid| {
        let context = contexts.iter().find(|context| {
            context.abstract_syntax == instance.sop_class
                && context.roles.scu
                && context.transfer_syntax == *syntax
        })?;
        Some(Way { context: context.id, transfer_syntax: syntax.clone() })
    };
    let found = fits(encoding).or_else(|| {
        let small = length <= TRANSCODED_BYTES_MAX;
        small.then(|| transcode::targets(encoding))?.iter().find_map(fits)
    });
    found.ok_or_else(|| SubOperationError::NoContext {
        sop_class: instance.sop_class.clone(),
        transfer_syntax: encoding.clone(),
    })
}

/// Whether it is worth while to fetch an instance for these contexts, as far as its encoding is known before.
pub(super) fn has_a_way(contexts: &[Context], instance: &Retrievable) -> Result<(), SubOperationError> {
    let is_guessed = instance.length == 0;
    let is_of_class = |context: &Context| context.abstract_syntax == instance.sop_class && context.roles.scu;
    if is_guessed && contexts.iter().any(is_of_class) {
        return Ok(());
    }
    way(contexts, instance, &instance.transfer_syntax, instance.length).map(|_| ())
}

/// Why an instance cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubOperationError {
    #[error("no presentation context fits {sop_class} in {transfer_syntax}")]
    NoContext { sop_class: SopClassUid, transfer_syntax: TransferSyntaxUid },
    #[error("the instance could not be opened")]
    Open(#[source] FindRefusal),
    #[error("the instance is withheld")]
    Mixed(#[source] Mixed),
    #[error("the instance could not be read")]
    Read(#[source] BlockError),
    #[error("the instance could not be transcoded")]
    Transcode(#[source] transcode::TranscodeError),
    #[error("the instance could not be transcoded")]
    Thread(#[source] WorkLost),
    #[error("the opening of the instance was given up")]
    Unopened,
}

/// Lets an instance pass that mixes no versions in its series.
pub(super) fn one_version(
    versions: &mut OneVersion,
    instance: &Retrievable,
    opened: Opened,
) -> Result<Opened, SubOperationError> {
    let admitted = versions.admit(instance.series.as_ref(), &opened.provenance);
    admitted.map(|()| opened).map_err(SubOperationError::Mixed)
}

/// The context and the bytes to send on it.
pub(super) async fn prepare(
    threads: Threads,
    contexts: &[Context],
    instance: &Retrievable,
    opened: Opened,
) -> Result<(u8, Arc<dyn BlockSource>), SubOperationError> {
    let Opened { transfer_syntax: from, bytes: kept, .. } = opened;
    let way = way(contexts, instance, &from, kept.length())?;
    if way.transfer_syntax == from {
        return Ok((way.context, kept));
    }
    let to = way.transfer_syntax;
    let work = move || {
        let bytes = whole(&*kept).map_err(SubOperationError::Read)?;
        transcode::transcode(bytes, &from, &to).map_err(SubOperationError::Transcode)
    };
    let transcoded = threads.blocking("transcode", work).await.map_err(SubOperationError::Thread)??;
    Ok((way.context, Arc::new(Bytes::from(transcoded))))
}

#[cfg(test)]
mod tests;
