//! How a command ends: exit statuses are part of the contract with scripts.

use std::process::ExitCode;

pub(crate) use outrigger_model::with_causes;

use crate::config::Mistakes;

/// A command that did its work, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// As it should be.
    Good,
    /// `demo`: a check did not hold.
    NotHeld,
    /// `status`: degraded; `balance`: owed; `check --probe`: a probe failed.
    Attention,
    /// `balance`: something stands in suspense.
    Suspense,
    /// `scrub`: something is not as it was written.
    Findings,
    /// `why`: unknown.
    Unknown,
}

impl From<Finished> for ExitCode {
    fn from(finished: Finished) -> Self {
        Self::from(match finished {
            Finished::Good => 0,
            Finished::NotHeld => 1,
            Finished::Attention => 3,
            Finished::Suspense | Finished::Findings => 4,
            Finished::Unknown => 5,
        })
    }
}

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration has mistakes.
    #[error("{0}")]
    Configuration(Mistakes),
    /// An argument makes no sense.
    #[error("{what}; {instead}")]
    Argument {
        /// What is wrong.
        what: String,
        /// What would be right.
        instead: String,
    },
    /// The node cannot be reached.
    #[error("no node answers at {url}; start it, or give the URL of its admin API with --admin")]
    Unreachable {
        /// Where.
        url: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node cannot make sense of an argument.
    #[error("{message}")]
    Nonsense {
        /// Its words.
        message: String,
    },
    /// The node answered with an error.
    #[error("{message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// Something failed.
    #[error("{what}")]
    Failed {
        /// What, on what.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Failure {
    /// Something failed, with its cause.
    pub(crate) fn of(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Configuration(_) | Self::Argument { .. } | Self::Nonsense { .. } => 2,
            Self::Unreachable { .. } => 6,
            Self::Refused { .. } | Self::Failed { .. } => 1,
        })
    }
}
