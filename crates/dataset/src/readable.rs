//! Values as text, the way headers, keys and answers hold them.

use crate::element::{Vr, width};
use crate::text::{CharacterSet, Fidelity, decode};

/// The value of an element as text: decoded, without padding, multiple values joined by `\`, numbers as decimal text.
/// `bytes` are little endian. Values without a text of their own (OB, UN and their like) are empty.
pub(crate) fn readable(vr: Vr, bytes: &[u8], charset: &CharacterSet) -> (String, Fidelity) {
    if width(vr) > 1 {
        let numbers: Vec<String> =
            bytes.chunks_exact(width(vr)).filter_map(|bytes| number(vr, bytes)).collect();
        return (numbers.join("\\"), Fidelity::Exact);
    }
    if matches!(vr, Vr::OB | Vr::UN | Vr::SQ) {
        return (String::new(), Fidelity::Exact);
    }
    let decoded = decode(bytes, charset, vr);
    let values: Vec<&str> = decoded.text.split('\\').map(|value| value.trim_matches([' ', '\0'])).collect();
    (values.join("\\"), decoded.fidelity)
}

/// A binary number as decimal text; `None` for a value representation that holds none.
pub(crate) fn number(vr: Vr, bytes: &[u8]) -> Option<String> {
    Some(match vr {
        Vr::US => u16::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::SS => i16::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::UL => u32::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::SL => i32::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::UV => u64::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::SV => i64::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::FL => f32::from_le_bytes(*bytes.first_chunk()?).to_string(),
        Vr::FD => f64::from_le_bytes(*bytes.first_chunk()?).to_string(),
        _ => return None,
    })
}

/// The bytes of a value given as text; a number that the value representation cannot hold is left out.
pub(crate) fn bytes_of(vr: Vr, text: &str) -> Vec<u8> {
    let values = || text.split('\\').map(str::trim);
    match vr {
        Vr::US => values().flat_map(|value| value.parse().map(u16::to_le_bytes)).flatten().collect(),
        Vr::SS => values().flat_map(|value| value.parse().map(i16::to_le_bytes)).flatten().collect(),
        Vr::UL => values().flat_map(|value| value.parse().map(u32::to_le_bytes)).flatten().collect(),
        Vr::SL => values().flat_map(|value| value.parse().map(i32::to_le_bytes)).flatten().collect(),
        Vr::FL => values().flat_map(|value| value.parse().map(f32::to_le_bytes)).flatten().collect(),
        Vr::UV => values().flat_map(|value| value.parse().map(u64::to_le_bytes)).flatten().collect(),
        Vr::SV => values().flat_map(|value| value.parse().map(i64::to_le_bytes)).flatten().collect(),
        Vr::FD => values().flat_map(|value| value.parse().map(f64::to_le_bytes)).flatten().collect(),
        _ if width(vr) > 1 || matches!(vr, Vr::OB | Vr::SQ) => Vec::new(),
        _ => text.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for (vr, text) in [
            (Vr::US, "0\\65535"),
            (Vr::SS, "-1\\7"),
            (Vr::UL, "4294967295"),
            (Vr::SL, "-2147483648"),
            (Vr::FL, "0.1"),
            (Vr::FD, "0.1\\-2.5"),
            (Vr::UV, "18446744073709551615"),
            (Vr::SV, "-1"),
            (Vr::LO, "a\\b"),
        ] {
            assert_eq!(readable(vr, &bytes_of(vr, text), &CharacterSet::DEFAULT).0, text);
        }
        assert_eq!(bytes_of(Vr::US, "70000"), b"");
        assert_eq!(bytes_of(Vr::OW, "7"), b"");
    }
}
