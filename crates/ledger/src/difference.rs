//! What differs between two versions of an object, told to people: the books note one word of the comparison.

use outrigger_model::Seq;

use crate::entry::{EntryRow, Relation};

/// What stands before the comparison's word.
const BEFORE_THE_WORD: &str = "differs from what was sent: ";

/// The words of a comparison (`dataset::normal::Verdict`), and what they mean.
const WORDS: [(&str, &str); 6] = [
    (
        "Demographic",
        "patient, study or order attributes (such as the patient's name) are others; the rest is the same",
    ),
    ("PrivateLoss", "private elements are missing or altered; the rest is the same"),
    (
        "DemographicAndPrivateLoss",
        "patient, study or order attributes are others and private elements are missing or altered; the rest is the same",
    ),
    ("Content", "technical attributes or pixels are others"),
    ("Relocated", "it is there under another study or series"),
    ("OtherObject", "it is another object"),
];

/// Where a comparison could not be made.
const NOT_COMPARABLE: (&str, &str) =
    ("NotComparable", "the bytes are others, and what they mean could not be compared");

/// A text with the comparison's word told in words; any other text as it is.
pub(crate) fn in_words(text: &str) -> String {
    let Some((before, after)) = text.split_once(BEFORE_THE_WORD) else { return text.to_owned() };
    let (word, rest) =
        after.split_at(after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len()));
    match WORDS.iter().chain([&NOT_COMPARABLE]).find(|(known, _)| *known == word) {
        Some((_, words)) => format!("{before}{BEFORE_THE_WORD}{words}{rest}"),
        None => text.to_owned(),
    }
}

/// The entry that came before under the same SOP Instance UID, with other content as far as is known.
pub(crate) fn earlier(entry: &EntryRow) -> Option<Seq> {
    match entry.relation {
        Relation::Uncompared(earlier) | Relation::Contradicts(earlier) => Some(earlier),
        Relation::First | Relation::RepeatOf(_) | Relation::ReEncodes(_) => None,
    }
}

/// A difference, and that it is of a second object under its UID, unless the text says so.
pub(crate) fn with_earlier(text: String, entry: &EntryRow) -> String {
    match earlier(entry) {
        Some(earlier) if !text.contains("came before") => format!(
            "{text}; this is a second object under its SOP Instance UID, entry {earlier} came before, \
             and the member may have kept that one"
        ),
        _ => text,
    }
}

/// What a person can do about a member that shows another object than the second one under its UID.
pub(crate) fn next_step(earlier: Seq) -> String {
    format!(
        "see at the member which version it has; for this one remove entry {earlier}'s there and `retry`, \
         to leave entry {earlier}'s there `write-off`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_in_words_and_other_texts_as_they_are() {
        for (word, words) in WORDS.iter().chain([&NOT_COMPARABLE]) {
            let noted = format!("what was read back {BEFORE_THE_WORD}{word}");
            let told = in_words(&noted);
            assert_eq!(told, format!("what was read back {BEFORE_THE_WORD}{words}"));
            assert!(!told.contains(word), "{told}");
            assert_eq!(in_words(&told), told);
            assert_eq!(
                in_words(&format!("{noted}; entry 7 came before")),
                format!("{told}; entry 7 came before")
            );
        }
        for other in ["", "refused", "what was read back differs from what was sent: other pixels"] {
            assert_eq!(in_words(other), other);
        }
    }
}
