//! Metrics in the Prometheus text format.

use std::sync::OnceLock;

use axum::http::StatusCode;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::process::Failure;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to record metrics in this process.
pub(crate) fn install() -> Result<(), Failure> {
    let failed = |error: BuildError| Failure::of("metrics cannot be recorded", error);
    let handle = PrometheusBuilder::new().install_recorder().map_err(failed)?;
    RECORDER.get_or_init(|| handle);
    Ok(())
}

/// Everything recorded so far.
pub(crate) async fn metrics() -> (StatusCode, String) {
    match RECORDER.get() {
        Some(recorder) => (StatusCode::OK, recorder.render()),
        None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    }
}
