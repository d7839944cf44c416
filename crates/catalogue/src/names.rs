//! How person names compare: component groups, case and trailing delimiters (PS3.5 section 6.2.1).

const SIGMA: char = '\u{3C3}';
const FINAL_SIGMA: char = '\u{3C2}';

/// A name, or a part of one, with case and insignificant delimiters taken out.
///
/// Character by character, so that the folded start of a name is the start of the folded name.
pub(crate) fn fold(text: &str) -> String {
    // A sigma is written in another way at the end of a word, in lower case alone.
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|char| if char == FINAL_SIGMA { SIGMA } else { char })
        .collect()
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
        assert_eq!(fold("\u{3A3}\u{3AF}\u{3C2}"), fold("\u{3A3}\u{38A}\u{3A3}"), "a sigma at the end");
    }
}
