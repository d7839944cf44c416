//! What a member showed once and shows no more: it is taken out of those who hold it, once that is sure.
//!
//! A member that answers partially must not lose what it has. That it does not list an instance counts where the number of instances it says
//! it has of the study is that of those it lists; else it is asked for the instance by itself, and for one that it lists, which it must then find.

use std::collections::BTreeSet;

use outrigger_catalogue::{Current, Cursor, Located};
use outrigger_ledger::Ledger;
use outrigger_model::{Level, MemberNumber, QueryKey, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag};

use super::asking::Asking;
use super::listing::{Listed, StudyAnswer, query, value};
use super::sweep::Ended;
use super::take::TakeError;

/// Instances looked at in one question to the catalogue.
const PAGE: usize = 500;

/// Instances of a study that a member is asked for by themselves in one inventory: some seconds of it; the next one goes on.
const ASKED_MAX: usize = 100;

/// Takes the member out of those who hold what is gone from it of a study; gives of how many instances.
pub(crate) async fn take_out(
    ledger: &Ledger,
    member: MemberNumber,
    asking: &mut Asking<'_>,
    study: &StudyAnswer,
    listed: &Listed,
) -> Result<u64, TakeError> {
    if listed.unlisted > 0 {
        return Ok(0);
    }
    let mut missing = not_listed(ledger, member, listed).await?;
    if missing.is_empty() {
        return Ok(0);
    }
    match study.instances {
        // Some count nothing and say 0.
        Some(count) if count > 0 && count == listed.instances.count => {}
        Some(_) => return Ok(0),
        None => missing = denied(asking, listed, missing).await?,
    }
    let missing = missing.into_iter().map(|found| found.sop_instance).collect();
    Ok(ledger.departed(member, missing).await?)
}

/// What the catalogue says the member holds of the study, and it does not list.
async fn not_listed(
    ledger: &Ledger,
    member: MemberNumber,
    listed: &Listed,
) -> Result<Vec<Located>, TakeError> {
    let series = listed.seen.series.iter();
    let shown: BTreeSet<&SopInstanceUid> =
        series.flat_map(|series| &series.instances).map(|instance| &instance.sop_instance).collect();
    let mut missing = held(ledger, member, &listed.seen.study).await?;
    missing.retain(|found| !shown.contains(&found.sop_instance));
    Ok(missing)
}

/// What the catalogue says the member holds of a study that never came through here.
pub(super) async fn held(
    ledger: &Ledger,
    member: MemberNumber,
    study: &StudyUid,
) -> Result<Vec<Located>, TakeError> {
    let is_held = |found: &Located| match &found.current {
        Current::Inherited(inherited) => inherited.members.contains(member),
        Current::Kept(_) => false,
    };
    let (mut held, mut next) = (Vec::new(), Some(Cursor::default()));
    while let Some(after) = next {
        let page = ledger.select(Selection::Studies(vec![study.clone()]), after, PAGE).await?;
        held.extend(page.items.into_iter().filter(&is_held));
        next = page.next;
    }
    Ok(held)
}

/// Those that the member does not find when it is asked for each, if it finds one that it lists.
async fn denied(
    asking: &mut Asking<'_>,
    listed: &Listed,
    missing: Vec<Located>,
) -> Result<Vec<Located>, TakeError> {
    let study = &listed.seen.study;
    let Some((series, control)) = control(listed) else { return Ok(Vec::new()) };
    if !finds(asking, study, series.as_str(), &control).await? {
        return Ok(Vec::new());
    }
    let mut gone = Vec::new();
    for found in missing.into_iter().take(ASKED_MAX) {
        let series = found.series.as_ref().map_or("", |series| series.as_str());
        if !finds(asking, study, series, &found.sop_instance).await? {
            gone.push(found);
        }
    }
    Ok(gone)
}

/// An instance that is listed.
fn control(listed: &Listed) -> Option<(SeriesUid, SopInstanceUid)> {
    let series = listed.seen.series.iter().find(|series| !series.instances.is_empty())?;
    Some((series.series.clone(), series.instances.first()?.sop_instance.clone()))
}

/// Whether the member may have an instance: an answer that was cut short says nothing against it.
async fn finds(
    asking: &mut Asking<'_>,
    study: &StudyUid,
    series: &str,
    instance: &SopInstanceUid,
) -> Result<bool, TakeError> {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    let keys = vec![
        key(Tag::STUDY_INSTANCE_UID, study.as_str()),
        key(Tag::SERIES_INSTANCE_UID, series),
        key(Tag::SOP_INSTANCE_UID, instance.as_str()),
    ];
    let (answers, ended) = asking.ask(&query(Level::Image, keys)).await?;
    let is_it = |uid: &str| uid == instance.as_str();
    Ok(ended == Ended::Short || answers.iter().any(|answer| is_it(value(answer, Tag::SOP_INSTANCE_UID))))
}
