//! Whether the new archive has all that the old one has.

use outrigger_catalogue::{Cursor, Located, StudySummary};

use super::copy::instance;
use super::{MigrateError, Moved, Sides, catalogue};
use crate::blobs::Kept;
use crate::scrub::checked;

/// Studies compared at once.
const PAGE: usize = 500;

/// Compares how much there is, and the digests of every study and series.
pub(super) async fn catalogues(sides: &Sides) -> Result<(), MigrateError> {
    let old = sides.old_reader.ask(|old| old.counts()).await.map_err(catalogue)?;
    let new = sides.new_catalogue.ask(|new| new.counts()).await.map_err(catalogue)?;
    if old != new {
        return Err(MigrateError::Counts { old, new });
    }
    let mut from = Some(Cursor::default());
    while let Some(after) = from {
        let listed = sides.old_reader.ask(move |old| {
            let page = old.list_studies(after, PAGE)?;
            let studies = page.items.into_iter().map(|entry| Ok((old.summary(&entry.study)?, entry.study)));
            Ok((studies.collect::<Result<Vec<_>, _>>()?, page.next))
        });
        let (studies, next) = listed.await.map_err(catalogue)?;
        for (old, study) in studies {
            let asked = study.clone();
            let new = sides.new_catalogue.ask(move |new| new.summary(&asked)).await.map_err(catalogue)?;
            if sorted(old) != sorted(new) {
                return Err(MigrateError::Study { study });
            }
        }
        from = next;
    }
    Ok(())
}

/// Series in the order of their UIDs: the numbers of rows differ.
fn sorted(summary: Option<StudySummary>) -> Option<StudySummary> {
    summary.map(|mut summary| {
        summary.series.sort_by(|one, two| one.series.cmp(&two.series));
        summary
    })
}

/// Reads every version of the instances of a part in the new archive, and holds it against its digest.
pub(super) async fn objects(sides: &Sides, part: Vec<Kept>, moved: &mut Moved) -> Result<(), MigrateError> {
    for kept in part {
        let Some(old) = instance(sides, &kept).await? else { continue };
        let uid = old.sop_instance.clone();
        let new = sides.new_catalogue.ask(move |new| new.lookup(&uid)).await.map_err(catalogue)?;
        let missing = || MigrateError::Missing { sop_instance: old.sop_instance.clone() };
        let new = new.ok_or_else(missing)?;
        let digests =
            |located: &Located| located.versions().map(|version| version.sha256).collect::<Vec<_>>();
        if digests(&old) != digests(&new) {
            return Err(missing());
        }
        let Some(version) = new.versions().find(|version| Some(version.sha256) == kept.sha256).cloned()
        else {
            continue;
        };
        let blobs = sides.new.clone();
        let read = sides.threads.blocking("copy of an object", move || checked(&*blobs, &version)).await;
        read.map_err(MigrateError::Lost)?.map_err(|source| MigrateError::BadCopy {
            sop_instance: old.sop_instance.clone(),
            source: Box::new(source),
        })?;
        moved.verified += 1;
    }
    Ok(())
}
