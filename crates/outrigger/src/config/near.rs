//! Which word is meant by one that is unknown.

use strsim::osa_distance;

/// The known word that a slip or two of the pen turn into the unknown one: one in three letters at most. A slip is a letter that is
/// missing, too many or another, or two in each other's place.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let letters = |word: &str| word.chars().count();
    let close = |word: &'k str| {
        let slips = osa_distance(unknown, word);
        (slips * 3 <= letters(unknown).max(letters(word))).then_some((slips, word))
    };
    known.filter_map(close).min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_that_is_close_is_meant() {
        for (unknown, known, meant) in [
            ("nmae", &["data", "name"][..], Some("name")),
            ("date", &["data", "name"], Some("data")),
            ("conections", &["confirm", "connections"], Some("connections")),
            ("modality", &["modalities", "newer_than"], Some("modalities")),
            ("fronts", &["front", "peer"], Some("front")),
            ("url", &["address", "tls"], None),
            ("password", &["address", "ae_title"], None),
            ("archive", &["peer", "viewer"], None),
            ("colour", &["data", "name"], None),
            ("", &["tls"], None),
            ("\u{fc}mlaut", &["data"], None),
        ] {
            assert_eq!(nearest(unknown, known.iter().copied()), meant, "{unknown}");
        }
    }

    #[test]
    fn letters_that_changed_places_are_one_slip() {
        for (one, two, count) in
            [("abc", "abc", 0), ("abc", "acb", 1), ("", "abc", 3), ("tsl", "tls", 1), ("url", "tls", 3)]
        {
            assert_eq!((osa_distance(one, two), osa_distance(two, one)), (count, count), "{one} {two}");
        }
    }
}
