//! Characters of text values (PS3.3 section C.12.1.1.2, PS3.5 section 6.1).
//!
//! Nothing is lost in decoding: a value that its declared character set cannot hold is taken as UTF-8 when it is that,
//! else byte by byte as ISO 8859-1, and says that it was guessed.

mod charset;
mod encode;
mod switching;

use std::borrow::Cow;

pub use charset::CharacterSet;
use charset::Scheme;
pub use encode::Declared;

use crate::element::Vr;

/// A decoded value, padding and delimiters included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The characters.
    pub text: Cow<'a, str>,
    /// Whether they are what the declared character set says.
    pub fidelity: Fidelity,
}

/// How sure a decoded text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// As the declared character set has it.
    Exact,
    /// The declared character set cannot hold the bytes; another was guessed.
    Guessed,
}

/// Whether Specific Character Set governs values of the VR (PS3.5 section 6.1.2.3).
pub fn follows_character_set(vr: Vr) -> bool {
    matches!(vr, Vr::LO | Vr::LT | Vr::PN | Vr::SH | Vr::ST | Vr::UC | Vr::UT)
}

/// Decodes the bytes of a text value.
pub fn decode<'a>(bytes: &'a [u8], charset: &CharacterSet, vr: Vr) -> Decoded<'a> {
    let plain = bytes.iter().all(|byte| byte.is_ascii() && !matches!(byte, 0x1B | b'~'));
    let scheme = if follows_character_set(vr) { charset.scheme() } else { Scheme::Ascii };
    let exact = match scheme {
        _ if plain => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Scheme::Ascii => std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed),
        Scheme::Whole(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        Scheme::Switching(initial) => match switching::decode(bytes, initial, switching::resets(vr)) {
            Some(text) => Some(Cow::Owned(text)),
            // Some writers carry a character set on behind a delimiter, where the standard resets it.
            None => return guess(bytes, switching::decode(bytes, initial, &[])),
        },
    };
    match exact {
        Some(text) => Decoded { text, fidelity: Fidelity::Exact },
        None => guess(bytes, None),
    }
}

fn guess(bytes: &[u8], nearly: Option<String>) -> Decoded<'_> {
    let text = match (nearly, std::str::from_utf8(bytes)) {
        (Some(text), _) => Cow::Owned(text),
        (None, Ok(text)) => Cow::Borrowed(text),
        (None, Err(_)) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    };
    Decoded { text, fidelity: Fidelity::Guessed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(charset: &str, vr: Vr, bytes: &[u8], text: &str, fidelity: Fidelity) {
        let decoded = decode(bytes, &CharacterSet::new(charset), vr);
        assert_eq!((decoded.text.as_ref(), decoded.fidelity), (text, fidelity), "{charset} {bytes:02x?}");
    }

    #[test]
    fn sets_without_code_extension() {
        for (charset, bytes, text) in [
            ("", &b"Buc^J"[..], "Buc^J"),
            ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^J\u{e9}r\u{f4}me"),
            ("ISO_IR 101", b"W\xb1ek", "W\u{105}ek"),
            ("ISO_IR 109", b"\xa1", "\u{126}"),
            ("ISO_IR 110", b"\xa2", "\u{138}"),
            ("ISO_IR 144", b"\xbb\xde", "\u{41b}\u{43e}"),
            ("ISO_IR 127", b"\xe2", "\u{642}"),
            ("ISO_IR 126", b"\xc4", "\u{394}"),
            ("ISO_IR 138", b"\xf9", "\u{5e9}"),
            ("ISO_IR 148", b"\xfe\xe9", "\u{15f}\u{e9}"),
            ("ISO_IR 203", b"\xa4", "\u{20ac}"),
            ("ISO_IR 13", b"\xd4\xcf\xc0\xde", "\u{ff94}\u{ff8f}\u{ff80}\u{ff9e}"),
            ("ISO_IR 166", b"\xb9", "\u{e19}"),
            ("ISO_IR 192", "\u{738b}^\u{5c0f}\u{6771}".as_bytes(), "\u{738b}^\u{5c0f}\u{6771}"),
            ("GB18030", b"\xcd\xf5^\xd0\xa1\xb6\xab", "\u{738b}^\u{5c0f}\u{4e1c}"),
            ("GBK", b"\xcd\xf5", "\u{738b}"),
        ] {
            check(charset, Vr::PN, bytes, text, Fidelity::Exact);
        }
    }

    #[test]
    fn names_of_sets_as_they_are_met() {
        for charset in
            ["ISO_IR 100", "ISO-IR 100", "ISO_IR_100", "iso_ir 100", "ISO 2022 IR 100", " ISO_IR 100 "]
        {
            check(charset, Vr::LO, b"\xe9", "\u{e9}", Fidelity::Exact);
        }
        for charset in ["UTF-8", "UTF8", "ISO_IR 192"] {
            check(charset, Vr::LO, b"\xc3\xa9", "\u{e9}", Fidelity::Exact);
        }
    }

    /// The person names of PS3.5 Annexes H to K.
    #[test]
    fn code_extensions() {
        let yamada = "Yamada^Tarou=\u{5c71}\u{7530}^\u{592a}\u{90ce}=\u{3084}\u{307e}\u{3060}^\u{305f}\u{308d}\u{3046}";
        let bytes = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        check("\\ISO 2022 IR 87", Vr::PN, bytes, yamada, Fidelity::Exact);

        let katakana =
            "\u{ff94}\u{ff8f}\u{ff80}\u{ff9e}^\u{ff80}\u{ff9b}\u{ff73}=\u{5c71}\u{7530}^\u{592a}\u{90ce}";
        let bytes = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J";
        check("ISO 2022 IR 13\\ISO 2022 IR 87", Vr::PN, bytes, katakana, Fidelity::Exact);

        let hong = "Hong^Gildong=\u{6d2a}^\u{5409}\u{6d1e}=\u{d64d}^\u{ae38}\u{b3d9}";
        let bytes =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        check("\\ISO 2022 IR 149", Vr::PN, bytes, hong, Fidelity::Exact);

        let zhang = "Zhang^XiaoDong=\u{5f20}^\u{5c0f}\u{4e1c}=";
        check(
            "\\ISO 2022 IR 58",
            Vr::PN,
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            zhang,
            Fidelity::Exact,
        );

        check(
            "ISO 2022 IR 100\\ISO 2022 IR 144",
            Vr::LO,
            b"\xe9\x1b-L\xbb\\\xe9",
            "\u{e9}\u{41b}\\\u{e9}",
            Fidelity::Exact,
        );
        check("\\ISO 2022 IR 159", Vr::LO, b"\x1b$(D\x30\x21\x1b(B", "\u{4e02}", Fidelity::Exact);
    }

    #[test]
    fn a_backslash_inside_a_character_is_none() {
        check("GB18030", Vr::LO, b"\x81\\a\\b", "\u{4e57}a\\b", Fidelity::Exact);
        check("\\ISO 2022 IR 87", Vr::LO, b"\x1b$B!\\\x1b(B", "\u{ff0b}", Fidelity::Exact);
    }

    #[test]
    fn what_the_set_cannot_hold_is_guessed_and_never_lost() {
        check("", Vr::LO, b"\xe9t\xe9", "\u{e9}t\u{e9}", Fidelity::Guessed);
        check("", Vr::LO, b"\xc3\xa9", "\u{e9}", Fidelity::Guessed);
        check("ISO_IR 192", Vr::LO, b"\xe9", "\u{e9}", Fidelity::Guessed);
        check("ISO_IR 100", Vr::CS, b"\xe9", "\u{e9}", Fidelity::Guessed);
        check("KLINGON", Vr::LO, b"\xe9", "\u{e9}", Fidelity::Guessed);
        check("\\ISO 2022 IR 87", Vr::LO, b"\x1b$B\x7f\x7f", "\x1b$B\x7f\x7f", Fidelity::Guessed);
        let carried_on = b"Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce";
        check("\\ISO 2022 IR 149", Vr::PN, carried_on, "Hong^Gildong=\u{6d2a}^\u{5409}", Fidelity::Guessed);
    }
}
