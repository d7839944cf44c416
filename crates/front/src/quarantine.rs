//! Where the bytes of refused objects are kept for diagnosis: a bounded directory, the oldest dropped first.

mod file;

use std::io;
use std::path::PathBuf;

use outrigger_model::{Origin, SopClassUid, SopInstanceUid, Status, Tag, TransferSyntaxUid, WallTime};
use outrigger_runtime::disk::{ArcDisk, Listed};
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{Body, Threads};

/// A bounded directory; clones share it.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// The disk.
    pub disk: ArcDisk,
    /// An existing directory of its own.
    pub directory: PathBuf,
    /// Where blocking work runs.
    pub threads: Threads,
    /// Bytes kept in all; a larger object is not kept.
    pub bytes_max: u64,
    /// Files kept.
    pub files_max: usize,
}

/// A refused object, for the list of refusals.
#[derive(Debug, Clone)]
pub struct RefusalEvent {
    /// When.
    pub at: WallTime,
    /// Where it came from.
    pub origin: Origin,
    /// SOP Class UID of the command; where that is unreadable, of the data set, else of the presentation context.
    pub sop_class: SopClassUid,
    /// SOP Instance UID of the command; where that is unreadable, of the data set, if it has one.
    pub sop_instance: Option<SopInstanceUid>,
    /// The encoding agreed on.
    pub transfer_syntax: TransferSyntaxUid,
    /// The status it was refused with.
    pub status: Status,
    /// Why, in words.
    pub text: String,
    /// The attributes at fault.
    pub offending: Vec<Tag>,
    /// Bytes that arrived.
    pub length: u64,
    /// Where the bytes are kept, if they are.
    pub kept: Option<PathBuf>,
}

/// What a kept file is named and headed by.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) at: WallTime,
    pub(crate) sop_class: SopClassUid,
    pub(crate) sop_instance: Option<SopInstanceUid>,
    pub(crate) transfer_syntax: TransferSyntaxUid,
}

/// Why bytes could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// Larger than the whole quarantine.
    #[error("{length} bytes are more than the {limit} that the quarantine holds")]
    TooLarge { length: u64, limit: u64 },
    /// The disk failed.
    #[error("the quarantine file {path} could not be written")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The directory could not be read or thinned.
    #[error("the quarantine {path} could not be thinned out")]
    Thin {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The thread is gone.
    #[error("the quarantine could not be written")]
    Thread(#[source] WorkLost),
}

impl Quarantine {
    /// Keeps an object as a PS3.10 file and gives its path; older files make room.
    pub(crate) async fn keep(&self, label: Label, body: Body) -> Result<PathBuf, KeepError> {
        let this = self.clone();
        let work = move || this.keep_blocking(&label, &body);
        self.threads.blocking("quarantine", work).await.map_err(KeepError::Thread)?
    }

    fn keep_blocking(&self, label: &Label, body: &Body) -> Result<PathBuf, KeepError> {
        let header = file::header(label);
        let length = body.length.saturating_add(header.len() as u64);
        if length > self.bytes_max || self.files_max == 0 {
            return Err(KeepError::TooLarge { length, limit: self.bytes_max });
        }
        let thin = |source| KeepError::Thin { path: self.directory.clone(), source };
        let files = self.disk.list(&self.directory).map_err(thin)?;
        for old in excess(&files, self.bytes_max - length, self.files_max - 1) {
            match self.disk.remove(&old.path) {
                // Another association thinned it out just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome.map_err(thin)?,
            }
        }
        // Digests are equal only for equal bytes, which need no second file.
        let [a, b, c, d, ..] = body.sha256;
        let name = format!("{:020}-{a:02x}{b:02x}{c:02x}{d:02x}.dcm", label.at.0.max(0));
        let path = self.directory.join(name);
        file::write(&*self.disk, &path, &header, body)
            .map_err(|source| KeepError::Write { path: path.clone(), source })?;
        Ok(path)
    }
}

/// The oldest files, by name, that must go so that at most `bytes` and `count` stay.
fn excess(files: &[Listed], bytes: u64, count: usize) -> Vec<&Listed> {
    let mut held: u64 = files.iter().map(|file| file.length).sum();
    let mut left = files.len();
    let mut gone = Vec::new();
    for file in files {
        if held <= bytes && left <= count {
            break;
        }
        held = held.saturating_sub(file.length);
        left -= 1;
        gone.push(file);
    }
    gone
}

#[cfg(test)]
mod tests;
