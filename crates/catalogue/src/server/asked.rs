//! What the catalogue asks a server: for each question one statement, however many rows it is about.

use std::collections::BTreeSet;

use outrigger_model::{Level, SopInstanceUid};

use super::Kind;
use super::statement::{Cell, Sql, Statement};
use super::table::Table;
use crate::narrow::Narrow;
use crate::record::RecordKind;
use crate::rows::PatientKey;

/// The longest start of a text that is searched by, in bytes: what an index holds in every database.
const INDEXED_BYTES_MAX: usize = 255;

/// The start of a text that is searched by.
pub(super) fn indexed(text: &str) -> Vec<u8> {
    text.as_bytes().iter().take(INDEXED_BYTES_MAX).copied().collect()
}

/// What is searched by, or nothing.
pub(super) fn perhaps_indexed(text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Bytes(indexed(text)))
}

pub(super) fn bytes<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The numbers last given and how many rows there are; `FOR UPDATE` until the transaction ends, so that whoever else writes waits.
pub(super) fn numbers(kind: Kind, lock: &str) -> Statement {
    let columns =
        "patient, study, series, instance, version, patients, studies, all_series, instances, versions";
    Sql::new(kind, format!("SELECT {columns} FROM catalogue_numbers {lock}")).done()
}

/// Instances with what they stand in.
pub(super) fn instances(kind: Kind, uids: Vec<Vec<u8>>) -> Statement {
    let sql = "SELECT instance.id, instance.content, series.id, series.content, study.id, study.content \
         FROM catalogue_instance instance LEFT JOIN catalogue_series series ON series.id = instance.series \
         LEFT JOIN catalogue_study study ON study.id = series.study WHERE ";
    Sql::new(kind, sql).among("instance.uid", uids).done()
}

/// Instances as they stand in their own table.
pub(super) fn bare_instances(kind: Kind, uid: &SopInstanceUid) -> Statement {
    let sql = "SELECT id, content FROM catalogue_instance WHERE ";
    Sql::new(kind, sql).among("uid", bytes([uid.as_str()])).done()
}

/// The further versions of instances, in the order they came.
pub(super) fn versions_of_named(kind: Kind, uids: Vec<Vec<u8>>) -> Statement {
    let sql = "SELECT version.instance, version.content, version.id FROM catalogue_instance instance \
         JOIN catalogue_version version ON version.instance = instance.id WHERE ";
    Sql::new(kind, sql).among("instance.uid", uids).text(" ORDER BY version.id").done()
}

pub(super) fn versions(kind: Kind, instance: u64) -> Statement {
    let sql = "SELECT instance, content, id FROM catalogue_version WHERE instance = ";
    Sql::new(kind, sql).number(instance).text(" ORDER BY id").done()
}

/// Rows of a table by a column of UIDs.
pub(super) fn named(kind: Kind, table: &Table, uids: Vec<Vec<u8>>) -> Statement {
    Sql::new(kind, format!("SELECT id, content FROM {} WHERE ", table.name)).among("uid", uids).done()
}

/// A row of a table by its number.
pub(super) fn numbered(kind: Kind, table: &Table, number: u64) -> Statement {
    Sql::new(kind, format!("SELECT id, content FROM {} WHERE id = ", table.name)).number(number).done()
}

/// The series of a study, by its number.
pub(super) fn series_below(kind: Kind, study: u64) -> Statement {
    Sql::new(kind, "SELECT id, content FROM catalogue_series WHERE study = ").number(study).done()
}

/// The instances of a study, by its number, with what they stand in.
pub(super) fn instances_below(kind: Kind, study: u64) -> Statement {
    let sql = "SELECT instance.id, instance.content, series.id, series.content, study.id, study.content \
         FROM catalogue_study study JOIN catalogue_series series ON series.study = study.id \
         JOIN catalogue_instance instance ON instance.series = series.id WHERE study.id = ";
    Sql::new(kind, sql).number(study).done()
}

/// Instances that have versions which are not current.
pub(super) fn with_versions(kind: Kind, after: u64, limit: u64) -> Statement {
    let sql = "SELECT instance.id, instance.content FROM \
         (SELECT DISTINCT instance AS number FROM catalogue_version WHERE instance > ";
    Sql::new(kind, sql)
        .number(after)
        .text(" ORDER BY 1 LIMIT ")
        .number(limit)
        .text(") found JOIN catalogue_instance instance ON instance.id = found.number ORDER BY instance.id")
        .done()
}

/// Records by kind and key: perhaps more than are meant.
pub(super) fn records_named<'k>(
    kind: Kind,
    places: impl Iterator<Item = &'k (RecordKind, String)> + Clone,
) -> Statement {
    let kinds: BTreeSet<u64> = places.clone().map(|(of, _)| of.number()).collect();
    let keys = bytes(places.map(|(_, key)| key.as_str()));
    Sql::new(kind, "SELECT kind, name, content FROM catalogue_record WHERE ")
        .among_numbers("kind", kinds)
        .text(" AND ")
        .among("name", keys)
        .done()
}

/// Records of a kind between two keys.
pub(super) fn records(kind: Kind, of: RecordKind, after: &str, before: &str, limit: u64) -> Statement {
    behind(kind, of, after.as_bytes())
        .text(" AND name < ")
        .bytes(before.as_bytes())
        .text(" ORDER BY name LIMIT ")
        .number(limit)
        .done()
}

/// Records of a kind behind a key.
pub(super) fn records_behind(kind: Kind, of: RecordKind, after: &[u8], limit: u64) -> Statement {
    behind(kind, of, after).text(" ORDER BY name LIMIT ").number(limit).done()
}

fn behind(kind: Kind, of: RecordKind, after: &[u8]) -> Sql {
    Sql::new(kind, "SELECT kind, name, content FROM catalogue_record WHERE kind = ")
        .number(of.number())
        .text(" AND name > ")
        .bytes(after)
}

/// Removes names of studies.
pub(super) fn remove_names<'n>(
    kind: Kind,
    names: impl Iterator<Item = &'n (u64, Vec<u8>)> + Clone,
) -> Statement {
    Sql::new(kind, "DELETE FROM catalogue_person_name WHERE ")
        .among("name", names.clone().map(|(_, name)| name.clone()).collect())
        .text(" AND ")
        .among_numbers("study", names.map(|(study, _)| *study))
        .done()
}

/// Removes versions by their own numbers.
pub(super) fn remove_versions(kind: Kind, numbers: impl IntoIterator<Item = u64>) -> Statement {
    Sql::new(kind, "DELETE FROM catalogue_version WHERE ").among_numbers("id", numbers).done()
}

/// Removes records of a kind.
pub(super) fn remove_records(kind: Kind, of: RecordKind, keys: Vec<&str>) -> Statement {
    Sql::new(kind, "DELETE FROM catalogue_record WHERE kind = ")
        .number(of.number())
        .text(" AND ")
        .among("name", bytes(keys))
        .done()
}

/// Patients by the start of their IDs: perhaps more than are meant.
pub(super) fn patients<'k>(kind: Kind, keys: impl Iterator<Item = &'k PatientKey> + Clone) -> Statement {
    let ids = keys.clone().map(|key| indexed(&key.patient_id)).collect();
    let studies = bytes(keys.map(|key| key.sole_study.as_str()));
    Sql::new(kind, "SELECT id, content FROM catalogue_patient WHERE ")
        .among("patient_id", ids)
        .text(" AND ")
        .among("sole_study", studies)
        .done()
}

/// Studies of patients, each with its patient.
pub(super) fn studies_of(kind: Kind, patients: BTreeSet<u64>) -> Statement {
    Sql::new(kind, "SELECT id, content FROM catalogue_study WHERE ").among_numbers("patient", patients).done()
}

/// The series of a study.
pub(super) fn series_of(kind: Kind, study: &str) -> Statement {
    let sql = "SELECT series.id, series.content FROM catalogue_study study \
         JOIN catalogue_series series ON series.study = study.id WHERE ";
    Sql::new(kind, sql).among("study.uid", bytes([study])).text(" ORDER BY series.id").done()
}

/// A page of a whole table, for checking it.
pub(super) fn page(kind: Kind, table: &Table, after: u64, limit: u64) -> Statement {
    Sql::new(kind, format!("SELECT id, content FROM {} WHERE id > ", table.name))
        .number(after)
        .text(" ORDER BY id LIMIT ")
        .number(limit)
        .done()
}

/// Rows with those above them, in no order: for sorting whole rows MariaDB makes a table on disk.
pub(super) fn joined(kind: Kind, level: Level, numbers: &[u64]) -> Statement {
    let (columns, from, id) = match level {
        Level::Patient => ("", "catalogue_patient patient", "patient.id"),
        Level::Study => (
            ", study.id, study.content",
            "catalogue_study study JOIN catalogue_patient patient ON patient.id = study.patient",
            "study.id",
        ),
        Level::Series => (
            ", study.id, study.content, series.id, series.content",
            "catalogue_series series JOIN catalogue_study study ON study.id = series.study \
             JOIN catalogue_patient patient ON patient.id = study.patient",
            "series.id",
        ),
        Level::Image => (
            ", study.id, study.content, series.id, series.content, instance.content",
            "catalogue_instance instance JOIN catalogue_series series ON series.id = instance.series \
             JOIN catalogue_study study ON study.id = series.study \
             JOIN catalogue_patient patient ON patient.id = study.patient",
            "instance.id",
        ),
    };
    Sql::new(kind, format!("SELECT {id}, patient.id, patient.content{columns} FROM {from} WHERE "))
        .among_numbers(id, numbers.iter().copied())
        .done()
}

/// The tables from the top down, each with how it hangs on the one above.
const CHAIN: [(Level, &str, &str); 4] = [
    (Level::Patient, "catalogue_patient patient", ""),
    (Level::Study, "catalogue_study study", "study.patient = patient.id"),
    (Level::Series, "catalogue_series series", "series.study = study.id"),
    (Level::Image, "catalogue_instance instance", "instance.series = series.id"),
];

/// Numbers of rows, from the narrowing index down to `level`.
///
/// `STRAIGHT_JOIN` holds MariaDB to that order; adding zero keeps both from walking the table by number instead.
pub(super) fn candidates(kind: Kind, level: Level, narrow: &Narrow, after: u64, limit: usize) -> Statement {
    let id = match (level, narrow) {
        (Level::Patient, Narrow::Names(_)) => "study.patient",
        (Level::Patient, _) => "patient.id",
        (Level::Study, _) => "study.id",
        (Level::Series, _) => "series.id",
        (Level::Image, _) => "instance.id",
    };
    let join = if kind == Kind::MariaDb { " STRAIGHT_JOIN " } else { " JOIN " };
    let start = start_of(level, narrow);
    let mut from = match narrow {
        Narrow::Names(_) => format!(
            "catalogue_person_name person_name{join}catalogue_study study ON study.id = person_name.study"
        ),
        _ => CHAIN.iter().find(|(at, ..)| *at == start).map_or("", |(_, table, _)| table).to_owned(),
    };
    for (_, table, on) in CHAIN.iter().filter(|(below, ..)| start < *below && *below <= level) {
        from.push_str(&format!("{join}{table} ON {on}"));
    }
    let (distinct, plus) = match narrow {
        Narrow::Names(_) => ("DISTINCT ", " + 0"),
        Narrow::All => ("", ""),
        _ => ("", " + 0"),
    };
    let sql = Sql::new(kind, format!("SELECT {distinct}{id}{plus} FROM {from} WHERE {id}{plus} > "));
    filtered(sql.number(after), narrow)
        .text(" ORDER BY 1 LIMIT ")
        .number(u64::try_from(limit).unwrap_or(u64::MAX >> 1))
        .done()
}

/// The level of the index that narrows.
fn start_of(level: Level, narrow: &Narrow) -> Level {
    match narrow {
        Narrow::All => level,
        Narrow::PatientId(_) => Level::Patient,
        Narrow::Studies(_) | Narrow::Accession(_) | Narrow::Names(_) | Narrow::StudyDates(_) => Level::Study,
        Narrow::Series(_) => Level::Series,
        Narrow::Instances(_) => Level::Image,
    }
}

fn filtered(sql: Sql, narrow: &Narrow) -> Sql {
    let uids = |uids: &[String]| bytes(uids.iter().map(String::as_str));
    match narrow {
        Narrow::All => sql,
        Narrow::PatientId(id) => sql.text(" AND patient.patient_id = ").bytes(&indexed(id)),
        Narrow::Accession(value) => sql.text(" AND study.accession = ").bytes(&indexed(value)),
        Narrow::Studies(wanted) => sql.text(" AND ").among("study.uid", uids(wanted)),
        Narrow::Series(wanted) => sql.text(" AND ").among("series.uid", uids(wanted)),
        Narrow::Instances(wanted) => sql.text(" AND ").among("instance.uid", uids(wanted)),
        // Cut at the lower end alone: what is cut sorts before the whole.
        Narrow::StudyDates(range) => sql
            .text(" AND study.date BETWEEN ")
            .bytes(&indexed(&range.from))
            .text(" AND ")
            .bytes(range.to.as_bytes()),
        Narrow::Names(range) => sql
            .text(" AND person_name.name BETWEEN ")
            .bytes(&indexed(&range.from))
            .text(" AND ")
            .bytes(range.to.as_bytes()),
    }
}
