//! What happened, in order: hashed, so that two runs of one seed can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_runtime::Clock;
use sha2::{Digest, Sha256};

/// Lines kept for the report of a failure.
const LINES_SHOWN: usize = 400;

/// The log of one simulation; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    clock: Option<Clock>,
    hash: Sha256,
    lines: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Events {
    /// Goes by this clock from now on.
    pub(crate) fn follow(&self, clock: &Clock) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clock = Some(clock.clone());
    }

    /// Notes an event.
    pub(crate) fn put(&self, what: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = inner.clock.as_ref().map_or(0, |clock| clock.wall_us() / 1000);
        let line = format!("{at} {what}\n");
        inner.hash.update(line.as_bytes());
        inner.lines.push(line);
    }

    /// Counts something that the seeds together must have met.
    pub(crate) fn count(&self, what: &'static str, times: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *inner.counts.entry(what).or_default() += times;
    }

    /// How often each of these was met.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    /// The hash of all of it, as hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hash.clone().finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    /// The last lines.
    pub(crate) fn shown(&self) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lines[inner.lines.len().saturating_sub(LINES_SHOWN)..].concat()
    }

    /// All lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }
}
