//! What a database must be able to do with rows; everything else is decided above it.

use std::collections::BTreeSet;

use outrigger_model::{Level, SeriesUid, SopInstanceUid, StudyUid};

use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::narrow::Narrow;
use crate::record::{Record, RecordKind, end_of};
use crate::rows::{InstanceRow, Joined, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::{Counts, Located, RowNumbers, StudySummary, Version};

/// Rows inside one transaction that writes.
pub(crate) trait Tables {
    fn instance(&mut self, uid: &SopInstanceUid)
    -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError>;
    /// The versions of an instance that are not current, in the order they came.
    fn versions(&mut self, instance: u64) -> Result<Vec<Version>, CatalogueError>;
    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError>;
    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError>;
    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError>;
    /// The rows above an instance; what is not there is damage.
    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError>;
    /// The series of a study.
    fn series_of(&mut self, study: u64) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError>;
    /// The SOP classes of the instances in the series of a study.
    fn sop_classes_of(&mut self, study: u64) -> Result<BTreeSet<String>, CatalogueError>;
    /// The record of a kind under a key.
    fn record(&mut self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError>;

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

    /// Puts `given`, which was current, in the place of `taken` among the versions that are not.
    fn exchange_version(
        &mut self,
        number: u64,
        taken: &Version,
        given: &Version,
    ) -> Result<(), CatalogueError>;
    /// Removes the versions of an instance that are not current.
    fn drop_versions(&mut self, number: u64) -> Result<(), CatalogueError>;
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
    /// Saves a study that has another patient, or other values by which it is looked up, than `before`.
    fn move_study(&mut self, number: u64, before: &StudyRow, row: &StudyRow) -> Result<(), CatalogueError>;
    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError>;
    /// Writes a record in the place of the one there is.
    fn save_record(&mut self, kind: RecordKind, key: &str, value: &str) -> Result<(), CatalogueError>;
    /// Removes a record; one that is not there is no error.
    fn drop_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError>;
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
    /// Several rows and those above each, in the order of their numbers; a server gives them in one round trip.
    fn joined_each(&self, level: Level, numbers: &[u64]) -> Result<Vec<(u64, Joined)>, CatalogueError> {
        let rows = numbers.iter().map(|number| Ok(self.joined(level, *number)?.map(|row| (*number, row))));
        rows.filter_map(Result::transpose).collect()
    }
    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError>;
    /// Looks instances up, also those outside patients and studies; a server answers in one round trip.
    fn lookup_each(&self, uids: &[&SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError>;
    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError>;
    /// Instances that have versions which are not current, by number above `after`, at most `limit`.
    fn with_versions(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Numbered<SopInstanceUid>>, CatalogueError>;
    /// The studies of a patient.
    fn studies_of(&self, patient: u64) -> Result<Vec<StudyRow>, CatalogueError>;
    /// Whether there is a record of any of these kinds.
    fn has_records(&self, kinds: &[RecordKind]) -> Result<bool, CatalogueError> {
        for kind in kinds {
            if !self.records(*kind, "", &end_of(""), 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
    /// The record of a kind under a key.
    fn record(&self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError>;
    /// Records of a kind whose keys are between `after` and `before`, neither of them included, in the order of the keys, which is
    /// that of their bytes; at most `limit`.
    fn records(
        &self,
        kind: RecordKind,
        after: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<Record>, CatalogueError>;
    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError>;
    fn counts(&self) -> Result<Counts, CatalogueError>;
    /// Reads every row; says of each that is damaged which it is.
    fn check(&self) -> Result<Vec<String>, CatalogueError>;
}
