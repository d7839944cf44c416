//! What the service can do, for machines and people (PS3.18 section 8.9).

use std::sync::Arc;

use axum::extract::Extension;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Caller, Door};

/// The capabilities resource, at the root of the service and by OPTIONS on it.
pub(super) fn routes() -> Router<Arc<Door>> {
    root("/").route("/capabilities", get(capabilities))
}

/// The root alone, at a path.
pub(super) fn root(path: &str) -> Router<Arc<Door>> {
    Router::new().route(path, get(capabilities).options(capabilities))
}

async fn capabilities(Extension(caller): Extension<Caller>) -> Json<Value> {
    let json = ["application/dicom+json"];
    Json(json!({
        "base": caller.base,
        "search": {
            "resources": [
                "/studies", "/series", "/instances", "/studies/{study}/series", "/studies/{study}/instances",
                "/studies/{study}/series/{series}/instances",
            ],
            "parameters": [
                "{keyword}", "{tag}", "{sequence}.{attribute}", "includefield", "limit", "offset",
                "fuzzymatching (literal)", "emptyvaluematching", "multiplevaluematching", "accept",
                "charset (answers are UTF-8)",
            ],
            "mediaTypes": json,
            "limit": outrigger_dicomweb::search::LIMIT_DEFAULT,
        },
        "store": {
            "resources": ["/studies", "/studies/{study}"],
            "mediaTypes": ["multipart/related; type=\"application/dicom\"", "application/dicom"],
            "answered": "after the commit: what 200 or 202 names as stored is on stable storage",
        },
        "retrieve": super::wado::capabilities(),
        "commitment": super::commit::capabilities(),
    }))
}
