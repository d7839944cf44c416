//! Why a peer could not be used.

use std::io;
use std::path::PathBuf;

/// What went wrong with a real peer; none of it is a fault of the program under test by itself.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The program could not be started.
    #[error("cannot start `{program}`; scripts/peers installs it")]
    Spawn {
        /// The program as it was called.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("`{program}` ended before it was ready, with {status}; its log ends: {log}")]
    Ended {
        /// The program as it was called.
        program: String,
        /// How it ended.
        status: String,
        /// The last lines of its output.
        log: String,
    },
    /// It did not answer in time.
    #[error("`{program}` is not ready after {seconds} s; its log ends: {log}")]
    NotReady {
        /// The program as it was called.
        program: String,
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of its output.
        log: String,
    },
    /// A tool ran longer than it may.
    #[error("`{program}` still runs after {seconds} s and was ended")]
    TooSlow {
        /// The program as it was called.
        program: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A tool that has to succeed did not.
    #[error("`{program}` failed with {said}")]
    Failed {
        /// The program as it was called.
        program: String,
        /// Its exit status and output.
        said: String,
    },
    /// A file or directory of the peer.
    #[error("cannot use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No port, signal or wait could be had from the system.
    #[error("the system refuses to {what}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// An HTTP request to the peer failed.
    #[error("the peer does not answer {url}")]
    Http {
        /// What was asked for.
        url: String,
        /// Why it failed.
        #[source]
        source: Box<ureq::Error>,
    },
    /// An answer was not what the peer's documentation says.
    #[error("the peer answers {url} with something else than {expected}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The variable that says where an installed part is.
    #[error("the variable {name} is not set; run `eval \"$(scripts/peers)\"`")]
    NotConfigured {
        /// The name of the variable.
        name: &'static str,
    },
}

impl PeerError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
