//! What goes wrong with a database server, in kinds that both have.

use std::error::Error;

/// Why a database server did not do what it was asked; all of it passes once the server is as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{server} {trouble}")]
pub struct ServerError {
    /// Which server, without user and password.
    pub(super) server: String,
    /// What is wrong with it.
    pub(super) trouble: Trouble,
    /// The cause, where the server or the connection said one.
    #[source]
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no connection to it, or it broke.
    #[error("is not reached; it is tried again")]
    Lost,
    /// It did not answer in time.
    #[error("does not answer in time; it is tried again")]
    Hung,
    /// It takes no more connections.
    #[error("has no connection left; raise its limit, or close others")]
    Busy,
    /// Its disk is full.
    #[error("has no room on its disk; make room there")]
    Full,
    /// It takes no changes.
    #[error("is read-only; make it writable")]
    ReadOnly,
    /// It refuses the user, the password or the database's name.
    #[error("refuses the user, the password or the database; correct the URL or the server's rights")]
    Denied,
    /// Another archive writes there.
    #[error("is written to by another archive; give this one a database of its own")]
    Taken,
    /// It acknowledges before it has written.
    #[error("would lose what it acknowledged: {0}")]
    Forgetful(String),
    /// Tables of a later version.
    #[error(
        "has tables of format {0}, this version knows {1}; start the version that made them, or a later one"
    )]
    Newer(u64, u64),
    /// Its tables are not those that were made.
    #[error(
        "answers with other columns than its tables were made with; make the catalogue anew in an empty database"
    )]
    Unlike,
    /// Anything else it said.
    #[error("failed")]
    Failed,
}

impl ServerError {
    /// What is wrong with it.
    pub fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}
