//! The catalogue on a database server: PostgreSQL or MariaDB.
//!
//! No row costs a round trip: a batch reads all it may touch, decides in memory and writes what changed, in one transaction
//! (`touched.rs`). A connection that fails is given up and made anew, after a wait that grows.

use std::sync::Arc;
use std::time::Duration;

use outrigger_model::{
    Answer, MemberNumber, Query, Selection, SeriesUid, SopInstanceUid, StudyUid, WallTime,
};
use outrigger_runtime::backoff::Backoff;
use tokio::time::Instant;

use self::error::Trouble;
use self::looking::Looking;
use self::session::{Role, Session};
use self::statement::{Cell, Sql, Statement};
use self::touched::Touched;
use self::wanted::Wanted;
use crate::feed::Noted;
use crate::inventory;
use crate::tables::View;
use crate::{
    Catalogue, CatalogueError, CatalogueInstance, Change, Conflict, Counts, Cursor, Decision, Edited,
    Inheritance, Located, OpenError, Page, Purge, PutOutcome, SeenStudy, StudyEntry, StudySummary, Withheld,
};

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
mod wanted;

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

    fn change<T>(
        &mut self,
        doing: &'static str,
        wanted: &Wanted,
        work: impl Fn(&mut Touched<'_>) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let kind = self.place.kind();
        self.with(doing, |session| {
            let mut touched = Touched::read(session, kind, wanted)?;
            let done = work(&mut touched)?;
            touched.write()?;
            Ok(done)
        })
    }

    fn look<T>(
        &mut self,
        doing: &'static str,
        look: impl Fn(&Looking<'_>) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let kind = self.place.kind();
        self.with(doing, |session| look(&Looking::new(kind, session)))
    }
}

impl Catalogue for ServerCatalogue {
    fn put(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, CatalogueError> {
        self.change("entering instances", &Wanted::by_put(instances), |touched| {
            crate::put::put(touched, instances, Noted::Changes)
        })
    }

    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, CatalogueError> {
        self.change("entering a study that was seen", &Wanted::by_inherit(seen), |touched| {
            crate::inherit::inherit(touched, member, at, seen)
        })
    }

    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, CatalogueError> {
        self.change("noting what is gone", &Wanted::by_depart(gone), |touched| {
            crate::inherit::depart(touched, member, gone)
        })
    }

    fn decide(&mut self, decision: &Decision) -> Result<(), CatalogueError> {
        self.change("applying a decision", &Wanted::by_decision(decision), |touched| {
            crate::decide::decide(touched, decision)
        })
    }

    fn decided(&mut self) -> Result<u64, CatalogueError> {
        self.look("reading which decision was the last", |view| crate::decide::last(view))
    }

    fn purge(
        &mut self,
        at: WallTime,
        step: Purge,
        instances: &[SopInstanceUid],
    ) -> Result<(), CatalogueError> {
        self.change("noting what is removed", &Wanted::by_states(instances), |touched| {
            crate::decide::purge(touched, at, step, instances)
        })
    }

    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<Withheld>, CatalogueError> {
        self.look("listing what is to go", |view| inventory::due(view, now, limit))
    }

    fn withheld(&mut self, instance: &SopInstanceUid) -> Result<Option<Withheld>, CatalogueError> {
        self.look("reading why an instance is not shown", |view| crate::decide::look(view, instance))
    }

    fn list_withheld(
        &mut self,
        study: Option<&StudyUid>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Withheld)>, CatalogueError> {
        self.look("listing what is not shown", |view| inventory::withheld(view, study, after, limit))
    }

    fn list_studies(&mut self, after: Cursor, limit: usize) -> Result<Page<StudyEntry>, CatalogueError> {
        self.look("listing studies", |view| inventory::studies(view, after, limit))
    }

    fn list_conflicts(&mut self, after: Cursor, limit: usize) -> Result<Page<Conflict>, CatalogueError> {
        self.look("listing conflicts", |view| inventory::conflicts(view, after, limit))
    }

    fn edited(
        &mut self,
        study: &StudyUid,
        series: Option<&SeriesUid>,
    ) -> Result<Option<Edited>, CatalogueError> {
        self.look("reading what was edited", |view| crate::edit::edited(view, study, series))
    }

    fn changes(&mut self, since: u64, limit: usize) -> Result<Vec<Change>, CatalogueError> {
        self.look("reading changes", |view| crate::feed::changes(view, since, limit))
    }

    fn last_change(&mut self) -> Result<u64, CatalogueError> {
        self.look("reading which change was the last", |view| crate::feed::last(view))
    }

    fn lookup(&mut self, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
        self.look("looking an instance up", |view| Ok(view.lookup_each(&[instance])?.pop().flatten()))
    }

    fn lookup_each(&mut self, instances: &[SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        let instances: Vec<_> = instances.iter().collect();
        self.look("looking instances up", |view| view.lookup_each(&instances))
    }

    fn find(&mut self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, CatalogueError> {
        self.look("answering a query", |view| crate::find::find(view, query, after, limit))
    }

    fn select(
        &mut self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, CatalogueError> {
        self.look("listing instances", |view| crate::find::select(view, selection, after, limit))
    }

    fn summary(&mut self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        self.look("reading what a study holds", |view| view.summary(study))
    }

    fn counts(&mut self) -> Result<Counts, CatalogueError> {
        self.look("counting rows", |view| view.counts())
    }

    fn check(&mut self) -> Result<Vec<String>, CatalogueError> {
        self.look("checking rows", |view| view.check())
    }

    /// A transaction that writes what is there already: one that only read would not see that the server takes no changes.
    fn reach(&mut self) -> Result<(), CatalogueError> {
        let kind = self.place.kind();
        self.with("asking whether the server is there", |session| {
            let same = Sql::new(kind, "UPDATE catalogue_numbers SET patient = patient").done();
            let asked = vec![Statement::Control("BEGIN"), same, Statement::Control("COMMIT")];
            session.run(asked).map_err(failed("asking whether the server is there")).map(drop)
        })
    }

    fn another(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        let (place, role) = (self.place.clone(), Role::Reader);
        let session = place.connect(role).map_err(failed("connecting once more"))?;
        Ok(Box::new(Self { place, role, session: Some(session), retry: Retry::default() }))
    }
}

/// Names what was being done when the server failed.
fn failed(doing: &'static str) -> impl FnOnce(ServerError) -> CatalogueError {
    move |source| CatalogueError::Server { doing, source }
}
