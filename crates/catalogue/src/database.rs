//! A catalogue over any database: what is done with rows is decided once, and a database says only how a transaction is had.

use outrigger_model::{
    Answer, MemberNumber, Query, Selection, SeriesUid, SopInstanceUid, StudyUid, WallTime,
};

use crate::feed::Noted;
use crate::tables::{Tables, View};
use crate::wanted::Wanted;
use crate::{
    Catalogue, CatalogueError, CatalogueInstance, Change, Conflict, Counts, Cursor, Decision, Edited,
    Inheritance, Located, Page, Purge, PutOutcome, SeenStudy, StudyEntry, StudySummary, Withheld,
};
use crate::{decide, edit, feed, find, inherit, inventory, put};

/// How a database is worked with; a row is a journey to some.
pub(crate) trait Database: Send {
    /// Works in one transaction, durable when this returns; `wanted` says which rows it may touch. It may be done twice: a server that
    /// was lost does not say what became of the first.
    fn change<T>(
        &mut self,
        doing: &'static str,
        wanted: impl Fn() -> Wanted,
        work: impl Fn(&mut dyn Tables) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError>;

    /// Looks at the rows as they stand.
    fn look<T>(
        &mut self,
        doing: &'static str,
        look: impl Fn(&dyn View) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError>;

    /// See [`Catalogue::reach`].
    fn is_reached(&mut self) -> Result<(), CatalogueError> {
        Ok(())
    }

    /// See [`Catalogue::another`].
    fn handle(&self) -> Result<Box<dyn Catalogue>, CatalogueError>;
}

impl<D: Database> Catalogue for D {
    fn put(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, CatalogueError> {
        let wanted = || Wanted::by_put(instances);
        self.change("entering instances", wanted, |tables| put::put(tables, instances, Noted::Changes))
    }

    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, CatalogueError> {
        let wanted = || Wanted::by_inherit(seen);
        self.change("entering a study that was seen", wanted, |tables| {
            inherit::inherit(tables, member, at, seen)
        })
    }

    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, CatalogueError> {
        let wanted = || Wanted::by_depart(gone);
        self.change("noting what is gone", wanted, |tables| inherit::depart(tables, member, gone))
    }

    fn decide(&mut self, decision: &Decision) -> Result<(), CatalogueError> {
        let wanted = || Wanted::by_decision(decision);
        self.change("applying a decision", wanted, |tables| decide::decide(tables, decision))
    }

    fn decided(&mut self) -> Result<u64, CatalogueError> {
        self.look("reading which decision was the last", |view| decide::last(view))
    }

    fn purge(
        &mut self,
        at: WallTime,
        step: Purge,
        instances: &[SopInstanceUid],
    ) -> Result<(), CatalogueError> {
        let wanted = || Wanted::by_states(instances);
        self.change("noting what is removed", wanted, |tables| decide::purge(tables, at, step, instances))
    }

    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<Withheld>, CatalogueError> {
        self.look("listing what is to go", |view| inventory::due(view, now, limit))
    }

    fn withheld(&mut self, instance: &SopInstanceUid) -> Result<Option<Withheld>, CatalogueError> {
        self.look("reading why an instance is not shown", |view| decide::look(view, instance))
    }

    fn list_withheld(
        &mut self,
        study: Option<&StudyUid>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Withheld)>, CatalogueError> {
        self.look("listing what is not shown", |view| inventory::withheld(view, study, after, limit))
    }

    fn list_studies(&mut self, after: Cursor, limit: usize) -> Result<Page<StudyEntry>, CatalogueError> {
        self.look("listing studies", |view| inventory::studies(view, after, limit))
    }

    fn list_conflicts(&mut self, after: Cursor, limit: usize) -> Result<Page<Conflict>, CatalogueError> {
        self.look("listing conflicts", |view| inventory::conflicts(view, after, limit))
    }

    fn edited(
        &mut self,
        study: &StudyUid,
        series: Option<&SeriesUid>,
    ) -> Result<Option<Edited>, CatalogueError> {
        self.look("reading what was edited", |view| edit::edited(view, study, series))
    }

    fn changes(&mut self, since: u64, limit: usize) -> Result<Vec<Change>, CatalogueError> {
        self.look("reading changes", |view| feed::changes(view, since, limit))
    }

    fn last_change(&mut self) -> Result<u64, CatalogueError> {
        self.look("reading which change was the last", |view| feed::last(view))
    }

    fn lookup(&mut self, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
        self.look("looking an instance up", |view| Ok(view.lookup_each(&[instance])?.pop().flatten()))
    }

    fn lookup_each(&mut self, instances: &[SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        let instances: Vec<_> = instances.iter().collect();
        self.look("looking instances up", |view| view.lookup_each(&instances))
    }

    fn find(&mut self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, CatalogueError> {
        self.look("answering a query", |view| find::find(view, query, after, limit))
    }

    fn select(
        &mut self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, CatalogueError> {
        self.look("listing instances", |view| find::select(view, selection, after, limit))
    }

    fn summary(&mut self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        self.look("reading what a study holds", |view| view.summary(study))
    }

    fn counts(&mut self) -> Result<Counts, CatalogueError> {
        self.look("counting rows", |view| view.counts())
    }

    fn check(&mut self) -> Result<Vec<String>, CatalogueError> {
        self.look("checking rows", |view| view.check())
    }

    fn reach(&mut self) -> Result<(), CatalogueError> {
        self.is_reached()
    }

    fn another(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        self.handle()
    }
}
