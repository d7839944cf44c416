//! Reading rows: candidates by one index, then each row with those above it.

use outrigger_model::{Level, SopInstanceUid, StudyUid};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::columns::{Columns, INSTANCE, PATIENT, SERIES, STUDY};
use super::failed;
use crate::error::CatalogueError;
use crate::narrow::Narrow;
use crate::rows::{InstanceRow, Joined, Numbered};
use crate::tables::{Related, View};
use crate::{Counts, SeriesSummary, StudySummary, Version};

/// A connection to read from.
pub(super) struct Reader<'c>(pub(super) &'c Connection);

impl View for Reader<'_> {
    fn candidates(
        &self,
        level: Level,
        narrow: &Narrow,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, CatalogueError> {
        let (sql, values) = candidates_sql(level, narrow, after, limit);
        let doing = "looking for candidates";
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let numbers = statement.query_map(params_from_iter(values), |row| Columns::new(row).number());
        numbers.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    fn joined(&self, level: Level, number: u64) -> Result<Option<Joined>, CatalogueError> {
        let doing = "reading a row";
        let mut statement = self.0.prepare_cached(&joined_sql(level)).map_err(failed(doing))?;
        let row = statement.query_row([number.cast_signed()], |row| {
            let mut columns = Columns::new(row);
            let patient = columns.patient()?;
            let mut read = Joined { patient, study: None, series: None, instance: None };
            if level >= Level::Study {
                read.study = Some(columns.study()?.row);
            }
            if level >= Level::Series {
                read.series = Some(columns.series()?.row);
            }
            if level >= Level::Image {
                read.instance = Some(columns.instance()?);
            }
            Ok(read)
        });
        row.optional().map_err(failed(doing))
    }

    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError> {
        let sql = format!("SELECT {INSTANCE} FROM instance WHERE uid = ?1");
        let doing = "looking an instance up";
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let row = statement.query_row([uid.as_str()], |row| Columns::new(row).instance());
        row.optional().map_err(failed(doing))
    }

    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        let doing = "reading the versions of an instance";
        let sql = "SELECT transfer_syntax, sha256, length, stored_at, place FROM version WHERE instance = ?1 ORDER BY id";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let versions = statement.query_map([instance.cast_signed()], |row| Columns::new(row).version());
        versions.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    fn related(&self, patient: u64) -> Result<Related, CatalogueError> {
        let doing = "counting what a patient has";
        let sql = "SELECT count(*), ifnull(sum(series), 0), ifnull(sum(instances), 0) FROM study WHERE patient = ?1";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let related = statement.query_row([patient.cast_signed()], |row| {
            let mut columns = Columns::new(row);
            Ok(Related {
                studies: columns.number()?,
                series: columns.number()?,
                instances: columns.number()?,
            })
        });
        related.map_err(failed(doing))
    }

    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        let doing = "reading what a study holds";
        let sql = "SELECT id, instances, identities, contents FROM study WHERE uid = ?1";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let found = statement.query_row([study.as_str()], |row| {
            let mut columns = Columns::new(row);
            Ok((columns.number()?, columns.digest()?))
        });
        let Some((number, instances)) = found.optional().map_err(failed(doing))? else { return Ok(None) };
        let sql = "SELECT uid, instances, identities, contents FROM series WHERE study = ?1 ORDER BY id";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let series = statement.query_map([number.cast_signed()], |row| {
            let mut columns = Columns::new(row);
            Ok(SeriesSummary { series: columns.parsed()?, instances: columns.digest()? })
        });
        let series =
            series.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))?;
        Ok(Some(StudySummary { instances, series }))
    }

    fn counts(&self) -> Result<Counts, CatalogueError> {
        let sql = "SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM study), \
             (SELECT count(*) FROM series), (SELECT count(*) FROM instance), (SELECT count(*) FROM version)";
        let counts = self.0.query_row(sql, [], |row| {
            let mut columns = Columns::new(row);
            Ok(Counts {
                patients: columns.number()?,
                studies: columns.number()?,
                series: columns.number()?,
                instances: columns.number()?,
                other_versions: columns.number()?,
            })
        });
        counts.map_err(failed("counting rows"))
    }
}

fn joined_sql(level: Level) -> String {
    const STUDIES: &str = "JOIN patient ON patient.id = study.patient";
    const SERIES_UP: &str = "JOIN study ON study.id = series.study";
    const INSTANCES_UP: &str = "JOIN series ON series.id = instance.series";
    match level {
        Level::Patient => format!("SELECT {PATIENT} FROM patient WHERE patient.id = ?1"),
        Level::Study => format!("SELECT {PATIENT}, {STUDY} FROM study {STUDIES} WHERE study.id = ?1"),
        Level::Series => format!(
            "SELECT {PATIENT}, {STUDY}, {SERIES} FROM series {SERIES_UP} {STUDIES} WHERE series.id = ?1"
        ),
        Level::Image => format!(
            "SELECT {PATIENT}, {STUDY}, {SERIES}, {INSTANCE} \
             FROM instance {INSTANCES_UP} {SERIES_UP} {STUDIES} WHERE instance.id = ?1"
        ),
    }
}

/// The tables from the top down, each with how it hangs on the one above.
const CHAIN: [(Level, &str); 4] = [
    (Level::Patient, "patient"),
    (Level::Study, "study ON study.patient = patient.id"),
    (Level::Series, "series ON series.study = study.id"),
    (Level::Image, "instance ON instance.series = series.id"),
];

/// A statement that begins at the narrowing index and goes down to `level`.
///
/// `CROSS JOIN` holds SQLite to that order, and `+` keeps it from walking the table by number instead.
fn candidates_sql(level: Level, narrow: &Narrow, after: u64, limit: usize) -> (String, Vec<Value>) {
    let id = match (level, narrow) {
        (Level::Patient, Narrow::Names(_)) => "study.patient",
        (Level::Patient, _) => "patient.id",
        (Level::Study, _) => "study.id",
        (Level::Series, _) => "series.id",
        (Level::Image, _) => "instance.id",
    };
    let start = start_of(level, narrow);
    let mut from = start.from.to_owned();
    for (_, table) in CHAIN.iter().filter(|(below, _)| start.level < *below && *below <= level) {
        from.push_str(" CROSS JOIN ");
        from.push_str(table);
    }
    let plus = if *narrow == Narrow::All { "" } else { "+" };
    let (distinct, filter) = (start.distinct, start.filter);
    let sql =
        format!("SELECT {distinct} {id} FROM {from} WHERE {plus}{id} > ?1 {filter} ORDER BY 1 LIMIT ?2");
    let mut values =
        vec![Value::Integer(after.cast_signed()), Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX))];
    values.extend(start.values);
    (sql, values)
}

/// Where a search begins.
struct Start {
    level: Level,
    from: &'static str,
    filter: &'static str,
    /// `DISTINCT` where one row can be met twice.
    distinct: &'static str,
    values: Vec<Value>,
}

fn start_of(level: Level, narrow: &Narrow) -> Start {
    let begin = |level, from, filter, values| Start { level, from, filter, distinct: "", values };
    let text = |text: &String| Value::Text(text.clone());
    match narrow {
        Narrow::All => {
            let table = match level {
                Level::Patient => "patient",
                Level::Study => "study",
                Level::Series => "series",
                Level::Image => "instance",
            };
            begin(level, table, "", Vec::new())
        }
        Narrow::PatientId(id) => {
            begin(Level::Patient, "patient", "AND patient.patient_id = ?3", vec![text(id)])
        }
        Narrow::Studies(uids) => begin(
            Level::Study,
            "study",
            "AND study.uid IN (SELECT value FROM json_each(?3))",
            vec![list(uids)],
        ),
        Narrow::Accession(value) => {
            begin(Level::Study, "study", "AND study.accession = ?3", vec![text(value)])
        }
        Narrow::Names(range) => Start {
            distinct: "DISTINCT",
            ..begin(
                Level::Study,
                "person_name CROSS JOIN study ON study.id = person_name.study",
                "AND person_name.key BETWEEN ?3 AND ?4",
                vec![text(&range.from), text(&range.to)],
            )
        },
        Narrow::StudyDates(range) => begin(
            Level::Study,
            "study",
            "AND study.date BETWEEN ?3 AND ?4",
            vec![text(&range.from), text(&range.to)],
        ),
        Narrow::Series(uids) => begin(
            Level::Series,
            "series",
            "AND series.uid IN (SELECT value FROM json_each(?3))",
            vec![list(uids)],
        ),
        Narrow::Instances(uids) => begin(
            Level::Image,
            "instance",
            "AND instance.uid IN (SELECT value FROM json_each(?3))",
            vec![list(uids)],
        ),
    }
}

/// UIDs as one value.
fn list(uids: &[String]) -> Value {
    Value::Text(serde_json::Value::from(uids).to_string())
}
