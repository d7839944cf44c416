//! Which word is meant by one that is unknown.

/// The known word that a slip or two of the pen turn into the unknown one: one in three letters at most.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let letters = |word: &str| word.chars().count();
    let close = |word: &'k str| {
        let slips = slips(unknown, word);
        (slips * 3 <= letters(unknown).max(letters(word))).then_some((slips, word))
    };
    known.filter_map(close).min().map(|(_, word)| word)
}

/// How many letters are missing, too many or others, or stand in each other's place.
fn slips(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=two.len()).collect());
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut this = vec![row + 1];
        let mut left = None;
        for (column, other) in two.iter().copied().enumerate() {
            let replaced = at(&last, column) + usize::from(letter != other);
            let one_more = at(&last, column + 1).min(at(&this, column)) + 1;
            let swapped = column.checked_sub(1).filter(|_| previous == Some(other) && left == Some(letter));
            let swapped = swapped.map_or(usize::MAX, |column| at(&before, column) + 1);
            this.push(replaced.min(one_more).min(swapped));
            left = Some(other);
        }
        before = std::mem::replace(&mut last, this);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(0)
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
            assert_eq!((slips(one, two), slips(two, one)), (count, count), "{one} {two}");
        }
    }
}
