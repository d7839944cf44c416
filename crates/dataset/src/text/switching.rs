//! Code extensions by escape sequences (ISO 2022, PS3.5 section 6.1.2.5).

use encoding_rs::Encoding;

use super::charset::{Graphic, High, Low, upper_half};
use crate::element::Vr;

const ESCAPE: u8 = 0x1B;

/// The escape sequences of the upper halves other than that of ISO 8859-1.
const HALVES: [&[u8]; 10] = [
    b"\x1b-B", b"\x1b-C", b"\x1b-D", b"\x1b-F", b"\x1b-G", b"\x1b-H", b"\x1b-L", b"\x1b-M", b"\x1b-T",
    b"\x1b-b",
];

/// Bytes behind which the initial sets hold again (PS3.5 section 6.1.2.5.3).
pub(super) fn resets(vr: Vr) -> &'static [u8] {
    match vr {
        Vr::PN => b"\\^=\r\n\x0c\t",
        Vr::LT | Vr::ST | Vr::UT => b"\r\n\x0c\t",
        _ => b"\\\r\n\x0c\t",
    }
}

/// Decodes, or gives `None` where a byte has no meaning.
pub(super) fn decode(bytes: &[u8], initial: Graphic, resets: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut now = initial;
    let mut rest = bytes;
    while let [byte, behind @ ..] = rest {
        if *byte == ESCAPE {
            rest = designate(behind, &mut now)?;
            continue;
        }
        let (character, behind) =
            if *byte < 0x80 { low(now.low, *byte, behind)? } else { high(now.high, *byte, behind)? };
        text.push(character);
        rest = behind;
        let single = !matches!(now.low, Low::JisX0208 | Low::JisX0212) || *byte < 0x21;
        if single && resets.contains(byte) {
            now = initial;
        }
    }
    Some(text)
}

/// Carries out an escape sequence (PS3.3 table C.12-3, C.12-4); `None` when it is not one of DICOM's.
fn designate<'a>(behind: &'a [u8], now: &mut Graphic) -> Option<&'a [u8]> {
    let (set, rest): (Graphic, &[u8]) = match behind {
        [b'(', b'B', rest @ ..] => (Graphic { low: Low::Ascii, ..*now }, rest),
        [b'(', b'J', rest @ ..] => (Graphic { low: Low::Romaji, ..*now }, rest),
        [b')', b'I', rest @ ..] => (Graphic { high: High::Katakana, ..*now }, rest),
        [b'$', b'B' | b'@', rest @ ..] => (Graphic { low: Low::JisX0208, ..*now }, rest),
        [b'$', b'(', b'D', rest @ ..] => (Graphic { low: Low::JisX0212, ..*now }, rest),
        [b'$', b')', b'C', rest @ ..] => (Graphic { high: High::Pairs(encoding_rs::EUC_KR), ..*now }, rest),
        [b'$', b')', b'A', rest @ ..] => (Graphic { high: High::Pairs(encoding_rs::GBK), ..*now }, rest),
        [b'-', last, rest @ ..] => (Graphic { high: upper_half(iso_ir(*last)?)?, ..*now }, rest),
        _ => return None,
    };
    *now = set;
    Some(rest)
}

/// The escape sequence that switches to a set; `None` for one that needs none.
pub(super) fn escape_of(set: Graphic) -> Option<&'static [u8]> {
    Some(match (set.low, set.high) {
        (Low::JisX0208, _) => b"\x1b$B",
        (Low::JisX0212, _) => b"\x1b$(D",
        (_, High::Katakana) => b"\x1b)I",
        (_, High::Pairs(encoding)) if encoding == encoding_rs::EUC_KR => b"\x1b$)C",
        (_, High::Pairs(_)) => b"\x1b$)A",
        (_, High::Latin1) => b"\x1b-A",
        (_, High::Half(encoding)) => {
            let switches_to = |escape: &&[u8]| {
                escape.last().and_then(|last| upper_half(iso_ir(*last)?)) == Some(High::Half(encoding))
            };
            HALVES.iter().copied().find(switches_to)?
        }
        (_, High::Empty) => return None,
    })
}

/// The ISO-IR number of a 96-character set by the last byte of its escape sequence.
fn iso_ir(last: u8) -> Option<&'static str> {
    Some(match last {
        b'A' => "100",
        b'B' => "101",
        b'C' => "109",
        b'D' => "110",
        b'F' => "126",
        b'G' => "127",
        b'H' => "138",
        b'L' => "144",
        b'M' => "148",
        b'T' => "166",
        b'b' => "203",
        _ => return None,
    })
}

pub(super) fn low(set: Low, byte: u8, behind: &[u8]) -> Option<(char, &[u8])> {
    match set {
        Low::JisX0208 | Low::JisX0212 if byte >= 0x21 => {
            let (second, behind) = behind.split_first()?;
            let pair = [byte | 0x80, second | 0x80];
            let [first, second] = pair;
            let character = match set {
                Low::JisX0212 => one(encoding_rs::EUC_JP, &[0x8F, first, second])?,
                _ => one(encoding_rs::EUC_JP, &pair)?,
            };
            Some((character, behind))
        }
        // 5C stays a backslash, which is the delimiter whatever it looks like.
        Low::Romaji if byte == b'~' => Some(('\u{203e}', behind)),
        Low::Ascii | Low::Romaji | Low::JisX0208 | Low::JisX0212 => Some((char::from(byte), behind)),
    }
}

pub(super) fn high(set: High, byte: u8, behind: &[u8]) -> Option<(char, &[u8])> {
    match set {
        High::Empty => None,
        High::Latin1 => Some((char::from(byte), behind)),
        High::Katakana => {
            let place = byte.checked_sub(0xA1).filter(|place| *place <= 0x3E)?;
            Some((char::from_u32(0xFF61 + u32::from(place))?, behind))
        }
        // The controls of C1, where the encodings that stand for two of the sets have letters.
        High::Half(_) if byte < 0xA0 => Some((char::from(byte), behind)),
        High::Half(encoding) => Some((one(encoding, &[byte])?, behind)),
        High::Pairs(encoding) => {
            let (second, behind) = behind.split_first()?;
            let in_set = byte >= 0xA1 && *second >= 0xA1;
            in_set.then(|| one(encoding, &[byte, *second])).flatten().map(|character| (character, behind))
        }
    }
}

/// Decodes the bytes of one character.
fn one(encoding: &'static Encoding, bytes: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
