//! What a caller takes, and whether it takes what search and store answer with: DICOM JSON alone (PS3.18 sections 10.5.3
//! and 10.6.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use outrigger_dicomweb::accept::{Accept, is_json_accepted};
use outrigger_dicomweb::media::DICOM_JSON;

use super::Refusal;

/// Nothing, where it does.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Refusal> {
    json_by(headers, &[])
}

/// The same where the query may say it too, which comes before the header field (PS3.18 section 8.3.3.1).
pub(super) fn json_by(headers: &HeaderMap, query: &[(String, String)]) -> Result<(), Refusal> {
    let asked = by_query(query).unwrap_or_else(|| {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(", ")
    });
    let accept = Accept::parse(&asked).map_err(Refusal::bad)?;
    if is_json_accepted(&accept) {
        return Ok(());
    }
    Err(Refusal::not_acceptable(format!("the answer comes as {DICOM_JSON}; accept that")))
}

/// What the parameters of a query, decoded, say is taken.
pub(super) fn by_query(query: &[(String, String)]) -> Option<String> {
    let asked = query.iter().filter(|(name, _)| name == "accept");
    let asked: Vec<String> = asked.map(|(_, value)| with_pluses(value)).collect();
    (!asked.is_empty()).then(|| asked.join(","))
}

/// Puts back each `+` that was read as a blank, as forms write one: no blank stands inside a word (RFC 3986 section 3.4).
fn with_pluses(value: &str) -> String {
    let is_of_word = |character: char| character.is_ascii_alphanumeric();
    let mut pieces = value.split(' ');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_inside = text.ends_with(is_of_word) && piece.starts_with(is_of_word);
        text.push(if is_inside { '+' } else { ' ' });
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_inside_words_are_pluses() {
        for (decoded, meant) in [
            ("application/dicom json", "application/dicom+json"),
            ("application/dicom+json", "application/dicom+json"),
            ("image/svg xml, image/png ;q=0.5", "image/svg+xml, image/png ;q=0.5"),
            (
                "multipart/related; type=\"application/dicom xml\"",
                "multipart/related; type=\"application/dicom+xml\"",
            ),
            (" */*  ", " */*  "),
            ("", ""),
        ] {
            assert_eq!(with_pluses(decoded), meant);
        }
    }
}
