//! Characters into the bytes of a declared character set (PS3.5 section 6.1.2.5).

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::charset::{CharacterSet, Graphic, High, Low, Scheme, normal_term, single};
use super::switching::{escape_of, high, low, resets};
use super::{Fidelity, decode, follows_character_set};
use crate::element::Vr;

/// A Specific Character Set to write in: its first set, and those that escape sequences may switch to.
#[derive(Debug, Clone)]
pub struct Declared {
    charset: CharacterSet,
    extensions: Vec<Graphic>,
}

impl Declared {
    /// Reads the value of (0008,0005), its terms separated by `\`.
    pub fn new(value: &str) -> Self {
        let extensions = value.split('\\').skip(1).filter_map(|term| extension(&normal_term(term)));
        // A set of two-byte characters is reached by escape sequences also where it is named first.
        let first = value.split('\\').next().and_then(|term| extension(&normal_term(term)));
        Self { charset: CharacterSet::new(value), extensions: first.into_iter().chain(extensions).collect() }
    }

    /// The bytes of a text; `None` where the set does not hold every character of it.
    pub fn encode(&self, text: &str, vr: Vr) -> Option<Vec<u8>> {
        if text.is_ascii() || !follows_character_set(vr) {
            return text.is_ascii().then(|| text.as_bytes().to_vec());
        }
        let bytes = match self.charset.scheme() {
            Scheme::Ascii => return None,
            Scheme::Whole(encoding) => whole(encoding, text)?,
            Scheme::Switching(initial) => self.switching(text, initial, resets(vr))?,
        };
        // What would be read back as something else is not written.
        let back = decode(&bytes, &self.charset, vr);
        (back.fidelity == Fidelity::Exact && back.text == text).then_some(bytes)
    }

    fn switching(&self, text: &str, initial: Graphic, resets: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut now = initial;
        for character in text.chars() {
            let is_delimiter = u8::try_from(character).is_ok_and(|byte| resets.contains(&byte));
            if is_delimiter || character.is_ascii() && !is_single(now.low) {
                back_to(initial, &mut now, &mut bytes);
            }
            if let Some(found) = in_set(now, character) {
                bytes.extend(found);
            } else {
                let (set, found) =
                    self.extensions.iter().find_map(|set| Some((*set, in_set(*set, character)?)))?;
                if is_single(set.low) {
                    back_to(initial, &mut now, &mut bytes);
                }
                bytes.extend_from_slice(escape_of(set)?);
                now = if is_single(set.low) {
                    Graphic { high: set.high, ..now }
                } else {
                    Graphic { low: set.low, ..now }
                };
                bytes.extend(found);
            }
            if is_delimiter {
                now = initial;
            }
        }
        back_to(initial, &mut now, &mut bytes);
        Some(bytes)
    }
}

/// Puts the first set of single bytes back into G0, as it must be before a delimiter and at the end (PS3.5 section
/// 6.1.2.5.3); what is in G1 needs no escape sequence for that.
fn back_to(initial: Graphic, now: &mut Graphic, bytes: &mut Vec<u8>) {
    if is_single(now.low) {
        return;
    }
    let back: &[u8] = if initial.low == Low::Romaji { b"\x1b(J" } else { b"\x1b(B" };
    bytes.extend_from_slice(back);
    now.low = if initial.low == Low::Romaji { Low::Romaji } else { Low::Ascii };
}

fn is_single(low: Low) -> bool {
    matches!(low, Low::Ascii | Low::Romaji)
}

/// What a term lets escape sequences switch to.
fn extension(term: &str) -> Option<Graphic> {
    match term {
        "87" => Some(Graphic { low: Low::JisX0208, high: High::Empty }),
        "159" => Some(Graphic { low: Low::JisX0212, high: High::Empty }),
        _ => single(term).filter(|set| set.high != High::Empty),
    }
}

fn whole(encoding: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let (bytes, _, unmappable) = encoding.encode(text);
    (!unmappable).then(|| match bytes {
        Cow::Borrowed(bytes) => bytes.to_vec(),
        Cow::Owned(bytes) => bytes,
    })
}

/// The bytes of a character in the sets that stand in G0 and G1.
fn in_set(set: Graphic, character: char) -> Option<Vec<u8>> {
    let candidate = match (set.low, set.high) {
        _ if character.is_ascii() && is_single(set.low) => vec![u8::try_from(character).ok()?],
        (Low::JisX0208 | Low::JisX0212, _) => {
            match whole(encoding_rs::EUC_JP, character.encode_utf8(&mut [0; 4]))?.as_slice() {
                [first, second] if set.low == Low::JisX0208 => vec![first & 0x7F, second & 0x7F],
                [0x8F, first, second] if set.low == Low::JisX0212 => vec![first & 0x7F, second & 0x7F],
                _ => return None,
            }
        }
        (_, High::Pairs(encoding) | High::Half(encoding)) => {
            whole(encoding, character.encode_utf8(&mut [0; 4]))?
        }
        (_, High::Latin1) => vec![u8::try_from(u32::from(character)).ok()?],
        (_, High::Katakana) => vec![u8::try_from(u32::from(character).checked_sub(0xFF61)? + 0xA1).ok()?],
        (_, High::Empty) => return None,
    };
    let (first, rest) = candidate.split_first()?;
    let read = if *first < 0x80 { low(set.low, *first, rest) } else { high(set.high, *first, rest) };
    read.is_some_and(|(read, rest)| read == character && rest.is_empty()).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(declared: &str, vr: Vr, text: &str) -> Option<Vec<u8>> {
        Declared::new(declared).encode(text, vr)
    }

    #[test]
    fn sets_without_code_extension() {
        for (declared, text, bytes) in [
            ("ISO_IR 100", "Buc^J\u{e9}r\u{f4}me", &b"Buc^J\xe9r\xf4me"[..]),
            ("ISO_IR 144", "\u{41b}\u{43e}", b"\xbb\xde"),
            ("ISO_IR 192", "\u{738b}", "\u{738b}".as_bytes()),
            ("GB18030", "\u{738b}^\u{5c0f}\u{4e1c}", b"\xcd\xf5^\xd0\xa1\xb6\xab"),
            ("ISO_IR 13", "\u{ff94}\u{ff8f}", b"\xd4\xcf"),
        ] {
            assert_eq!(encoded(declared, Vr::PN, text).as_deref(), Some(bytes), "{declared}");
        }
    }

    /// The person names of PS3.5 Annexes H and I.
    #[test]
    fn code_extensions() {
        let yamada = "Yamada^Tarou=\u{5c71}\u{7530}^\u{592a}\u{90ce}=\u{3084}\u{307e}\u{3060}^\u{305f}\u{308d}\u{3046}";
        let bytes = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(encoded("\\ISO 2022 IR 87", Vr::PN, yamada).as_deref(), Some(&bytes[..]));
        let hong = "Hong^Gildong=\u{6d2a}^\u{5409}\u{6d1e}=\u{d64d}^\u{ae38}\u{b3d9}";
        let bytes =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(encoded("\\ISO 2022 IR 149", Vr::PN, hong).as_deref(), Some(&bytes[..]));
        let mixed = "\u{e9} \u{41b}\\\u{e9}";
        let bytes = b"\xe9 \x1b-L\xbb\\\xe9";
        assert_eq!(encoded("ISO 2022 IR 100\\ISO 2022 IR 144", Vr::LO, mixed).as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn what_a_set_does_not_hold_is_not_written() {
        for (declared, text) in [
            ("", "\u{e9}"),
            ("ISO_IR 100", "\u{41b}"),
            ("ISO_IR 144", "\u{e9}"),
            ("\\ISO 2022 IR 87", "\u{d64d}"),
            ("\\ISO 2022 IR 149", "\u{5f20}\u{41b}\u{1F600}"),
            ("KLINGON", "\u{e9}"),
        ] {
            assert_eq!(encoded(declared, Vr::PN, text), None, "{declared}");
        }
        assert_eq!(encoded("ISO_IR 192", Vr::CS, "\u{e9}"), None);
    }
}
