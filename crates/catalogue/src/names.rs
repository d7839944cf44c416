//! How person names compare: component groups, case and trailing delimiters (PS3.5 section 6.2.1).

/// A name, or a part of one, with case and insignificant delimiters taken out.
///
/// Character by character, so that the folded start of a name is the start of the folded name.
pub(crate) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The component groups of a name (alphabetic, ideographic, phonetic), folded; empty ones stay in their place.
pub(crate) fn groups(name: &str) -> Vec<String> {
    name.split('=').map(|group| fold(group.trim_end_matches(['^', ' ']).trim_start_matches(' '))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_folded_one_by_one() {
        assert_eq!(groups("Doe^Jane^^^ "), ["doe^jane"]);
        assert_eq!(groups("YAMADA^TARO=\u{5C71}\u{7530}^^"), ["yamada^taro", "\u{5C71}\u{7530}"]);
        assert_eq!(groups("=\u{5C71}"), ["", "\u{5C71}"]);
        assert_eq!(fold("\u{3A3}\u{3A3}"), "\u{3C3}\u{3C3}");
    }
}
