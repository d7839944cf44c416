//! What is shown of patients, studies and series, where not all of their instances are.

use outrigger_model::Level;

use crate::error::CatalogueError;
use crate::record::{RecordKind, end_of, start_of, start_of_series};
use crate::rows::{Joined, StudyRow};
use crate::tables::View;

/// How much a patient has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Related {
    pub(crate) studies: u64,
    pub(crate) series: u64,
    pub(crate) instances: u64,
}

/// Whether anything is kept that is not shown: where nothing is, no row is looked at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    All,
    Some,
}

impl Shown {
    pub(crate) fn of(view: &dyn View) -> Result<Self, CatalogueError> {
        let some = view.has_records(&[RecordKind::Withheld, RecordKind::Edited])?;
        Ok(if some { Self::Some } else { Self::All })
    }

    /// Whether nothing is shown of a row: it has no instances, and had some, or it is a patient who has no study any more.
    pub(crate) fn is_vacant(
        self,
        view: &dyn View,
        level: Level,
        row: &Joined,
    ) -> Result<bool, CatalogueError> {
        if self == Self::All {
            return Ok(false);
        }
        match (level, &row.study, &row.series) {
            (Level::Patient, _, _) => Ok(self.related(view, row.patient.number)?.studies == 0),
            (Level::Study, Some(study), _) => is_emptied(view, study),
            (Level::Series, Some(study), Some(series)) => {
                let start = start_of_series(&study.uid, &series.uid);
                Ok(series.instances.count == 0 && has_withheld(view, &start)?)
            }
            _ => Ok(false),
        }
    }

    /// How much is shown of a patient.
    pub(crate) fn related(self, view: &dyn View, patient: u64) -> Result<Related, CatalogueError> {
        let mut sum = Related::default();
        for study in view.studies_of(patient)? {
            if self == Self::All || !is_emptied(view, &study)? {
                sum.studies += 1;
                sum.series += study.series;
                sum.instances += study.instances.count;
            }
        }
        Ok(sum)
    }
}

fn is_emptied(view: &dyn View, study: &StudyRow) -> Result<bool, CatalogueError> {
    Ok(study.instances.count == 0 && has_withheld(view, &start_of(&study.uid))?)
}

fn has_withheld(view: &dyn View, start: &str) -> Result<bool, CatalogueError> {
    Ok(!view.records(RecordKind::Withheld, start, &end_of(start), 1)?.is_empty())
}
