//! A database server of either kind, where a test runs over both.

use super::{Mariadb, PeerError, Postgresql};

/// The password of the user `archive`; it has what must be escaped in a URL.
pub const PASSWORD: &str = "p@ss/w0rd:secret";

/// A running database server with a user `archive`, who may do everything in the databases whose names begin so.
#[derive(Debug)]
pub enum DatabaseServer {
    /// PostgreSQL.
    Postgres(Postgresql),
    /// MariaDB.
    MariaDb(Mariadb),
}

impl DatabaseServer {
    /// Starts PostgreSQL with further settings, each `NAME=VALUE`.
    pub async fn postgres(settings: &[&str]) -> Result<Self, PeerError> {
        Ok(Self::Postgres(Postgresql::guarded(settings).await?))
    }

    /// Starts MariaDB with further settings, each `NAME=VALUE`.
    pub async fn mariadb(settings: &[&str]) -> Result<Self, PeerError> {
        Ok(Self::MariaDb(Mariadb::start(settings).await?))
    }

    /// Makes a database whose name begins with `archive`, in words of its own kind (such as `ENCODING` or `CHARACTER SET`).
    pub async fn make(&self, database: &str, words: &str) -> Result<(), PeerError> {
        match self {
            Self::Postgres(server) => {
                let make = format!("CREATE DATABASE {database} OWNER archive TEMPLATE template0 {words}");
                server.run("postgres", &make).await?;
            }
            Self::MariaDb(server) => {
                server.run("mysql", &format!("CREATE DATABASE {database} {words}")).await?;
            }
        }
        Ok(())
    }

    /// The URL of one of its databases, with the password.
    pub fn url(&self, database: &str) -> String {
        self.url_with(&escaped(PASSWORD), database)
    }

    /// The URL of one of its databases, with something in the place of the password.
    pub fn url_with(&self, password: &str, database: &str) -> String {
        let (scheme, port) = match self {
            Self::Postgres(server) => ("postgres", server.port()),
            Self::MariaDb(server) => ("mysql", server.port()),
        };
        format!("{scheme}://archive:{password}@127.0.0.1:{port}/{database}")
    }

    /// Runs SQL in one of its databases as its master, and gives what it says.
    pub async fn run(&self, database: &str, sql: &str) -> Result<String, PeerError> {
        match self {
            Self::Postgres(server) => server.run(database, sql).await,
            Self::MariaDb(server) => server.run(database, sql).await,
        }
    }

    /// Kills it and everything it has started, as kill -9 does.
    pub fn kill(&mut self) -> Result<(), PeerError> {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::MariaDb(server) => server.kill(),
        }
    }

    /// Starts it again on what a kill has left.
    pub async fn restart(&mut self) -> Result<(), PeerError> {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::MariaDb(server) => server.restart().await,
        }
    }

    /// Hangs all of it.
    pub fn pause(&self) -> Result<(), PeerError> {
        match self {
            Self::Postgres(server) => server.pause(),
            Self::MariaDb(server) => server.pause(),
        }
    }

    /// Lets all of it go on after a pause.
    pub fn resume(&self) -> Result<(), PeerError> {
        match self {
            Self::Postgres(server) => server.resume(),
            Self::MariaDb(server) => server.resume(),
        }
    }
}

/// A text as the user or password of a URL.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
