//! What a member shows of a series: an IMAGE-level C-FIND in the Study Root model (PS3.4 section C.4.1).

use outrigger_dimse::Association;
use outrigger_model::{Answer, Query, QueryKey, SeriesUid, SopClassUid, StatusClass, StudyUid, Tag};

use super::call::refused;
use super::fetch::Wanted;
use super::find::{Next, OPERATION, Putting};
use crate::contract::{Found, MemberError};
use crate::series::{INSTANCES_MAX, instance_of, query};

/// The member answers without end.
#[derive(Debug, thiserror::Error)]
#[error("it shows more than {INSTANCES_MAX} instances of one series")]
struct TooMany;

/// What a member shows of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing.
    Not,
    /// That it is there, and not its class.
    OfNoClass,
    /// That it is there, with this class.
    Of(SopClassUid),
}

/// The instances of a series that the member shows.
pub(super) async fn find(
    association: &mut Association,
    study: &StudyUid,
    series: &SeriesUid,
) -> Result<Found, MemberError> {
    let mut found = Found::default();
    let taken = |answer: &Answer| found.instances.extend(instance_of(answer, series));
    each_answer(association, &query(study, series, ""), taken).await?;
    Ok(found)
}

/// What the member shows of an instance: whether it is there, and of which class.
pub(super) async fn shown(association: &mut Association, wanted: Wanted<'_>) -> Result<Shown, MemberError> {
    let Wanted { study, series, instance } = wanted;
    let mut query = query(study, series, instance.as_str());
    query.keys.push(QueryKey { tag: Tag::SOP_CLASS_UID, value: String::new() });
    let mut shown = Shown::Not;
    let taken = |answer: &Answer| {
        if instance_of(answer, series).as_ref() == Some(instance) {
            shown = class_of(answer).map_or(Shown::OfNoClass, Shown::Of);
        }
    };
    each_answer(association, &query, taken).await?;
    Ok(shown)
}

/// Puts an IMAGE-level query and hands each answer on.
async fn each_answer(
    association: &mut Association,
    query: &Query,
    mut taken: impl FnMut(&Answer),
) -> Result<(), MemberError> {
    let mut putting = Putting::put(association, query).await?;
    for _ in 0..INSTANCES_MAX {
        match putting.next(association).await? {
            Next::Match(answer) => taken(&answer),
            Next::End(status) if status.class() == StatusClass::Failure => {
                return Err(refused(OPERATION, status));
            }
            Next::End(status) if status.class() == StatusClass::Cancel => {
                return Err(refused(OPERATION, status));
            }
            Next::End(_) => return Ok(()),
        }
    }
    Err(MemberError::Lost { operation: OPERATION, source: Box::new(TooMany) })
}

/// The SOP class of an answer, where the member gives a usable one.
fn class_of(answer: &Answer) -> Option<SopClassUid> {
    answer.value(Tag::SOP_CLASS_UID).and_then(|uid| SopClassUid::new(uid).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_an_answer_is_known_where_it_is_usable() {
        for (value, class) in [("1.2.840.10008.5.1.4.1.1.2", true), ("", false), ("1 2", false)] {
            let answer = Answer { attributes: vec![(Tag::SOP_CLASS_UID, value.to_owned())] };
            assert_eq!(class_of(&answer).is_some(), class, "{value}");
        }
        assert_eq!(class_of(&Answer { attributes: Vec::new() }), None);
    }
}
