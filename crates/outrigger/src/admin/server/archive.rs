//! The admin API of an embedded archive: alive, ready, how it is, metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use outrigger_archive::{Archive, Finding, Health, Scrub, ScrubSeen};
use outrigger_front::Service;
use outrigger_model::{Selection, SeriesUid, SopInstanceUid, StudyUid};
use outrigger_runtime::Shutdown;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::scrub::{ANSWERED_WITHIN, Asked};
use super::status::moment;
use super::{Refusal, connection, health, metrics};
use crate::process::Failure;

/// Findings that `status` names; more make no one wiser.
const NAMED_MAX: usize = 20;

/// What it knows.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveAdmin {
    /// The archive's name.
    pub(crate) name: String,
    /// The archive.
    pub(crate) archive: Arc<Archive>,
    /// Asks for scrubs.
    pub(crate) scrub: Scrub,
}

/// Starts the admin API of an archive; gives the address with the port really bound.
pub(crate) async fn start_archive(
    listen: SocketAddr,
    admin: ArchiveAdmin,
    shutdown: Shutdown,
) -> Result<SocketAddr, Failure> {
    let top = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::metrics));
    let api = top
        .clone()
        .route("/status", get(status))
        .route("/why", get(why))
        .route("/scrub", get(scrub_progress).post(scrub_begin));
    connection::serve(listen, top.nest("/api/v1", api).with_state(admin), shutdown).await
}

/// 200 while objects are taken.
async fn ready(State(admin): State<ArchiveAdmin>) -> (StatusCode, Json<Value>) {
    match admin.archive.health() {
        Health::Good => (StatusCode::OK, Json(json!({"ready": true, "node": admin.name}))),
        Health::Troubled { why } | Health::Stopped { why } => {
            let answer = json!({"ready": false, "node": admin.name, "error": why});
            (StatusCode::SERVICE_UNAVAILABLE, Json(answer))
        }
    }
}

/// How the archive is, and why it is degraded if it is.
async fn status(State(admin): State<ArchiveAdmin>) -> Json<Value> {
    let archive = &admin.archive;
    let mut reasons = Vec::new();
    match archive.health() {
        Health::Good => {}
        Health::Troubled { why } => {
            reasons.push(format!("objects are refused until the catalogue takes them: {why}"));
        }
        Health::Stopped { why } => reasons.push(format!("objects are refused until a restart: {why}")),
    }
    if let Some(trouble) = archive.trouble().await {
        let since = moment(trouble.since);
        reasons.push(format!("where objects are kept has failed since {since}: {}", trouble.why));
    }
    let findings = archive.findings();
    reasons.extend(findings.iter().take(NAMED_MAX).map(|finding| format!("damage: {}", words(finding))));
    if findings.len() > NAMED_MAX {
        reasons.push(format!("{} more findings of damage", findings.len() - NAMED_MAX));
    }
    let recovered = archive.recovered();
    Json(json!({
        "node": admin.name,
        "version": env!("CARGO_PKG_VERSION"),
        "state": if reasons.is_empty() { "healthy" } else { "degraded" },
        "reasons": reasons,
        "archive": {
            "adopted_at_start": recovered.adopted,
            "unreadable_at_start": recovered.unreadable,
            "findings": findings.len(),
        },
        "scrub": scrub_shown(admin.scrub.seen(), &findings),
    }))
}

fn words(finding: &Finding) -> String {
    let said = "send it again to heal it";
    format!(
        "instance {}: {}; {said} (found {})",
        finding.sop_instance,
        finding.what,
        moment(finding.found_at)
    )
}

/// Begins a scrub, or joins the one under way.
async fn scrub_begin(State(admin): State<ArchiveAdmin>) -> Result<Json<Value>, Refusal> {
    let number = admin.scrub.ask().await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"number": number})))
}

/// How scrubs go; with a number the answer waits a second for the end of that one.
async fn scrub_progress(State(admin): State<ArchiveAdmin>, Query(asked): Query<Asked>) -> Json<Value> {
    let seen = match asked.number {
        Some(number) => timeout(ANSWERED_WITHIN, admin.scrub.ended(number)).await.ok(),
        None => None,
    };
    let seen = seen.unwrap_or_else(|| admin.scrub.seen());
    Json(scrub_shown(seen, &admin.archive.findings()))
}

fn scrub_shown(seen: ScrubSeen, findings: &[Finding]) -> Value {
    let running = seen.running.map(|running| {
        json!({
            "number": running.number, "began_at": moment(running.began_at),
            "objects": running.objects, "bytes": running.bytes,
        })
    });
    let last = seen.last.map(|last| {
        json!({
            "number": last.number, "began_at": moment(last.began_at), "ended_at": moment(last.over_at),
            "objects": last.objects, "bytes": last.bytes, "failed": last.failed,
            "findings": findings.iter().map(words).collect::<Vec<_>>(),
        })
    });
    json!({"running": running, "last": last})
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyAsked {
    uid: String,
}

/// The instances of a study or series, or one instance, and what was found of each.
async fn why(
    State(admin): State<ArchiveAdmin>,
    Query(WhyAsked { uid }): Query<WhyAsked>,
) -> Result<Json<Value>, Refusal> {
    let bad = || Refusal::bad(format!("`{uid}` is no UID"));
    let selections = [
        Selection::Studies(vec![StudyUid::new(&uid).map_err(|_| bad())?]),
        Selection::Series { study: None, series: vec![SeriesUid::new(&uid).map_err(|_| bad())?] },
        Selection::Instances { study: None, instances: vec![SopInstanceUid::new(&uid).map_err(|_| bad())?] },
    ];
    let findings = admin.archive.findings();
    let mut studies: std::collections::BTreeMap<String, Vec<Value>> = std::collections::BTreeMap::new();
    for selection in selections {
        let plan = admin.archive.plan(selection).await;
        let plan = plan.map_err(|refusal| Refusal::not_now(&std::io::Error::other(refusal.text)))?;
        for instance in plan {
            let of = findings.iter().filter(|finding| finding.sop_instance == instance.sop_instance);
            let study = instance.study.as_ref().map(ToString::to_string).unwrap_or_default();
            let digest = instance.place.rsplit_once('/').map(|(_, digest)| digest.to_owned());
            studies.entry(study).or_default().push(json!({
                "sop_uid": instance.sop_instance, "digest": digest, "journal": false,
                "findings": of.map(words).collect::<Vec<_>>(), "members": [],
            }));
        }
        if !studies.is_empty() {
            break;
        }
    }
    let studies: Vec<Value> = studies
        .into_iter()
        .map(|(study, instances)| json!({"study_uid": study, "findings": [], "instances": instances}))
        .collect();
    Ok(Json(json!({"studies": studies})))
}
