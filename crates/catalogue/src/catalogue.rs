//! What an index of instances does, whatever database it is kept in.

use outrigger_model::{
    Answer, MemberNumber, Query, Selection, SeriesUid, SopInstanceUid, StudyUid, WallTime,
};

use crate::{
    CatalogueError, CatalogueInstance, Change, Conflict, Decision, Edited, Inheritance, Located, Purge,
    PutOutcome, SeenStudy, SetDigest, StudyEntry, Withheld,
};

/// An index of patients, studies, series and instances; synchronous, owned by one thread.
pub trait Catalogue: Send {
    /// Enters instances in one transaction, durable when this returns, and notes the changes; entering one twice changes nothing.
    fn put(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, CatalogueError>;

    /// Enters a study that a member shows, in one transaction; entering it twice changes nothing.
    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, CatalogueError>;

    /// Takes a member out of those that were seen to hold these instances, in one transaction; gives of how many.
    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, CatalogueError>;

    /// Applies a decision in one transaction, durable when this returns; one that was applied before changes nothing.
    fn decide(&mut self, decision: &Decision) -> Result<(), CatalogueError>;

    /// The number of the last decision applied; 0 before the first.
    fn decided(&mut self) -> Result<u64, CatalogueError>;

    /// Notes a step of removing the bytes of deleted instances, in one transaction; whatever is not as far changes nothing.
    fn purge(
        &mut self,
        at: WallTime,
        step: Purge,
        instances: &[SopInstanceUid],
    ) -> Result<(), CatalogueError>;

    /// Lists deleted instances whose bytes are to go at `now`, and those that were being removed, at most `limit`.
    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<Withheld>, CatalogueError>;

    /// Why an instance is not shown; `None` if it is, or was never heard of.
    fn withheld(&mut self, instance: &SopInstanceUid) -> Result<Option<Withheld>, CatalogueError>;

    /// Lists what is not shown of a study, or everywhere, behind a key that was given with another; at most `limit`.
    fn list_withheld(
        &mut self,
        study: Option<&StudyUid>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Withheld)>, CatalogueError>;

    /// Lists studies from `after` on, with what an inventory compares.
    fn list_studies(&mut self, after: Cursor, limit: usize) -> Result<Page<StudyEntry>, CatalogueError>;

    /// Lists instances that have more than one version from `after` on.
    fn list_conflicts(&mut self, after: Cursor, limit: usize) -> Result<Page<Conflict>, CatalogueError>;

    /// What became of a study, or of one of its series, by edits; `None` where there were none.
    fn edited(
        &mut self,
        study: &StudyUid,
        series: Option<&SeriesUid>,
    ) -> Result<Option<Edited>, CatalogueError>;

    /// Changes behind the number `since`, in order, at most `limit`.
    fn changes(&mut self, since: u64, limit: usize) -> Result<Vec<Change>, CatalogueError>;

    /// The number of the last change; 0 before the first.
    fn last_change(&mut self) -> Result<u64, CatalogueError>;

    /// Looks an instance up by its SOP Instance UID.
    fn lookup(&mut self, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError>;

    /// Looks several instances up at once, in the order they are named.
    fn lookup_each(&mut self, instances: &[SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError>;

    /// Answers a query from `after` on, with at most `limit` answers.
    fn find(&mut self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, CatalogueError>;

    /// Lists the instances of a selection from `after` on, each once, at most `limit`.
    fn select(
        &mut self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, CatalogueError>;

    /// What is known of a study as a whole.
    fn summary(&mut self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError>;

    /// How much there is.
    fn counts(&mut self) -> Result<Counts, CatalogueError>;

    /// Reads every row; says in a sentence each what is damaged.
    fn check(&mut self) -> Result<Vec<String>, CatalogueError>;

    /// Asks the database whether it is there and takes what is entered; one that is embedded always is.
    fn reach(&mut self) -> Result<(), CatalogueError>;

    /// Another handle on the same catalogue, for a thread that reads while this one writes.
    fn another(&self) -> Result<Box<dyn Catalogue>, CatalogueError>;
}

/// Where a page begins; the default is the beginning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Cursor(pub(crate) u64);

/// A part of what was asked for: so many rows were looked at that others should have their turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found; may be empty though more follows.
    pub items: Vec<T>,
    /// Where to go on; absent at the end.
    pub next: Option<Cursor>,
}

/// How many rows there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Patients, by (Patient ID, issuer).
    pub patients: u64,
    /// Studies.
    pub studies: u64,
    /// Series.
    pub series: u64,
    /// Instances.
    pub instances: u64,
    /// Further versions of instances.
    pub other_versions: u64,
}

/// A study as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudySummary {
    /// All its instances.
    pub instances: SetDigest,
    /// Its series, by row number.
    pub series: Vec<SeriesSummary>,
}

/// A series as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesSummary {
    /// Series Instance UID.
    pub series: SeriesUid,
    /// All its instances.
    pub instances: SetDigest,
}
