//! Whether a caller takes what search and store answer with: DICOM JSON alone (PS3.18 sections 10.5.3 and 10.6.3).

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
    let mut asked: Vec<&str> =
        query.iter().filter(|(name, _)| name == "accept").map(|(_, value)| value.as_str()).collect();
    if asked.is_empty() {
        asked = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    }
    let accept = Accept::parse(&asked.join(", ")).map_err(Refusal::bad)?;
    if is_json_accepted(&accept) {
        return Ok(());
    }
    Err(Refusal::not_acceptable(format!("the answer comes as {DICOM_JSON}; accept that")))
}
