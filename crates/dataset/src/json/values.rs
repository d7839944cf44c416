//! Values of text, the way JSON holds them by value representation (PS3.18 table F.2.3-1).

use super::decimal::{json_integer, json_number};
use super::object::{string, value_array};
use super::person::person_name;
use crate::element::Vr;

/// Padding that never counts.
const PADDING: [char; 2] = [' ', '\0'];

/// Whether a backslash parts values (PS3.5 section 6.2); elsewhere it is a character.
fn has_many_values(vr: Vr) -> bool {
    !matches!(vr, Vr::LT | Vr::ST | Vr::UR | Vr::UT)
}

/// Writes the values of decoded text or of numbers as decimal text; nothing where all is padding.
pub(super) fn write_text(out: &mut Vec<u8>, vr: Vr, text: &str) {
    if !has_many_values(vr) {
        let text = text.trim_end_matches(PADDING);
        let value = (!text.is_empty()).then_some(text);
        return value_array(out, value.into_iter(), string);
    }
    if text.trim_matches(PADDING).is_empty() {
        return;
    }
    value_array(out, text.split('\\'), |out, value| write_value(out, vr, value));
}

/// Writes one value; an empty one among others is null.
fn write_value(out: &mut Vec<u8>, vr: Vr, value: &str) {
    let value = match vr {
        Vr::UC => value.trim_end_matches(PADDING),
        _ => value.trim_matches(PADDING),
    };
    let number = match vr {
        _ if value.is_empty() => return out.extend_from_slice(b"null"),
        Vr::PN => return person_name(out, value),
        Vr::DS | Vr::FD | Vr::FL => json_number(value),
        Vr::IS => json_integer(value).or_else(|| json_number(value)),
        Vr::SL | Vr::SS | Vr::SV | Vr::UL | Vr::US | Vr::UV => json_integer(value),
        _ => None,
    };
    match number {
        Some(number) => out.extend_from_slice(number.as_bytes()),
        None => string(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PS3.18 table F.2.3-1, row by row.
    #[test]
    fn text_by_value_representation() {
        for (vr, text, expected) in [
            (Vr::AE, " STORE ", r#"["STORE"]"#),
            (Vr::AS, "036Y", r#"["036Y"]"#),
            (Vr::AT, "0020000D", r#"["0020000D"]"#),
            (Vr::CS, "CT\\MR ", r#"["CT","MR"]"#),
            (Vr::DA, "20261128", r#"["20261128"]"#),
            (Vr::DS, "1.50\\ 2 ", "[1.50,2]"),
            (Vr::DS, "1,5", r#"["1,5"]"#),
            (Vr::DT, "20261128101500.5+0100", r#"["20261128101500.5+0100"]"#),
            (Vr::FD, "0.1", "[0.1]"),
            (Vr::FL, "inf", r#"["inf"]"#),
            (Vr::IS, "007", "[7]"),
            (Vr::IS, "x", r#"["x"]"#),
            (Vr::LO, "a\\\\b", r#"["a",null,"b"]"#),
            (Vr::LT, " a\\b ", r#"[" a\\b"]"#),
            (Vr::PN, "A^B=C\\", r#"[{"Alphabetic":"A^B","Ideographic":"C"},null]"#),
            (Vr::SH, "x", r#"["x"]"#),
            (Vr::SL, "-5", "[-5]"),
            (Vr::SS, "-5\\7", "[-5,7]"),
            (Vr::ST, "a\\b", r#"["a\\b"]"#),
            (Vr::SV, "-9223372036854775808", r#"["-9223372036854775808"]"#),
            (Vr::TM, "101500", r#"["101500"]"#),
            (Vr::UC, " a\\b ", r#"[" a","b"]"#),
            (Vr::UI, "1.2.3\0", r#"["1.2.3"]"#),
            (Vr::UL, "4294967295", "[4294967295]"),
            (Vr::UR, "http://x/a\\b", r#"["http://x/a\\b"]"#),
            (Vr::US, "512", "[512]"),
            (Vr::UT, "line\r\n", r#"["line\r\n"]"#),
            (Vr::UV, "18446744073709551615", r#"["18446744073709551615"]"#),
        ] {
            let mut out = Vec::new();
            write_text(&mut out, vr, text);
            let expected = format!(",\"Value\":{expected}");
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{vr} {text:?}");
        }
        for (vr, text) in [(Vr::LO, ""), (Vr::PN, "  "), (Vr::UT, " "), (Vr::UI, "\0"), (Vr::DS, " ")] {
            let mut out = Vec::new();
            write_text(&mut out, vr, text);
            assert!(out.is_empty(), "{vr} {text:?}");
        }
    }
}
