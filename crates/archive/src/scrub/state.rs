//! How far a scrub is, written down.

use std::io;
use std::path::PathBuf;

use outrigger_model::WallTime;
use outrigger_runtime::disk::{read_small, replace};
use outrigger_runtime::threads::WorkLost;
use serde::{Deserialize, Serialize};

use super::Position;
use crate::archive::Archive;
use crate::findings::Finding;

/// Ten thousand findings of half a kilobyte, and then some.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// Where a scrub goes on after a restart, and what stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) next: Position,
    pub(crate) began_at: Option<WallTime>,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) findings: Vec<Finding>,
}

/// Why it could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("{path} could not be written")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("it could not be put into words")]
    Words(#[source] serde_json::Error),
    #[error("the thread that writes it is gone")]
    Thread(#[source] WorkLost),
}

/// What was written down; a scrub begins anew where that cannot be read.
pub(crate) async fn read(archive: &Archive) -> State {
    let (disk, path) = (archive.spool.disk.clone(), archive.scrub_file.clone());
    let shown = path.display().to_string();
    let read =
        archive.threads.blocking("state of the scrub", move || read_small(&*disk, &path, STATE_BYTES_MAX));
    let bytes = match read.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return State::default(),
        Ok(Err(error)) => {
            tracing::warn!(path = shown, %error, "how far the scrub was cannot be read; it begins anew");
            return State::default();
        }
        Err(error) => {
            tracing::warn!(path = shown, %error, "how far the scrub was cannot be read; it begins anew");
            return State::default();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = shown, %error, "how far the scrub was cannot be read; it begins anew");
        State::default()
    })
}

/// Writes it down; after a crash either the old or the new stands.
pub(crate) async fn write(archive: &Archive, state: &State) -> Result<(), StateError> {
    let bytes = serde_json::to_vec(state).map_err(StateError::Words)?;
    let (disk, path) = (archive.spool.disk.clone(), archive.scrub_file.clone());
    let written = archive.threads.blocking("state of the scrub", move || {
        replace(&*disk, &path, &bytes).map_err(|source| StateError::Write { path, source })
    });
    written.await.map_err(StateError::Thread)?
}
