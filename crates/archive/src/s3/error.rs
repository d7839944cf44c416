//! Why a call to the object store failed.

/// What is asked of an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// To be called as it is configured.
    SetUp,
    /// To take an object, or one of its parts.
    Take,
    /// To give an object, or to say whether it is there.
    Give,
    /// To list objects.
    List,
    /// To remove an object, or parts that are not wanted.
    Remove,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SetUp => "be called for",
            Self::Take => "take",
            Self::Give => "give",
            Self::List => "list",
            Self::Remove => "remove",
        })
    }
}

/// Why a call to the object store failed, its tries included.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// It was refused, or not answered in time.
    #[error("the object store could not {call} {at}")]
    Failed {
        /// What was asked of it.
        call: Call,
        /// On what.
        at: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// What it keeps is not what it was given.
    #[error("the object store acknowledged {at} and does not keep what it was given: {what}")]
    NotKept {
        /// The object.
        at: String,
        /// What it keeps.
        what: String,
    },
    /// The process ends.
    #[error("the call for {at} was given up, as the archive is closing")]
    Closing {
        /// The object.
        at: String,
    },
}

impl S3Error {
    pub(super) fn new(call: Call, at: &str, source: object_store::Error) -> Self {
        Self::Failed { call, at: at.to_owned(), source }
    }

    /// Whether the store answered that there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Failed { source: object_store::Error::NotFound { .. }, .. })
    }
}
