//! What a member shows of a series: an IMAGE-level C-FIND in the Study Root model (PS3.4 section C.4.1).

use outrigger_dimse::Association;
use outrigger_model::{
    Answer, Level, Query, QueryKey, QueryRoot, SeriesUid, SopClassUid, SopInstanceUid, StatusClass, StudyUid,
    Tag,
};

use super::call::refused;
use super::fetch::Wanted;
use super::find::{Next, OPERATION, Putting};
use crate::contract::{Found, MemberError};

/// Most instances of a series taken from a member: ten times the largest series seen, and a bound for one that never stops.
const INSTANCES_MAX: usize = 200_000;

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

fn query(study: &StudyUid, series: &SeriesUid, instance: &str) -> Query {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    Query::new(
        QueryRoot::Study,
        Level::Image,
        vec![
            key(Tag::SOP_INSTANCE_UID, instance),
            key(Tag::STUDY_INSTANCE_UID, study.as_str()),
            key(Tag::SERIES_INSTANCE_UID, series.as_str()),
        ],
    )
}

fn value(answer: &Answer, tag: Tag) -> Option<&str> {
    answer.attributes.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.as_str())
}

/// The SOP class of an answer, where the member gives a usable one.
fn class_of(answer: &Answer) -> Option<SopClassUid> {
    value(answer, Tag::SOP_CLASS_UID).and_then(|uid| SopClassUid::new(uid).ok())
}

/// The instance of an answer, unless the member says that it is of another series: some do not match every key.
fn instance_of(answer: &Answer, series: &SeriesUid) -> Option<SopInstanceUid> {
    let elsewhere = value(answer, Tag::SERIES_INSTANCE_UID).is_some_and(|found| found != series.as_str());
    let uid = value(answer, Tag::SOP_INSTANCE_UID).filter(|_| !elsewhere)?;
    SopInstanceUid::new(uid)
        .inspect_err(|error| tracing::warn!(%error, "a member shows an instance without a usable UID"))
        .ok()
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

    #[test]
    fn answers_of_other_series_do_not_count() {
        let series = SeriesUid::known("1.2");
        let answer = |attributes: &[(Tag, &str)]| Answer {
            attributes: attributes.iter().map(|(tag, value)| (*tag, (*value).to_owned())).collect(),
        };
        let instance = (Tag::SOP_INSTANCE_UID, "1.2.3");
        for (attributes, found) in [
            (&[instance, (Tag::SERIES_INSTANCE_UID, "1.2")][..], Some("1.2.3")),
            (&[instance], Some("1.2.3")),
            (&[instance, (Tag::SERIES_INSTANCE_UID, "1.9")], None),
            (&[(Tag::SERIES_INSTANCE_UID, "1.2")], None),
            (&[(Tag::SOP_INSTANCE_UID, "1 2")], None),
        ] {
            let instance = instance_of(&answer(attributes), &series);
            assert_eq!(instance.as_ref().map(SopInstanceUid::as_str), found);
        }
    }
}
