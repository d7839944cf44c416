//! Answering queries and listing selections, page by page, the same over every database.

use std::collections::BTreeSet;

use outrigger_model::{Answer, Level, Query, Selection, SopInstanceUid};

use crate::decide;
use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::narrow::Narrow;
use crate::plan::Plan;
use crate::rows::{Joined, Numbered};
use crate::shown::{Related, Shown};
use crate::tables::View;
use crate::{Cursor, Located, Page, RowNumbers};

/// Rows looked at for one page: some 10 ms of work, then others have their turn.
const ROWS_PER_PAGE_MAX: usize = 1000;

/// Rows read together: a server then answers in few round trips, and little is read in vain behind the last that was wanted.
const ROWS_AT_ONCE_MAX: usize = 256;

/// Findings of one check: a file damaged throughout needs no longer list to be rebuilt.
pub(crate) const FINDINGS_MAX: usize = 100;

/// Answers a query from `after` on.
pub(crate) fn find(
    view: &dyn View,
    query: &Query,
    after: Cursor,
    limit: usize,
) -> Result<Page<Answer>, CatalogueError> {
    let plan = Plan::of(query);
    let shown = Shown::of(view)?;
    scan(view, plan.level, &plan.narrow, after, limit, |row| {
        if !plan.matches(row) || shown.is_vacant(view, plan.level, row)? {
            return Ok(None);
        }
        let related =
            if plan.wants_related() { shown.related(view, row.patient.number)? } else { Related::default() };
        Ok(Some(plan.answer(row, related)))
    })
}

/// Lists a selection from `after` on.
pub(crate) fn select(
    view: &dyn View,
    selection: &Selection,
    after: Cursor,
    limit: usize,
) -> Result<Page<Located>, CatalogueError> {
    let narrow = match selection {
        Selection::Instances { instances, .. } => return select_instances(view, instances, after, limit),
        Selection::Patient { patient_id } => Narrow::PatientId(patient_id.clone()),
        Selection::Studies(studies) => Narrow::Studies(studies.iter().map(ToString::to_string).collect()),
        Selection::Series { series, .. } => Narrow::Series(series.iter().map(ToString::to_string).collect()),
    };
    scan(view, Level::Image, &narrow, after, limit, |row| {
        if selects(selection, row) { located(view, row) } else { Ok(None) }
    })
}

fn selects(selection: &Selection, row: &Joined) -> bool {
    let (Some(study), Some(series)) = (&row.study, &row.series) else { return false };
    match selection {
        Selection::Patient { patient_id } => row.patient.row.key.patient_id == *patient_id,
        Selection::Studies(studies) => studies.contains(&study.uid),
        Selection::Series { study: wanted, series: any } => {
            wanted.as_ref().is_none_or(|wanted| study.uid == *wanted) && any.contains(&series.uid)
        }
        Selection::Instances { instances, .. } => {
            row.instance.as_ref().is_some_and(|instance| instances.contains(&instance.row.uid))
        }
    }
}

/// Looks an instance up, one outside patients and studies and one that is not shown too.
pub(crate) fn lookup(view: &dyn View, uid: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
    let Some(instance) = view.instance(uid)? else { return Ok(None) };
    if instance.row.series.is_some() {
        let row = view.joined(Level::Image, instance.number)?;
        return row.map_or(Ok(None), |row| located(view, &row));
    }
    let withheld = decide::look(view, uid)?.map(Box::new);
    let Numbered { number, row } = instance;
    let others = if row.other_versions > 0 { view.versions(number)? } else { Vec::new() };
    Ok(Some(Located {
        rows: RowNumbers { instance: number, parents: None },
        sop_class: row.sop_class,
        sop_instance: row.uid,
        study: None,
        series: None,
        current: row.current,
        others,
        withheld,
    }))
}

/// Goes through the candidates from `after` on until `limit` are taken or enough are looked at.
fn scan<T>(
    view: &dyn View,
    level: Level,
    narrow: &Narrow,
    after: Cursor,
    limit: usize,
    mut take: impl FnMut(&Joined) -> Result<Option<T>, CatalogueError>,
) -> Result<Page<T>, CatalogueError> {
    let numbers = view.candidates(level, narrow, after.0, ROWS_PER_PAGE_MAX)?;
    let mut items = Vec::new();
    let mut at_once = limit.clamp(1, ROWS_AT_ONCE_MAX);
    let mut rest = numbers.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at_checked(at_once).unwrap_or((rest, &[]));
        for (number, row) in view.joined_each(level, now)? {
            items.extend(take(&row)?);
            if items.len() >= limit {
                return Ok(Page { items, next: Some(Cursor(number)) });
            }
        }
        rest = later;
        at_once = at_once.saturating_mul(2).min(ROWS_AT_ONCE_MAX);
    }
    let more = numbers.last().filter(|_| numbers.len() >= ROWS_PER_PAGE_MAX);
    Ok(Page { items, next: more.map(|last| Cursor(*last)) })
}

fn located(view: &dyn View, row: &Joined) -> Result<Option<Located>, CatalogueError> {
    let (Some(study), Some(series), Some(instance)) = (&row.study, &row.series, &row.instance) else {
        return Ok(None);
    };
    let Numbered { number, row: instance } = instance;
    let Some(series_number) = instance.series else { return Ok(None) };
    let others = if instance.other_versions > 0 { view.versions(*number)? } else { Vec::new() };
    let parents = ParentNumbers { series: series_number, study: series.study, patient: row.patient.number };
    Ok(Some(Located {
        rows: RowNumbers { instance: *number, parents: Some(parents) },
        sop_class: instance.sop_class.clone(),
        sop_instance: instance.uid.clone(),
        study: Some(study.uid.clone()),
        series: Some(series.uid.clone()),
        current: instance.current.clone(),
        others,
        withheld: None,
    }))
}

/// Single instances, in the order they are named; the cursor counts names.
fn select_instances(
    view: &dyn View,
    instances: &[SopInstanceUid],
    after: Cursor,
    limit: usize,
) -> Result<Page<Located>, CatalogueError> {
    let done = usize::try_from(after.0).unwrap_or(usize::MAX);
    let limit = limit.min(ROWS_PER_PAGE_MAX);
    let mut named: BTreeSet<&SopInstanceUid> = instances.iter().take(done).collect();
    let wanted: Vec<_> = instances.iter().skip(done).take(limit).filter(|uid| named.insert(uid)).collect();
    let found = view.lookup_each(&wanted)?.into_iter().flatten();
    let items = found.filter(|located| located.withheld.is_none()).collect();
    let reached = done.saturating_add(limit);
    let next = (reached < instances.len()).then_some(Cursor(reached as u64));
    Ok(Page { items, next })
}
