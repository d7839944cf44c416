//! Asking which instances of a series a member shows, in the words of the model: one question for every protocol.

use outrigger_model::{Answer, Level, Query, QueryKey, QueryRoot, SeriesUid, SopInstanceUid, StudyUid, Tag};

/// Most instances of a series taken from a member: ten times the largest series seen, and a bound for one that never stops.
pub(crate) const INSTANCES_MAX: usize = 200_000;

/// An IMAGE-level query for one instance of a series, or for all where `instance` is empty.
pub(crate) fn query(study: &StudyUid, series: &SeriesUid, instance: &str) -> Query {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    Query::new(
        QueryRoot::Study,
        Level::Image,
        vec![
            key(Tag::STUDY_INSTANCE_UID, study.as_str()),
            key(Tag::SERIES_INSTANCE_UID, series.as_str()),
            key(Tag::SOP_INSTANCE_UID, instance),
        ],
    )
}

/// The instance of an answer, unless the member says that it is of another series: some do not match every key.
pub(crate) fn instance_of(answer: &Answer, series: &SeriesUid) -> Option<SopInstanceUid> {
    let elsewhere = answer.value(Tag::SERIES_INSTANCE_UID).is_some_and(|found| found != series.as_str());
    let uid = answer.value(Tag::SOP_INSTANCE_UID).filter(|_| !elsewhere)?;
    SopInstanceUid::new(uid)
        .inspect_err(|error| tracing::warn!(%error, "a member shows an instance without a usable UID"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
