//! One answer out of several about the same: scalars by preference, sets united, counts of the fullest copy.

use outrigger_catalogue::Held;
use outrigger_model::{Answer, Tag};

use crate::choose::Content;

/// What one member says of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Whether the catalogue knows what the member holds.
    pub(crate) content: Content,
    pub(crate) held: Held,
    pub(crate) answer: Answer,
}

/// Attributes that list what is below.
const SETS: [Tag; 2] = [Tag::MODALITIES_IN_STUDY, Tag::SOP_CLASSES_IN_STUDY];

/// Attributes that count what is below.
const COUNTS: [Tag; 6] = [
    Tag::PATIENT_RELATED_STUDIES,
    Tag::PATIENT_RELATED_SERIES,
    Tag::PATIENT_RELATED_INSTANCES,
    Tag::STUDY_RELATED_SERIES,
    Tag::STUDY_RELATED_INSTANCES,
    Tag::SERIES_RELATED_INSTANCES,
];

/// Names that are asked for.
const NAMES: [Tag; 2] = [Tag::PATIENT_NAME, Tag::REFERRING_PHYSICIAN];

/// What a decoder leaves where a character could not be read.
const UNREADABLE: char = char::REPLACEMENT_CHARACTER;

/// Unites what the catalogue and members, the preferred first, say of the same.
pub(crate) fn unite(catalogue: Option<&Answer>, parts: &[Part]) -> Answer {
    let mut tags: Vec<Tag> = Vec::new();
    let answers = parts.iter().map(|part| &part.answer).chain(catalogue);
    for (tag, _) in answers.flat_map(|answer| &answer.attributes) {
        if !tags.contains(tag) {
            tags.push(*tag);
        }
    }
    let attributes = tags.into_iter().filter_map(|tag| {
        let known = catalogue.and_then(|answer| value(answer, tag));
        let said = || parts.iter().filter_map(|part| Some((part.content, value(&part.answer, tag)?)));
        let united = if COUNTS.contains(&tag) {
            count(known, said())
        } else if tag == Tag::INSTANCE_AVAILABILITY {
            // What the catalogue knows can be had at once: whoever asks for it need not wait for an archive's tapes.
            if catalogue.is_some() { None } else { nearest(said().map(|(_, value)| value)) }
        } else if SETS.contains(&tag) {
            set(known.into_iter().chain(said().map(|(_, value)| value)))
        } else {
            scalar(tag, said().map(|(_, value)| value).chain(known))
        };
        Some((tag, united?))
    });
    Answer { attributes: attributes.collect() }
}

fn value(answer: &Answer, tag: Tag) -> Option<&str> {
    answer.value(tag).filter(|value| !value.is_empty())
}

/// The first, or the one of which it is a damaged form; whole, never put together of several.
fn scalar<'a>(tag: Tag, values: impl Iterator<Item = &'a str>) -> Option<String> {
    let best = values.reduce(|best, value| if is_damaged(tag, best, value) { value } else { best });
    best.map(str::to_owned)
}

/// Whether an archive that could not keep or write the characters of `whole` shows it so.
fn is_damaged(tag: Tag, shown: &str, whole: &str) -> bool {
    let unreadable = shown.contains(UNREADABLE) && !whole.contains(UNREADABLE);
    // Orthanc leaves the ideographic and phonetic groups of a name out where its character set has no letters for them.
    let rest = if NAMES.contains(&tag) { whole.strip_prefix(shown) } else { None };
    unreadable || is_masked(shown, whole) || rest.is_some_and(|rest| rest.starts_with('='))
}

/// Whether question marks stand for the characters beyond ASCII.
fn is_masked(shown: &str, whole: &str) -> bool {
    let like = |(shown, whole): (char, char)| shown == whole || (shown == '?' && !whole.is_ascii());
    shown != whole
        && shown.chars().count() == whole.chars().count()
        && shown.chars().zip(whole.chars()).all(like)
}

fn set<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: Vec<&str> = values.flat_map(|list| list.split('\\')).map(str::trim).collect();
    all.retain(|value| !value.is_empty());
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| all.join("\\"))
}

/// Instance Availability (PS3.3 section C.4.23.1.1), from the nearest to the farthest.
const AVAILABILITY: [&str; 4] = ["ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE"];

fn nearest<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let far = values.filter_map(|value| AVAILABILITY.iter().position(|known| *known == value.trim()));
    far.min().and_then(|place| AVAILABILITY.get(place)).map(|value| (*value).to_owned())
}

/// The catalogue's where it knows what all of these members hold; else of the fullest copy.
fn count<'a>(known: Option<&str>, said: impl Iterator<Item = (Content, &'a str)>) -> Option<String> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let known = known.and_then(number);
    let fullest = said
        .filter(|(content, _)| known.is_none() || *content == Content::Unknown)
        .filter_map(|(_, value)| number(value))
        .chain(known)
        .max();
    fullest.map(|count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(attributes: &[(Tag, &str)]) -> Answer {
        let attributes = attributes.iter().map(|(tag, value)| (*tag, (*value).to_owned()));
        Answer { attributes: attributes.collect() }
    }

    fn part(content: Content, attributes: &[(Tag, &str)]) -> Part {
        Part { content, held: Held::Matches, answer: answer(attributes) }
    }

    fn united(catalogue: Option<&str>, said: &[(Content, &str)], tag: Tag) -> Option<String> {
        let parts = said.iter().map(|(content, value)| part(*content, &[(tag, value)]));
        let catalogue = catalogue.map(|value| answer(&[(tag, value)]));
        let united = unite(catalogue.as_ref(), &parts.collect::<Vec<_>>());
        value(&united, tag).map(str::to_owned)
    }

    #[test]
    fn counts_are_the_catalogues_or_of_the_fullest_copy() {
        use Content::{Inventoried, Unknown};
        for (known, said, count) in [
            (Some("5"), vec![(Inventoried, "9"), (Inventoried, "3")], "5"),
            (Some("5"), vec![(Unknown, "9"), (Unknown, "3")], "9"),
            (Some("5"), vec![(Unknown, "3")], "5"),
            (Some("5"), vec![(Unknown, "many")], "5"),
            (None, vec![(Inventoried, "4"), (Unknown, "7")], "7"),
            (None, vec![(Inventoried, "9"), (Unknown, "7")], "9"),
        ] {
            let found = united(known, &said, Tag::STUDY_RELATED_INSTANCES);
            assert_eq!(found.as_deref(), Some(count), "{known:?} {said:?}");
        }
    }

    #[test]
    fn availability_is_the_nearest_of_those_that_have_it_and_ours_where_the_catalogue_knows_it() {
        use Content::Inventoried;
        let said = [(Inventoried, "OFFLINE"), (Inventoried, "NEARLINE "), (Inventoried, "SOMEWHERE")];
        assert_eq!(united(None, &said, Tag::INSTANCE_AVAILABILITY).as_deref(), Some("NEARLINE"));
        assert_eq!(
            united(Some("ONLINE"), &said, Tag::INSTANCE_AVAILABILITY),
            None,
            "added where it is shown"
        );
    }

    #[test]
    fn sets_are_united_and_scalars_taken_whole() {
        use Content::Inventoried;
        let modalities = [(Inventoried, "PR\\CT"), (Inventoried, "CT \\SR")];
        assert_eq!(united(Some("CT\\KO"), &modalities, Tag::MODALITIES_IN_STUDY).unwrap(), "CT\\KO\\PR\\SR");
        for (catalogue, said, name) in [
            (Some("DOE^JANE"), vec![(Inventoried, "DOE^JANE^M"), (Inventoried, "ROE")], "DOE^JANE^M"),
            (Some("M\u{FC}LLER"), vec![(Inventoried, "M\u{FFFD}LLER")], "M\u{FC}LLER"),
            (None, vec![(Inventoried, "M\u{FFFD}LLER")], "M\u{FFFD}LLER"),
            (Some("DOE"), vec![(Inventoried, "")], "DOE"),
            (Some("Y^T=\u{5C71}^\u{592A}"), vec![(Inventoried, "Y^T=?^?")], "Y^T=\u{5C71}^\u{592A}"),
            (Some("Y^T=\u{5C71}^\u{592A}"), vec![(Inventoried, "Y^T")], "Y^T=\u{5C71}^\u{592A}"),
            (Some("WHO"), vec![(Inventoried, "WH?")], "WH?"),
            (Some("Y^Tom"), vec![(Inventoried, "Y^T")], "Y^T"),
        ] {
            assert_eq!(united(catalogue, &said, Tag::PATIENT_NAME).unwrap(), name);
        }
    }
}
