//! How much has come from a member, for those who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes that come from a member over a connection, or because of it; clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Arrived(Arc<AtomicU64>);

impl Arrived {
    /// So many bytes have come.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes that have come so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
