//! PostgreSQL, through tokio-postgres: it sends statements that need no answer of each other in one go, so that a batch costs two
//! round trips, where sqlx waits for each. Its runtime is one of our own, as our callers block and may stand within another.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::future::join_all;
use outrigger_runtime::{Aside, AsideError};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls};

use super::error::{ServerError, Trouble};
use super::session::{Role, Session};
use super::statement::{Cell, Row, Statement, Value};
use super::{CONNECT_TIMEOUT, LOCK_WAIT, RUN_TIMEOUT};
use crate::OpenError;

/// Statements sent before the first answer is read: all of any batch; the answers wait in memory.
const AT_ONCE_MAX: usize = 16;

/// The advisory lock of the one that writes: the letters `catalog1`, in every database another lock.
const WRITER_LOCK: i64 = i64::from_be_bytes(*b"catalog1");

/// How a server is reached.
#[derive(Debug)]
pub(super) struct Place {
    config: Box<Config>,
    aside: Arc<Aside>,
    name: String,
}

/// An open connection.
struct Connection {
    client: Arc<Client>,
    aside: Arc<Aside>,
    prepared: HashMap<String, tokio_postgres::Statement>,
    name: String,
}

impl Place {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub(super) fn read(url: &str) -> Result<Self, OpenError> {
        // The parser's own words could repeat what is secret.
        let mut config = Config::from_str(url).map_err(|_| OpenError::BadServerUrl { scheme: "postgres" })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(OpenError::NoTls { scheme: "postgres" });
        }
        config.ssl_mode(SslMode::Disable);
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(RUN_TIMEOUT);
        config.application_name("outrigger");
        let aside = Aside::start("catalogue-postgres").map_err(|source| OpenError::Thread { source })?;
        let name = name(&config);
        Ok(Self { config: Box::new(config), aside: Arc::new(aside), name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects; who writes takes the lock of the one that does.
    pub(super) fn connect(&self, role: Role) -> Result<Box<dyn Session>, ServerError> {
        let (config, aside) = (self.config.clone(), self.aside.clone());
        let connected = self.aside.run(CONNECT_TIMEOUT, async move { config.connect(NoTls).await });
        let (client, connection) = connected
            .map_err(|error| given_up(&self.name, error))?
            .map_err(|error| failed(&self.name, error))?;
        aside.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the catalogue's server ended");
            }
        });
        let mut connection =
            Connection { client: Arc::new(client), aside, prepared: HashMap::new(), name: self.name.clone() };
        connection.settle(role)?;
        Ok(Box::new(connection))
    }
}

/// Where it is, without who asks and the password.
fn name(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => format!("PostgreSQL at {host}:{port}, database `{database}`,"),
        Some(Host::Unix(path)) => format!("PostgreSQL at {}, database `{database}`,", path.display()),
        None => format!("PostgreSQL, database `{database}`,"),
    }
}

impl Connection {
    /// Settings, whether what is committed stays, and the lock.
    fn settle(&mut self, role: Role) -> Result<(), ServerError> {
        let mut statements = vec![
            // Whatever the role or the database says: a commit is answered when it is on disk here, as the default is.
            set("synchronous_commit", "on", "setting = 'off'"),
            set("lock_timeout", &LOCK_WAIT.as_millis().to_string(), "true"),
            // A statement whose asker has given up ends, where the server can tell.
            set("client_connection_check_interval", "1000", "true"),
            // The values of each search say best which index serves it.
            set("plan_cache_mode", "force_custom_plan", "true"),
        ];
        if role == Role::Writer {
            statements.push(Statement::Prepared {
                sql: "SELECT pg_advisory_lock($1)".to_owned(),
                values: vec![Value::One(Cell::Number(WRITER_LOCK))],
            });
            let forgetful = "SELECT name || ' is ' || setting FROM pg_settings \
                 WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on' ORDER BY name";
            statements.push(Statement::Prepared { sql: forgetful.to_owned(), values: Vec::new() });
        }
        let answers = self.run(statements).map_err(taken)?;
        let Some([Cell::Bytes(found)]) =
            answers.last().filter(|_| role == Role::Writer).and_then(|rows| rows.first()).map(Vec::as_slice)
        else {
            return Ok(());
        };
        let what = format!("{}; turn it on", String::from_utf8_lossy(found));
        Err(ServerError { server: self.name.clone(), trouble: Trouble::Forgetful(what), source: None })
    }
}

/// Sets a setting for the session where the server has it and a condition holds.
fn set(setting: &str, to: &str, condition: &str) -> Statement {
    let sql = format!(
        "SELECT set_config(name, '{to}', false) FROM pg_settings WHERE name = '{setting}' AND {condition}"
    );
    Statement::Prepared { sql, values: Vec::new() }
}

/// While connecting nothing but the lock is waited for.
fn taken(error: ServerError) -> ServerError {
    let cause = error.source.as_ref().and_then(|source| source.downcast_ref::<tokio_postgres::Error>());
    if cause.and_then(tokio_postgres::Error::code) == Some(&SqlState::LOCK_NOT_AVAILABLE) {
        return ServerError { trouble: Trouble::Taken, ..error };
    }
    error
}

impl Session for Connection {
    fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ServerError> {
        let (client, mut prepared) = (self.client.clone(), std::mem::take(&mut self.prepared));
        let done = self.aside.run(RUN_TIMEOUT, async move {
            let answers = run(&client, &mut prepared, statements).await;
            (answers, prepared)
        });
        let (answers, prepared) = done.map_err(|error| given_up(&self.name, error))?;
        self.prepared = prepared;
        answers.map_err(|error| failed(&self.name, error))
    }
}

async fn run(
    client: &Client,
    prepared: &mut HashMap<String, tokio_postgres::Statement>,
    mut statements: Vec<Statement>,
) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    let mut answers = Vec::with_capacity(statements.len());
    while !statements.is_empty() {
        let later = statements.split_off(AT_ONCE_MAX.min(statements.len()));
        let now = std::mem::replace(&mut statements, later);
        for statement in &now {
            if let Statement::Prepared { sql, .. } = statement
                && !prepared.contains_key(sql)
            {
                prepared.insert(sql.clone(), client.prepare(sql).await?);
            }
        }
        // They are polled in this order, and each is sent when it is first polled.
        for answer in join_all(now.into_iter().map(|statement| run_one(client, prepared, statement))).await {
            answers.push(answer?);
        }
    }
    Ok(answers)
}

async fn run_one(
    client: &Client,
    prepared: &HashMap<String, tokio_postgres::Statement>,
    statement: Statement,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let (sql, values) = match statement {
        Statement::Control(sql) => {
            client.batch_execute(sql).await?;
            return Ok(Vec::new());
        }
        Statement::Prepared { sql, values } => (sql, values),
    };
    let values: Vec<Box<dyn ToSql + Sync + Send>> = values.into_iter().map(parameter).collect();
    let places: Vec<&(dyn ToSql + Sync)> =
        values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    let rows = match prepared.get(&sql) {
        Some(statement) => client.query(statement, &places).await?,
        None => client.query(&sql, &places).await?,
    };
    rows.iter().map(row).collect()
}

fn parameter(value: Value) -> Box<dyn ToSql + Sync + Send> {
    match value {
        Value::One(Cell::Null) => Box::new(None::<i64>),
        Value::One(Cell::Number(number)) => Box::new(number),
        Value::One(Cell::Bytes(bytes)) => Box::new(bytes),
        Value::Numbers(numbers) => Box::new(numbers),
        Value::BytesEach(bytes) => Box::new(bytes),
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let cell = |(at, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map_or(Cell::Null, Cell::Number),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Cell::Null, Cell::Bytes),
            Type::VOID => Cell::Null,
            _ => row
                .try_get::<_, Option<String>>(at)?
                .map_or(Cell::Null, |text| Cell::Bytes(text.into_bytes())),
        })
    };
    row.columns().iter().enumerate().map(cell).collect()
}

fn given_up(server: &str, error: AsideError) -> ServerError {
    let trouble = match error {
        AsideError::TimedOut(_) => Trouble::Hung,
        AsideError::Lost => Trouble::Lost,
    };
    ServerError { server: server.to_owned(), trouble, source: Some(Box::new(error)) }
}

fn failed(server: &str, error: tokio_postgres::Error) -> ServerError {
    ServerError { server: server.to_owned(), trouble: trouble(&error), source: Some(Box::new(error)) }
}

fn trouble(error: &tokio_postgres::Error) -> Trouble {
    let Some(code) = error.code() else { return Trouble::Lost };
    let lost = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    let denied = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    match code {
        code if lost.contains(code) => Trouble::Lost,
        code if denied.contains(code) => Trouble::Denied,
        code if *code == SqlState::TOO_MANY_CONNECTIONS => Trouble::Busy,
        code if *code == SqlState::DISK_FULL => Trouble::Full,
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::ReadOnly,
        _ => Trouble::Failed,
    }
}

/// The tables; `date`, `accession`, `patient_id` and `name` are cut to what an index holds.
pub(super) const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS catalogue_format (version INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS catalogue_numbers (\
        patient INT8 NOT NULL, study INT8 NOT NULL, series INT8 NOT NULL, instance INT8 NOT NULL, version INT8 NOT NULL, \
        patients INT8 NOT NULL, studies INT8 NOT NULL, all_series INT8 NOT NULL, instances INT8 NOT NULL, \
        versions INT8 NOT NULL) WITH (fillfactor = 10)",
    "CREATE TABLE IF NOT EXISTS catalogue_patient (id INT8 PRIMARY KEY, patient_id BYTEA NOT NULL, \
        sole_study BYTEA NOT NULL, content BYTEA NOT NULL)",
    "CREATE INDEX IF NOT EXISTS catalogue_patient_by_id ON catalogue_patient (patient_id, sole_study)",
    // Rows that grow with each instance are rewritten beside themselves, without touching an index.
    "CREATE TABLE IF NOT EXISTS catalogue_study (id INT8 PRIMARY KEY, uid BYTEA NOT NULL UNIQUE, \
        patient INT8 NOT NULL, date BYTEA, accession BYTEA, content BYTEA NOT NULL) WITH (fillfactor = 70)",
    "CREATE INDEX IF NOT EXISTS catalogue_study_by_patient ON catalogue_study (patient)",
    "CREATE INDEX IF NOT EXISTS catalogue_study_by_date ON catalogue_study (date)",
    "CREATE INDEX IF NOT EXISTS catalogue_study_by_accession ON catalogue_study (accession)",
    "CREATE TABLE IF NOT EXISTS catalogue_person_name (name BYTEA NOT NULL, study INT8 NOT NULL, \
        PRIMARY KEY (name, study))",
    "CREATE TABLE IF NOT EXISTS catalogue_series (id INT8 PRIMARY KEY, uid BYTEA NOT NULL, study INT8 NOT NULL, \
        content BYTEA NOT NULL, UNIQUE (uid, study)) WITH (fillfactor = 70)",
    "CREATE INDEX IF NOT EXISTS catalogue_series_by_study ON catalogue_series (study)",
    "CREATE TABLE IF NOT EXISTS catalogue_instance (id INT8 PRIMARY KEY, uid BYTEA NOT NULL UNIQUE, series INT8, \
        content BYTEA NOT NULL)",
    "CREATE INDEX IF NOT EXISTS catalogue_instance_by_series ON catalogue_instance (series)",
    "CREATE TABLE IF NOT EXISTS catalogue_version (id INT8 PRIMARY KEY, instance INT8 NOT NULL, \
        content BYTEA NOT NULL)",
    "CREATE INDEX IF NOT EXISTS catalogue_version_by_instance ON catalogue_version (instance)",
    "CREATE TABLE IF NOT EXISTS catalogue_record (kind INT8 NOT NULL, name BYTEA NOT NULL, \
        content BYTEA NOT NULL, PRIMARY KEY (kind, name))",
];
