//! The catalogue on a database server: PostgreSQL or MariaDB.
//!
//! No row costs a round trip: a batch reads all it may touch, decides in memory and writes what changed, in one transaction
//! (`touched.rs`). A connection that fails is given up and made anew, after a wait that grows.

use std::sync::Arc;
use std::time::Duration;

use outrigger_runtime::backoff::Backoff;
use tokio::time::Instant;

use self::error::Trouble;
use self::looking::Looking;
use self::session::{Role, Session};
use self::statement::{Cell, Sql, Statement};
use self::touched::Touched;
use crate::database::Database;
use crate::tables::{Tables, View};
use crate::wanted::Wanted;
use crate::{Catalogue, CatalogueError, OpenError};

mod asked;
mod decode;
mod error;
mod looking;
mod mariadb;
mod numbers;
mod postgres;
mod session;
mod statement;
mod table;
mod touched;

pub use error::{ServerError, Trouble as ServerTrouble};

/// The version of the tables; a database with a higher one is refused.
const FORMAT: u64 = 1;

/// How long connecting may take: a server on the same site answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a batch of statements may take: the largest writes for some hundred milliseconds. A sender may wait for that of another
/// and for its own connection, and is answered within 10 s.
const RUN_TIMEOUT: Duration = Duration::from_secs(4);
/// How long whoever else writes is waited for: less than for an answer, so that it is said what was waited for.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// Between two tries to connect: a server that restarts is back in a second, one that hangs costs a time-out each.
const RETRY: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
/// Spreads the waits; one archive is not many that come at once.
const JITTER: u8 = 128;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// How one is reached.
#[derive(Debug)]
enum Place {
    Postgres(postgres::Place),
    MariaDb(mariadb::Place),
}

/// A catalogue on a server.
pub(crate) struct ServerCatalogue {
    place: Arc<Place>,
    role: Role,
    session: Option<Box<dyn Session>>,
    retry: Retry,
}

/// When a connection may be tried again.
#[derive(Debug, Default)]
struct Retry {
    failures: u32,
    /// Not before then, and what was wrong.
    wait: Option<(Instant, Trouble)>,
}

impl Place {
    fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::MariaDb(_) => Kind::MariaDb,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Postgres(place) => place.name(),
            Self::MariaDb(place) => place.name(),
        }
    }

    fn connect(&self, role: Role) -> Result<Box<dyn Session>, ServerError> {
        let mut session = match self {
            Self::Postgres(place) => place.connect(role)?,
            Self::MariaDb(place) => place.connect(role)?,
        };
        if role == Role::Writer {
            self.prepare(&mut *session)?;
        }
        Ok(session)
    }

    /// Makes the tables where they are missing, and refuses those of a later version.
    fn prepare(&self, session: &mut dyn Session) -> Result<(), ServerError> {
        let kind = self.kind();
        let schema = match kind {
            Kind::Postgres => postgres::SCHEMA,
            Kind::MariaDb => mariadb::SCHEMA,
        };
        session.run(schema.iter().map(|sql| Statement::Control(sql)).collect())?;
        let found = Sql::new(kind, "SELECT MAX(version) FROM catalogue_format").done();
        match session.run(vec![found])?.concat().concat().first() {
            Some(Cell::Number(found)) if found.cast_unsigned() > FORMAT => Err(ServerError {
                server: self.name().to_owned(),
                trouble: Trouble::Newer(found.cast_unsigned(), FORMAT),
                source: None,
            }),
            Some(Cell::Number(_)) => Ok(()),
            _ => {
                let format = Sql::new(kind, "INSERT INTO catalogue_format (version) VALUES (").number(FORMAT);
                let none = "INSERT INTO catalogue_numbers VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
                let whole = vec![
                    Statement::Control("BEGIN"),
                    Statement::Control(none),
                    format.text(")").done(),
                    Statement::Control("COMMIT"),
                ];
                session.run(whole).map(drop)
            }
        }
    }
}

impl ServerCatalogue {
    /// Opens the catalogue at a URL to write to it; tables are made where they are missing.
    pub(crate) fn open(kind: Kind, url: &str) -> Result<Self, OpenError> {
        let place = match kind {
            Kind::Postgres => Place::Postgres(postgres::Place::read(url)?),
            Kind::MariaDb => Place::MariaDb(mariadb::Place::read(url)?),
        };
        let mut catalogue =
            Self { place: Arc::new(place), role: Role::Writer, session: None, retry: Retry::default() };
        catalogue.session = Some(catalogue.place.connect(Role::Writer).map_err(OpenError::Server)?);
        Ok(catalogue)
    }

    /// Works with a connection. One that was lost while nobody used it is made anew once: what was entered is found there, and
    /// entering it again changes nothing, so that the outcome of a commit need not be known.
    fn with<T>(
        &mut self,
        doing: &'static str,
        work: impl Fn(&mut dyn Session) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let was_open = self.session.is_some();
        match self.attempt(doing, &work) {
            Err(CatalogueError::Server { source, .. }) if was_open && source.trouble == Trouble::Lost => {
                self.attempt(doing, &work)
            }
            done => done,
        }
    }

    fn attempt<T>(
        &mut self,
        doing: &'static str,
        work: impl Fn(&mut dyn Session) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().map_err(failed(doing))?,
        };
        // After any failure it is let go: the server rolls back what was begun.
        let done = work(&mut *session)?;
        self.session = Some(session);
        Ok(done)
    }

    fn connect(&mut self) -> Result<Box<dyn Session>, ServerError> {
        if let Some((at, trouble)) = &self.retry.wait
            && Instant::now() < *at
        {
            let server = self.place.name().to_owned();
            return Err(ServerError { server, trouble: trouble.clone(), source: None });
        }
        match self.place.connect(self.role) {
            Ok(session) => {
                if self.retry.failures > 0 {
                    tracing::info!(server = self.place.name(), "the catalogue's server is reached again");
                }
                self.retry = Retry::default();
                Ok(session)
            }
            Err(error) => {
                self.retry.failures = self.retry.failures.saturating_add(1);
                let at = Instant::now() + RETRY.after(self.retry.failures, JITTER);
                self.retry.wait = Some((at, error.trouble.clone()));
                Err(error)
            }
        }
    }
}

impl Database for ServerCatalogue {
    fn change<T>(
        &mut self,
        doing: &'static str,
        wanted: impl Fn() -> Wanted,
        work: impl Fn(&mut dyn Tables) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let (kind, wanted) = (self.place.kind(), wanted());
        self.with(doing, |session| {
            let mut touched = Touched::read(session, kind, &wanted)?;
            let done = work(&mut touched)?;
            touched.write()?;
            Ok(done)
        })
    }

    fn look<T>(
        &mut self,
        doing: &'static str,
        look: impl Fn(&dyn View) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let kind = self.place.kind();
        self.with(doing, |session| look(&Looking::new(kind, session)))
    }

    /// A transaction that writes what is there already: one that only read would not see that the server takes no changes.
    fn is_reached(&mut self) -> Result<(), CatalogueError> {
        let kind = self.place.kind();
        self.with("asking whether the server is there", |session| {
            let same = Sql::new(kind, "UPDATE catalogue_numbers SET patient = patient").done();
            let asked = vec![Statement::Control("BEGIN"), same, Statement::Control("COMMIT")];
            session.run(asked).map_err(failed("asking whether the server is there")).map(drop)
        })
    }

    fn handle(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        let (place, role) = (self.place.clone(), Role::Reader);
        let session = place.connect(role).map_err(failed("connecting once more"))?;
        Ok(Box::new(Self { place, role, session: Some(session), retry: Retry::default() }))
    }
}

/// Names what was being done when the server failed.
fn failed(doing: &'static str) -> impl FnOnce(ServerError) -> CatalogueError {
    move |source| CatalogueError::Server { doing, source }
}
