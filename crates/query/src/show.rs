//! What every answer passes on its way out, whoever gave it.

use outrigger_catalogue::{ItemsWanted, is_single};
use outrigger_model::{Answer, Level, Query, Tag};

/// An answer as it is shown to whoever asked; `None` where it is not.
///
/// The one place for what corrects and hides answers: pure, so that it holds for every source of answers alike.
#[expect(
    clippy::unnecessary_wraps,
    reason = "what hides answers stands here, when there is something to hide"
)]
pub(crate) fn show(query: &Query, mut answer: Answer) -> Option<Answer> {
    // The character set is that of who answered, and not of the answer that goes out.
    let is_asked = |tag: Tag| query.keys.iter().any(|key| key.tag == tag);
    answer.attributes.retain(|(tag, _)| *tag != Tag::SPECIFIC_CHARACTER_SET && is_asked(*tag));
    for wanted in query.keys.iter().filter_map(|key| ItemsWanted::of(key, query.rules)) {
        // An archive may return the whole of a sequence, and items that were not asked for.
        let found = answer.attributes.iter_mut().filter(|(tag, _)| *tag == wanted.sequence);
        found.for_each(|(_, items)| *items = wanted.out_of(items));
    }
    for key in &query.keys {
        let is_missing = !answer.attributes.iter().any(|(tag, _)| *tag == key.tag);
        if is_missing && key.tag == Tag::INSTANCE_AVAILABILITY {
            // Journal and members keep what they have on disk (PS3.3 section C.4.23.1.1).
            answer.attributes.push((key.tag, "ONLINE".to_owned()));
        } else if is_missing && is_above(query.level, key.tag) && is_single(key.tag, &key.value) {
            // An archive may leave out what stood in the question: the UID of the level above.
            answer.attributes.push((key.tag, key.value.trim_matches([' ', '\0']).to_owned()));
        }
    }
    Some(answer)
}

/// Whether an attribute names something above what is asked for.
fn is_above(level: Level, tag: Tag) -> bool {
    (tag == Tag::STUDY_INSTANCE_UID && level > Level::Study)
        || (tag == Tag::SERIES_INSTANCE_UID && level > Level::Series)
}

#[cfg(test)]
mod tests {
    use outrigger_model::{QueryKey, QueryRoot};

    use super::*;

    #[test]
    fn what_was_asked_for_is_shown_and_nothing_else() {
        let keys = [
            (Tag::STUDY_INSTANCE_UID, "1.2\0"),
            (Tag::SERIES_INSTANCE_UID, ""),
            (Tag::SOP_INSTANCE_UID, "1.9"),
            (Tag::INSTANCE_AVAILABILITY, ""),
        ];
        let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).to_vec();
        let query = Query::new(QueryRoot::Study, Level::Series, keys);
        let said = [(Tag::SERIES_INSTANCE_UID, "1.3"), (Tag::PATIENT_NAME, "DOE")];
        let said = said.map(|(tag, value)| (tag, value.to_owned())).to_vec();
        let shown = show(&query, Answer { attributes: said }).unwrap();
        let expected = [
            (Tag::SERIES_INSTANCE_UID, "1.3".to_owned()),
            (Tag::STUDY_INSTANCE_UID, "1.2".to_owned()),
            (Tag::INSTANCE_AVAILABILITY, "ONLINE".to_owned()),
        ];
        assert_eq!(shown.attributes, expected);
    }
}
