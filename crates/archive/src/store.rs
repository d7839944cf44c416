//! Why an object was not stored, and what that means to the sender.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_catalogue::CatalogueError;
use outrigger_front::{RefusalKind, StoreRefusal};
use outrigger_runtime::BlockError;
use outrigger_runtime::random::RandomError;
use outrigger_runtime::threads::WorkLost;

use crate::s3::S3Error;

/// Why an object was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the archive has {free} bytes left and keeps {reserve} of them; make room at {path}")]
    NoSpace { path: PathBuf, free: u64, reserve: u64 },
    #[error("the object file {path} could not be written")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the object file {path} could not be synced")]
    Sync {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the object file could not be put in its place {path}")]
    Place {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the object could not be kept")]
    Object(#[source] S3Error),
    #[error("the object {at} could not be read back to see that it is kept")]
    ReadBack {
        at: String,
        #[source]
        source: io::Error,
    },
    #[error("the object could not be read from the spool")]
    Spool(#[source] BlockError),
    #[error("what is known of the object could not be written behind it")]
    Facts(#[source] serde_json::Error),
    #[error("the object could not be entered in the catalogue")]
    Catalogue(#[source] CatalogueError),
    #[error("the archive takes no objects since {since}; restart it")]
    Stopped { since: Arc<StoreError> },
    #[error("the object file could not be named")]
    Name(#[source] RandomError),
    #[error("the object file could not be written")]
    Thread(#[source] WorkLost),
    #[error("the archive is closing")]
    Closing,
}

/// What a failure means for the objects that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Only this one failed; the next may do better.
    Passing,
    /// What the disk holds is not known any more: nothing is taken until a restart has looked.
    Lasting,
}

impl StoreError {
    /// A failed sync, and a catalogue that failed for any other reason than room, are not retried: what they wrote may be lost
    /// though a later sync succeeds.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::Sync { source, .. } if !is_shortage(source) => Severity::Lasting,
            // A server keeps nothing of what it did not acknowledge, and looks after its own disk.
            Self::Catalogue(error) if !error.is_out_of_space() && error.of_server().is_none() => {
                Severity::Lasting
            }
            Self::NoSpace { .. }
            | Self::Write { .. }
            | Self::Sync { .. }
            | Self::Place { .. }
            | Self::Object(_)
            | Self::ReadBack { .. }
            | Self::Spool(_)
            | Self::Facts(_)
            | Self::Catalogue(_)
            | Self::Stopped { .. }
            | Self::Name(_)
            | Self::Thread(_)
            | Self::Closing => Severity::Passing,
        }
    }

    fn kind(&self) -> RefusalKind {
        let shortage = match self {
            Self::NoSpace { .. } | Self::Closing | Self::Object(_) | Self::ReadBack { .. } => true,
            Self::Write { source, .. } | Self::Sync { source, .. } | Self::Place { source, .. } => {
                is_shortage(source)
            }
            Self::Catalogue(error) => error.is_out_of_space() || error.of_server().is_some(),
            Self::Facts(_) | Self::Spool(_) | Self::Stopped { .. } | Self::Name(_) | Self::Thread(_) => false,
        };
        if shortage { RefusalKind::OutOfResources } else { RefusalKind::Failed }
    }
}

/// No room, no quota, no file descriptor or no memory: it may be better soon.
fn is_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::OutOfMemory];
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// The answer to the sender.
pub(crate) fn refusal(error: Arc<StoreError>) -> StoreRefusal {
    StoreRefusal { kind: error.kind(), text: error.to_string(), source: Some(Box::new(error)) }
}
