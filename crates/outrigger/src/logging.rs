//! The log: one line an event on stderr, its level changed while the process runs.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};
use crate::output;

type Level = reload::Handle<LevelFilter, tracing_subscriber::Registry>;

static LEVEL: OnceLock<Level> = OnceLock::new();

/// Starts the log; a second call changes nothing but the level.
pub(crate) fn start(config: LogConfig) {
    let (filter, level) = reload::Layer::new(LevelFilter::from_level(config.level));
    if LEVEL.set(level).is_err() {
        set_level(config);
        return;
    }
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let started = match config.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    if let Err(error) = started {
        output::note(&format!("the log could not be started: {error}"));
    }
}

/// Changes how much is logged.
pub(crate) fn set_level(config: LogConfig) {
    let Some(level) = LEVEL.get() else { return };
    if let Err(error) = level.reload(LevelFilter::from_level(config.level)) {
        output::note(&format!("the log level could not be changed: {error}"));
    }
}
