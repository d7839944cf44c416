//! What a database must be able to do with rows; everything else is decided above it.

use outrigger_model::{Level, SeriesUid, SopInstanceUid, StudyUid};

use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::narrow::Narrow;
use crate::rows::{InstanceRow, Joined, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::{Counts, RowNumbers, StudySummary, Version};

/// Rows inside one transaction that writes.
pub(crate) trait Tables {
    fn instance(&mut self, uid: &SopInstanceUid)
    -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError>;
    fn has_version(&mut self, instance: u64, version: &Version) -> Result<bool, CatalogueError>;
    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError>;
    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError>;
    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError>;
    /// The rows above an instance; what is not there is damage.
    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError>;

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError>;
    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError>;
    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError>;
    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError>;
    /// Adds a version that is not current; it is counted in `row`, which is saved.
    fn add_version(
        &mut self,
        number: u64,
        row: &InstanceRow,
        version: &Version,
    ) -> Result<(), CatalogueError>;

    fn save_instance(&mut self, number: u64, row: &InstanceRow) -> Result<(), CatalogueError>;
    /// Puts an instance under other rows than those it was entered under.
    fn move_instance(
        &mut self,
        number: u64,
        from: Option<u64>,
        row: &InstanceRow,
    ) -> Result<(), CatalogueError>;
    fn save_patient(&mut self, number: u64, row: &PatientRow) -> Result<(), CatalogueError>;
    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError>;
    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError>;
}

/// Rows as they stand, for reading.
pub(crate) trait View {
    /// Numbers of rows at `level` above `after`, ascending, at most `limit`: all that `narrow` leaves, perhaps more.
    fn candidates(
        &self,
        level: Level,
        narrow: &Narrow,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, CatalogueError>;
    /// A row and those above it; `None` for an instance that stands outside patients and studies.
    fn joined(&self, level: Level, number: u64) -> Result<Option<Joined>, CatalogueError>;
    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError>;
    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError>;
    fn related(&self, patient: u64) -> Result<Related, CatalogueError>;
    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError>;
    fn counts(&self) -> Result<Counts, CatalogueError>;
    /// Reads every row; says of each that is damaged which it is.
    fn check(&self) -> Result<Vec<String>, CatalogueError>;
}

/// How much a patient has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Related {
    pub(crate) studies: u64,
    pub(crate) series: u64,
    pub(crate) instances: u64,
}
