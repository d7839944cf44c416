//! The defined terms of Specific Character Set (0008,0005).

use encoding_rs::Encoding;

/// A declared Specific Character Set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterSet(Scheme);

/// How a value is turned into characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// ISO 646 alone.
    Ascii,
    /// One encoding for all bytes: UTF-8, GB18030, GBK.
    Whole(&'static Encoding),
    /// Single-byte sets, and what ISO 2022 escapes switch to.
    Switching(Graphic),
}

/// What bytes below and above 80 mean at the moment (ISO 2022).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Graphic {
    pub(super) low: Low,
    pub(super) high: High,
}

/// The set in G0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Low {
    /// ISO-IR 6.
    Ascii,
    /// ISO-IR 14: JIS X 0201 romaji.
    Romaji,
    /// ISO-IR 87: two bytes each.
    JisX0208,
    /// ISO-IR 159: two bytes each.
    JisX0212,
}

/// The set in G1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum High {
    /// None.
    Empty,
    /// ISO-IR 100: the byte is the code point.
    Latin1,
    /// ISO-IR 13: JIS X 0201 katakana.
    Katakana,
    /// The upper half of a single-byte encoding.
    Half(&'static Encoding),
    /// Two bytes each, both above A0: ISO-IR 149, ISO-IR 58.
    Pairs(&'static Encoding),
}

impl CharacterSet {
    /// The set of a data set that declares none: ISO 646.
    pub const DEFAULT: Self = Self(Scheme::Ascii);

    /// Reads the value of (0008,0005), its terms separated by `\`. Spellings met in the field are taken; a term that
    /// means nothing counts as ISO 646, so that whatever is not ASCII is guessed at.
    pub fn new(value: &str) -> Self {
        let mut terms = value.split('\\').map(normal_term);
        let first = terms.next().unwrap_or_default();
        let more = terms.next().is_some();
        Self(match first.as_str() {
            "192" | "UTF8" => Scheme::Whole(encoding_rs::UTF_8),
            "GB18030" => Scheme::Whole(encoding_rs::GB18030),
            "GBK" => Scheme::Whole(encoding_rs::GBK),
            number => match single(number) {
                Some(initial) => Scheme::Switching(initial),
                None if more => Scheme::Switching(Graphic::ASCII),
                None => Scheme::Ascii,
            },
        })
    }

    pub(super) fn scheme(self) -> Scheme {
        self.0
    }
}

impl Graphic {
    pub(super) const ASCII: Self = Self { low: Low::Ascii, high: High::Empty };
}

/// What identifies a term: its ISO-IR number or its name, without separators and in upper case.
pub(super) fn normal_term(term: &str) -> String {
    let packed: String =
        term.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let number = packed.strip_prefix("ISO2022IR").or_else(|| packed.strip_prefix("ISOIR"));
    number.map(str::to_owned).unwrap_or(packed)
}

pub(super) fn single(number: &str) -> Option<Graphic> {
    let low = if number == "13" || number == "14" { Low::Romaji } else { Low::Ascii };
    let high = match number {
        "6" | "87" | "159" => High::Empty,
        "13" | "14" => High::Katakana,
        "58" => High::Pairs(encoding_rs::GBK),
        "149" => High::Pairs(encoding_rs::EUC_KR),
        _ => upper_half(number)?,
    };
    Some(Graphic { low, high })
}

/// The single-byte sets by ISO-IR number; windows-1254 and windows-874 have the upper halves of ISO 8859-9 and -11.
pub(super) fn upper_half(number: &str) -> Option<High> {
    Some(match number {
        "100" => High::Latin1,
        "101" => High::Half(encoding_rs::ISO_8859_2),
        "109" => High::Half(encoding_rs::ISO_8859_3),
        "110" => High::Half(encoding_rs::ISO_8859_4),
        "126" => High::Half(encoding_rs::ISO_8859_7),
        "127" => High::Half(encoding_rs::ISO_8859_6),
        "138" => High::Half(encoding_rs::ISO_8859_8),
        "144" => High::Half(encoding_rs::ISO_8859_5),
        "148" => High::Half(encoding_rs::WINDOWS_1254),
        "166" => High::Half(encoding_rs::WINDOWS_874),
        "203" => High::Half(encoding_rs::ISO_8859_15),
        _ => return None,
    })
}
