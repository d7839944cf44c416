//! Why the catalogue could not be opened, or not answer.

use std::io;
use std::path::PathBuf;

use crate::server::{ServerError, ServerTrouble};

/// Why the catalogue could not do what it was asked; nothing of a failed put is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// SQLite failed.
    #[error("the SQLite catalogue failed while {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// redb failed.
    #[error("the redb catalogue failed while {doing}")]
    Redb {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<redb::Error>,
    },
    /// A database server failed, or is not there; it passes.
    #[error("the catalogue failed while {doing}")]
    Server {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: ServerError,
    },
    /// A row is not as it was written.
    #[error("row {row} of table `{table}` of the catalogue cannot be read; rebuild the catalogue")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The row's number.
        row: u64,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row names another that is not there.
    #[error("row {row} of table `{table}` of the catalogue is missing; rebuild the catalogue")]
    MissingRow {
        /// The table.
        table: &'static str,
        /// The row's number.
        row: u64,
    },
}

impl CatalogueError {
    /// Whether the disk was full: nothing was kept, and it may do again when there is room.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Redb { source, .. } => {
                matches!(&**source, redb::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull)
            }
            Self::Server { source, .. } => *source.trouble() == ServerTrouble::Full,
            Self::BadRow { .. } | Self::MissingRow { .. } => false,
        }
    }

    /// What is wrong with the server it is kept on: it passes, and what was not acknowledged may be tried again.
    pub fn of_server(&self) -> Option<&ServerError> {
        match self {
            Self::Server { source, .. } => Some(source),
            Self::Sqlite { .. } | Self::Redb { .. } | Self::BadRow { .. } | Self::MissingRow { .. } => None,
        }
    }
}

impl OpenError {
    /// Whether the catalogue is damaged: opening it again will not help, making it anew will.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
            ),
            Self::Redb { source, .. } => match &**source {
                redb::Error::Corrupted(_) => true,
                redb::Error::Io(error) => {
                    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
                }
                _ => false,
            },
            Self::UnknownUrl { .. }
            | Self::Newer { .. }
            | Self::Server(_)
            | Self::BadServerUrl { .. }
            | Self::NoTls { .. }
            | Self::Thread { .. } => false,
        }
    }
}

/// Why a catalogue could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not one of the kinds there are.
    #[error(
        "`{scheme}:` names no catalogue; `sqlite:PATH`, `redb:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`, \
         `mysql://USER:PASSWORD@HOST/DATABASE` or `memory:` are expected"
    )]
    UnknownUrl {
        /// What it begins with; the rest may be secret.
        scheme: String,
    },
    /// The URL of a server cannot be read; what it says may be secret and is not repeated.
    #[error(
        "the URL of the catalogue cannot be read; `{scheme}://USER:PASSWORD@HOST:PORT/DATABASE` is expected, with `%` codes for other characters"
    )]
    BadServerUrl {
        /// What it begins with.
        scheme: &'static str,
    },
    /// The URL asks for TLS.
    #[error(
        "a catalogue reached over TLS is not in this version; leave it out of the `{scheme}` URL and use a network that others cannot listen to, or a tunnel"
    )]
    NoTls {
        /// What it begins with.
        scheme: &'static str,
    },
    /// A server did not take it.
    #[error("the catalogue on a database server could not be opened")]
    Server(#[source] ServerError),
    /// A thread could not be started.
    #[error("a thread for the catalogue's connections could not be started")]
    Thread {
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// SQLite could not open it.
    #[error("the SQLite catalogue {path} could not be opened")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// redb could not open it.
    #[error("the redb catalogue {path} could not be opened")]
    Redb {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<redb::Error>,
    },
    /// Made by a later version of this program.
    #[error(
        "the catalogue {path} has format {found}, this version knows {known}; start the version that wrote it, or a later one"
    )]
    Newer {
        /// The database or file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The latest format known here.
        known: u64,
    },
}
