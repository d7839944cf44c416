//! Decimal text as a JSON number, digit for digit (RFC 8259 section 6).

/// Largest integer that a JSON reader with IEEE 754 doubles keeps exactly: 2^53 - 1.
const EXACT_INTEGER_MAX: u64 = (1 << 53) - 1;

/// The JSON number that a DS or IS value stands for, with the digits as written; `None` if it is no number, or one
/// that a double cannot hold.
pub(super) fn json_number(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut number = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        number = format!("{number}.{fraction}");
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !all_digits(digits) {
            return None;
        }
        number = format!("{number}e{exponent}");
    }
    number.parse::<f64>().is_ok_and(f64::is_finite).then_some(number)
}

/// An integer as JSON: a number, or a string where readers would round it.
pub(super) fn json_integer(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let magnitude: u64 = digits.parse().ok()?;
    let number = json_number(text)?;
    Some(if magnitude > EXACT_INTEGER_MAX { format!("\"{number}\"") } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, number) in [
            ("7", Some("7")),
            ("007", Some("7")),
            ("+7", Some("7")),
            ("-0", Some("-0")),
            ("1.50", Some("1.50")),
            (".5", Some("0.5")),
            ("-.5", Some("-0.5")),
            ("7.", Some("7")),
            ("1E5", Some("1e5")),
            ("1.5e+05", Some("1.5e+05")),
            ("000.0", Some("0.0")),
            ("1e400", None),
            ("1e", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("NaN", None),
            ("0x10", None),
            ("--1", None),
        ] {
            assert_eq!(json_number(text).as_deref(), number, "{text:?}");
            let reads = number.is_none_or(|number| serde_json::from_str::<f64>(number).is_ok());
            assert!(reads, "{text:?}");
        }
    }

    #[test]
    fn integers_beyond_a_double_are_strings() {
        assert_eq!(json_integer("9007199254740991").as_deref(), Some("9007199254740991"));
        assert_eq!(json_integer("9007199254740992").as_deref(), Some("\"9007199254740992\""));
        assert_eq!(json_integer("-9007199254740993").as_deref(), Some("\"-9007199254740993\""));
        assert_eq!(json_integer("1.5"), None);
    }
}
