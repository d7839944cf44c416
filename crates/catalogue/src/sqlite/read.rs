//! Reading rows: candidates by one index, then each row with those above it.

use outrigger_model::{Level, SopInstanceUid, StudyUid};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::columns::Columns;
use super::failed;
use super::table::{INSTANCE, PATIENT, PERSON_NAME, RECORD, SERIES, STUDY, Table, VERSION};
use crate::error::CatalogueError;
use crate::find::FINDINGS_MAX;
use crate::narrow::Narrow;
use crate::record::{Record, RecordKind};
use crate::rows::{InstanceRow, Joined, Numbered, SeriesRow, StudyRow};
use crate::tables::View;
use crate::{Counts, Located, SeriesSummary, StudySummary, Version};

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
        let sql = format!("SELECT {} FROM instance WHERE uid = ?1", INSTANCE.columns);
        let doing = "looking an instance up";
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let row = statement.query_row([uid.as_str()], |row| Columns::new(row).instance());
        row.optional().map_err(failed(doing))
    }

    fn lookup_each(&self, uids: &[&SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        uids.iter().map(|uid| crate::find::lookup(self, uid)).collect()
    }

    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        let sql = format!("SELECT {} FROM version WHERE instance = ?1 ORDER BY id", VERSION.columns);
        let versions = self
            .all("reading the versions of an instance", &sql, instance, |row| Columns::new(row).version())?;
        Ok(versions.into_iter().map(|version| version.row).collect())
    }

    fn with_versions(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Numbered<SopInstanceUid>>, CatalogueError> {
        let sql = "SELECT id, uid FROM instance \
             WHERE id IN (SELECT instance FROM version WHERE instance > ?1 ORDER BY instance) ORDER BY id LIMIT ?2";
        let doing = "looking for instances with versions";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([after.cast_signed(), limit], |row| Columns::new(row).named());
        rows.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    fn studies_of(&self, patient: u64) -> Result<Vec<StudyRow>, CatalogueError> {
        let sql = format!("SELECT {} FROM study WHERE patient = ?1", STUDY.columns);
        let doing = "reading the studies of a patient";
        let studies = self.all(doing, &sql, patient, |row| Columns::new(row).study())?;
        Ok(studies.into_iter().map(|study| study.row).collect())
    }

    fn record(&self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        let doing = "reading a record";
        let sql = format!("SELECT {} FROM record WHERE kind = ?1 AND key = ?2", RECORD.columns);
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let key = params![kind.number().cast_signed(), key];
        let found = statement.query_row(key, |row| Columns::new(row).record());
        Ok(found.optional().map_err(failed(doing))?.map(|(_, value)| value))
    }

    fn records(
        &self,
        kind: RecordKind,
        after: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<Record>, CatalogueError> {
        let doing = "reading records";
        let sql = format!(
            "SELECT {} FROM record WHERE kind = ?1 AND key > ?2 AND key < ?3 ORDER BY key LIMIT ?4",
            RECORD.columns
        );
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![kind.number().cast_signed(), after, before, limit];
        let rows = statement.query_map(values, |row| Columns::new(row).record());
        rows.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        let doing = "reading what a study holds";
        let sql = format!("SELECT {} FROM study WHERE uid = ?1", STUDY.columns);
        let mut statement = self.0.prepare_cached(&sql).map_err(failed(doing))?;
        let found = statement.query_row([study.as_str()], |row| Columns::new(row).study());
        let Some(study) = found.optional().map_err(failed(doing))? else { return Ok(None) };
        let series = self.series_of(doing, study.number)?.into_iter();
        let series =
            series.map(|found| SeriesSummary { series: found.row.uid, instances: found.row.instances });
        Ok(Some(StudySummary { instances: study.row.instances, series: series.collect() }))
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

    fn check(&self) -> Result<Vec<String>, CatalogueError> {
        let doing = "checking the database";
        let mut statement = self.0.prepare("PRAGMA integrity_check").map_err(failed(doing))?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed(doing))?;
        let mut findings = lines.collect::<rusqlite::Result<Vec<_>>>().map_err(failed(doing))?;
        findings.retain(|line| line != "ok");
        for table in [&PATIENT, &STUDY, &PERSON_NAME, &SERIES, &INSTANCE, &VERSION, &RECORD] {
            self.check_table(table, &mut findings)?;
        }
        Ok(findings)
    }
}

impl Reader<'_> {
    /// The series of a study.
    pub(super) fn series_of(
        &self,
        doing: &'static str,
        study: u64,
    ) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError> {
        let sql = format!("SELECT {} FROM series WHERE study = ?1 ORDER BY id", SERIES.columns);
        self.all(doing, &sql, study, |row| Columns::new(row).series())
    }

    /// All rows below another.
    fn all<T>(
        &self,
        doing: &'static str,
        sql: &str,
        above: u64,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CatalogueError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let rows = statement.query_map([above.cast_signed()], read);
        rows.map_err(failed(doing))?.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    /// Reads every row of a table, with its seal.
    fn check_table(&self, table: &Table, findings: &mut Vec<String>) -> Result<(), CatalogueError> {
        let doing = "checking rows";
        let sql = format!("SELECT {} FROM {}", table.columns, table.name);
        let mut statement = self.0.prepare(&sql).map_err(failed(doing))?;
        let rows = statement.query_map([], |row| Columns::new(row).begin(table)).map_err(failed(doing))?;
        for row in rows {
            match row.map_err(failed(doing)) {
                Ok(_) => {}
                Err(CatalogueError::BadRow { table, row, .. }) => {
                    findings.push(format!("row {row} of table `{table}` is not as it was written"));
                }
                Err(other) => return Err(other),
            }
            if findings.len() >= FINDINGS_MAX {
                break;
            }
        }
        Ok(())
    }
}

fn joined_sql(level: Level) -> String {
    let (patient, study, series, instance) =
        (&PATIENT.columns, &STUDY.columns, &SERIES.columns, &INSTANCE.columns);
    let to_patient = "JOIN patient ON patient.id = study.patient";
    let to_study = "JOIN study ON study.id = series.study";
    let to_series = "JOIN series ON series.id = instance.series";
    match level {
        Level::Patient => format!("SELECT {patient} FROM patient WHERE patient.id = ?1"),
        Level::Study => format!("SELECT {patient}, {study} FROM study {to_patient} WHERE study.id = ?1"),
        Level::Series => format!(
            "SELECT {patient}, {study}, {series} FROM series {to_study} {to_patient} WHERE series.id = ?1"
        ),
        Level::Image => format!(
            "SELECT {patient}, {study}, {series}, {instance} \
             FROM instance {to_series} {to_study} {to_patient} WHERE instance.id = ?1"
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
