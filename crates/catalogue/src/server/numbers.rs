//! The numbers that rows are given, and how many rows there are: one row of its own, locked by whoever writes.

use super::Kind;
use super::decode::Cells;
use super::statement::{Row, Sql, Statement};
use crate::Counts;
use crate::error::CatalogueError;

/// The numbers last given in each table, and how many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) patient: u64,
    pub(super) study: u64,
    pub(super) series: u64,
    pub(super) instance: u64,
    pub(super) version: u64,
    pub(super) counts: Counts,
}

impl Numbers {
    pub(super) fn of(rows: Vec<Row>) -> Result<Self, CatalogueError> {
        let mut cells = Cells::of(rows.into_iter().next().unwrap_or_default());
        Ok(Self {
            patient: cells.number()?,
            study: cells.number()?,
            series: cells.number()?,
            instance: cells.number()?,
            version: cells.number()?,
            counts: Counts {
                patients: cells.number()?,
                studies: cells.number()?,
                series: cells.number()?,
                instances: cells.number()?,
                other_versions: cells.number()?,
            },
        })
    }

    pub(super) fn saved(&self, kind: Kind) -> Statement {
        let Counts { patients, studies, series, instances, other_versions } = self.counts;
        let mut sql = Sql::new(kind, "UPDATE catalogue_numbers SET ");
        for (column, number) in [
            ("patient = ", self.patient),
            (", study = ", self.study),
            (", series = ", self.series),
            (", instance = ", self.instance),
            (", version = ", self.version),
            (", patients = ", patients),
            (", studies = ", studies),
            (", all_series = ", series),
            (", instances = ", instances),
            (", versions = ", other_versions),
        ] {
            sql = sql.text(column).number(number);
        }
        sql.done()
    }
}

/// The next number of a table, which has one row more.
pub(super) fn next(last: &mut u64, count: &mut u64) -> u64 {
    *last += 1;
    *count += 1;
    *last
}
