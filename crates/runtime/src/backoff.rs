//! How long to wait before trying again.

use std::time::Duration;

/// Exponential waiting with a ceiling; it never ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row (from 1), spread by `jitter` in 0..=255 to between half and the whole of it.
    pub fn after(&self, failures: u32, jitter: u8) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1u32 << doublings).min(self.longest);
        whole / 2 + whole / 2 * u32::from(jitter) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_ceiling() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        assert_eq!(backoff.after(1, 255), Duration::from_secs(1));
        assert_eq!(backoff.after(3, 255), Duration::from_secs(4));
        assert_eq!(backoff.after(3, 0), Duration::from_secs(2));
        assert_eq!(backoff.after(u32::MAX, 255), Duration::from_secs(60));
    }
}
