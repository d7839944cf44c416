//! MariaDB, through the blocking client `mysql`: it needs no runtime. Its protocol takes one statement after the other anyhow.

use std::error::Error;
use std::io;

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Opts, OptsBuilder, Params};

use super::error::{ServerError, Trouble};
use super::session::{Role, Session};
use super::statement::{Cell, Row, Statement, Value};
use super::{CONNECT_TIMEOUT, LOCK_WAIT, RUN_TIMEOUT};
use crate::OpenError;

/// Statements kept prepared in a connection: those of this module, each for some sizes of its lists.
const STATEMENTS_MAX: usize = 256;

/// How a server is reached.
#[derive(Debug)]
pub(super) struct Place {
    opts: Opts,
    name: String,
}

/// An open connection.
struct Connection {
    conn: Conn,
    name: String,
}

impl Place {
    /// Reads `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub(super) fn read(url: &str) -> Result<Self, OpenError> {
        let (_, asked) = url.rsplit_once('?').unwrap_or_default();
        if ["ssl", "tls"].iter().any(|word| asked.to_ascii_lowercase().contains(word)) {
            return Err(OpenError::NoTls { scheme: "mysql" });
        }
        // The parser's own words could repeat what is secret.
        let opts = Opts::from_url(url).map_err(|_| OpenError::BadServerUrl { scheme: "mysql" })?;
        let Some(database) = opts.get_db_name().filter(|name| !name.is_empty()) else {
            return Err(OpenError::BadServerUrl { scheme: "mysql" });
        };
        let place = opts
            .get_socket()
            .map_or_else(|| format!("{}:{}", opts.get_ip_or_hostname(), opts.get_tcp_port()), str::to_owned);
        let name = format!("MariaDB at {place}, database `{database}`,");
        let opts = OptsBuilder::from_opts(opts)
            .prefer_socket(false)
            .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
            .read_timeout(Some(RUN_TIMEOUT))
            .write_timeout(Some(RUN_TIMEOUT))
            .stmt_cache_size(STATEMENTS_MAX);
        Ok(Self { opts: opts.into(), name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects; who writes takes the lock of the one that does.
    pub(super) fn connect(&self, role: Role) -> Result<Box<dyn Session>, ServerError> {
        let conn = Conn::new(self.opts.clone()).map_err(|error| failed(&self.name, error))?;
        let mut connection = Connection { conn, name: self.name.clone() };
        connection.settle(role)?;
        Ok(Box::new(connection))
    }
}

impl Connection {
    /// Settings, whether what is committed stays, and the lock.
    fn settle(&mut self, role: Role) -> Result<(), ServerError> {
        let wait = LOCK_WAIT.as_secs();
        let settings = format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = {wait}, \
             lock_wait_timeout = {wait}, max_statement_time = {}, \
             sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            RUN_TIMEOUT.as_secs()
        );
        for statement in settings.split("; ") {
            self.conn.query_drop(statement).map_err(|error| failed(&self.name, error))?;
        }
        if role == Role::Reader {
            return Ok(());
        }
        let asked = "SELECT GET_LOCK(CONCAT('outrigger catalogue ', DATABASE()), ?)";
        let lock = Statement::Prepared {
            sql: asked.to_owned(),
            values: vec![Value::One(Cell::Number(wait.cast_signed()))],
        };
        if self.one(lock)? != Some(Cell::Number(1)) {
            return Err(self.fail(Trouble::Taken));
        }
        let forgetful = "SELECT CONCAT_WS('; ', \
             IF(@@GLOBAL.innodb_flush_log_at_trx_commit = 1, NULL, 'innodb_flush_log_at_trx_commit is not 1'), \
             IF(@@GLOBAL.log_bin = 1 AND @@GLOBAL.sync_binlog <> 1, 'sync_binlog is not 1', NULL), \
             IF(@@GLOBAL.innodb_doublewrite = 0, 'innodb_doublewrite is off', NULL), \
             IF(@@GLOBAL.innodb_flush_method IN ('nosync', 'O_DIRECT_NO_FSYNC'), 'innodb_flush_method does not sync', NULL))";
        let asked = Statement::Prepared { sql: forgetful.to_owned(), values: Vec::new() };
        match self.one(asked)? {
            Some(Cell::Bytes(found)) if !found.is_empty() => {
                let found = String::from_utf8_lossy(&found).into_owned();
                Err(self.fail(Trouble::Forgetful(found)))
            }
            _ => Ok(()),
        }
    }

    fn one(&mut self, statement: Statement) -> Result<Option<Cell>, ServerError> {
        let answers = self.run(vec![statement])?;
        Ok(answers.into_iter().flatten().flatten().next())
    }

    fn run_one(&mut self, statement: Statement) -> mysql::Result<Vec<Row>> {
        match statement {
            Statement::Control(sql) => self.conn.query_drop(sql).map(|()| Vec::new()),
            Statement::Prepared { sql, values } => {
                let values: Vec<mysql::Value> = values.into_iter().map(parameter).collect();
                let values = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
                let rows: Vec<mysql::Row> = self.conn.exec(sql, values)?;
                Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(cell).collect()).collect())
            }
        }
    }

    fn fail(&self, trouble: Trouble) -> ServerError {
        ServerError { server: self.name.clone(), trouble, source: None }
    }
}

impl Session for Connection {
    fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ServerError> {
        let each = statements.into_iter().map(|statement| self.run_one(statement));
        each.collect::<Result<_, _>>().map_err(|error| failed(&self.name, error))
    }
}

fn parameter(value: Value) -> mysql::Value {
    match value {
        Value::One(Cell::Number(number)) => mysql::Value::Int(number),
        Value::One(Cell::Bytes(bytes)) => mysql::Value::Bytes(bytes),
        // It has no arrays, and is given none.
        Value::One(Cell::Null) | Value::Numbers(_) | Value::BytesEach(_) => mysql::Value::NULL,
    }
}

fn cell(value: mysql::Value) -> Cell {
    match value {
        mysql::Value::Int(number) => Cell::Number(number),
        mysql::Value::UInt(number) => Cell::Number(number.cast_signed()),
        mysql::Value::Bytes(bytes) => Cell::Bytes(bytes),
        _ => Cell::Null,
    }
}

fn failed(server: &str, error: mysql::Error) -> ServerError {
    let trouble = trouble(&error);
    let source: Box<dyn Error + Send + Sync> = Box::new(error);
    ServerError { server: server.to_owned(), trouble, source: Some(source) }
}

fn trouble(error: &mysql::Error) -> Trouble {
    match error {
        mysql::Error::IoError(error) if is_late(error.kind()) => Trouble::Hung,
        mysql::Error::CodecError(error) if cause(error).is_some_and(is_late) => Trouble::Hung,
        mysql::Error::DriverError(DriverError::ConnectTimeout | DriverError::Timeout) => Trouble::Hung,
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, _, kind)))) if is_late(*kind) => {
            Trouble::Hung
        }
        mysql::Error::IoError(_)
        | mysql::Error::CodecError(_)
        | mysql::Error::DriverError(
            DriverError::CouldNotConnect(_) | DriverError::PacketOutOfSync | DriverError::UnexpectedPacket,
        ) => Trouble::Lost,
        mysql::Error::MySqlError(error) => trouble_of(error.code),
        _ => Trouble::Failed,
    }
}

/// What the connection said beneath an error of the protocol.
fn cause(error: &dyn Error) -> Option<io::ErrorKind> {
    Some(error.source()?.downcast_ref::<io::Error>()?.kind())
}

fn is_late(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// By error code (mariadb.com, "MariaDB Error Codes").
fn trouble_of(code: u16) -> Trouble {
    match code {
        // Connections, of all and of one user; threads.
        1040 | 1203 | 1226 | 1135 => Trouble::Busy,
        // Shutdown, connection killed, gone.
        1053 | 1927 | 2006 | 2013 => Trouble::Lost,
        // A statement took too long.
        1969 => Trouble::Hung,
        1021 | 1114 | 1041 => Trouble::Full,
        1290 | 1792 | 1836 => Trouble::ReadOnly,
        1044 | 1045 | 1049 | 1130 | 1142 | 1227 => Trouble::Denied,
        _ => Trouble::Failed,
    }
}

/// The tables; `date`, `accession`, `patient_id` and `name` are cut to what an index holds.
pub(super) const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS catalogue_format (version BIGINT NOT NULL) ENGINE = InnoDB",
    "CREATE TABLE IF NOT EXISTS catalogue_numbers (\
        patient BIGINT NOT NULL, study BIGINT NOT NULL, series BIGINT NOT NULL, instance BIGINT NOT NULL, \
        version BIGINT NOT NULL, patients BIGINT NOT NULL, studies BIGINT NOT NULL, all_series BIGINT NOT NULL, \
        instances BIGINT NOT NULL, versions BIGINT NOT NULL) ENGINE = InnoDB",
    "CREATE TABLE IF NOT EXISTS catalogue_patient (id BIGINT PRIMARY KEY, patient_id VARBINARY(255) NOT NULL, \
        sole_study VARBINARY(128) NOT NULL, content LONGBLOB NOT NULL, \
        KEY by_id (patient_id, sole_study)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_study (id BIGINT PRIMARY KEY, uid VARBINARY(128) NOT NULL, \
        patient BIGINT NOT NULL, date VARBINARY(255), accession VARBINARY(255), content LONGBLOB NOT NULL, \
        UNIQUE KEY by_uid (uid), KEY by_patient (patient), KEY by_date (date), \
        KEY by_accession (accession)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_person_name (name VARBINARY(255) NOT NULL, study BIGINT NOT NULL, \
        PRIMARY KEY (name, study)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_series (id BIGINT PRIMARY KEY, uid VARBINARY(128) NOT NULL, \
        study BIGINT NOT NULL, content LONGBLOB NOT NULL, UNIQUE KEY by_uid (uid, study), \
        KEY by_study (study)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_instance (id BIGINT PRIMARY KEY, uid VARBINARY(128) NOT NULL, \
        series BIGINT, content LONGBLOB NOT NULL, UNIQUE KEY by_uid (uid), \
        KEY by_series (series)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_version (id BIGINT PRIMARY KEY, instance BIGINT NOT NULL, \
        content LONGBLOB NOT NULL, KEY by_instance (instance)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS catalogue_record (kind BIGINT NOT NULL, name VARBINARY(400) NOT NULL, \
        content LONGBLOB NOT NULL, PRIMARY KEY (kind, name)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
];
