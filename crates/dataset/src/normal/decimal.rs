//! Decimal and integer strings as numbers.

/// Longest decimal string (PS3.5 table 6.2-1).
const DECIMAL_CHARS_MAX: usize = 16;

/// The one way to write the number a DS or IS value stands for: an optional `-`, digits without leading or trailing
/// zeros, `e`, a power of ten; `0` for zero. `None` if it is no number.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\0']);
    if text.len() > DECIMAL_CHARS_MAX {
        return None;
    }
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("", text.get(1..)?),
        _ => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, integer(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = exponent.checked_add(i64::try_from(significant.len() - trimmed.len()).ok()?)?;
    Some(format!("{sign}{trimmed}e{exponent}"))
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_one_text() {
        for (texts, expected) in [
            (&["1.5", "1.50", "+1.5", " 1.5E0 ", "15e-1", "0.15E+1", "01.5"][..], Some("15e-1")),
            (&["7", "007", "7.", "7.0", "+7", "70e-1"], Some("7e0")),
            (&["-0.25", "-.25", "-25E-2"], Some("-25e-2")),
            (&["1200", "1.2e3"], Some("12e2")),
            (&["0", "-0", "0.00", "0e9", "+0"], Some("0")),
            (&["NaN", "1,5", "", "-", ".", "e5", "1e", "1e+", "1 5", "0x10", "12345678901234567"], None),
        ] {
            for text in texts {
                assert_eq!(canonical(text).as_deref(), expected, "{text:?}");
            }
        }
    }
}
