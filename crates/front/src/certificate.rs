//! Our certificate, watched so that it does not run out unseen.

use std::net::SocketAddr;
use std::time::Duration;

use outrigger_runtime::{Clock, Shutdown};
use tokio::time::sleep;

/// How long before the end it is warned: a month is what authorities of hospitals take to answer.
const WARN_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// Whole days left.
    Soon(u64),
    Expired,
}

fn standing(expires_us: i64, now_us: i64) -> Standing {
    match u64::try_from(expires_us.saturating_sub(now_us)).map(Duration::from_micros) {
        Err(_) => Standing::Expired,
        Ok(left) if left < WARN_BEFORE => Standing::Soon(left.as_secs() / 86_400),
        Ok(_) => Standing::Good,
    }
}

/// Says once a day how long the certificate of a listener is good for, when that is not long.
pub(crate) async fn watch(expires_us: i64, listener: SocketAddr, clock: Clock, mut shutdown: Shutdown) {
    loop {
        match standing(expires_us, clock.wall_us()) {
            Standing::Good => tracing::debug!(%listener, "the certificate is good"),
            Standing::Soon(days) => {
                tracing::warn!(%listener, days, "the certificate expires soon; put a new one in place and restart");
            }
            Standing::Expired => {
                tracing::error!(%listener, "the certificate has expired; peers will not connect");
            }
        }
        metrics::gauge!("outrigger_certificate_expires_seconds", "listener" => listener.to_string())
            .set(Duration::from_micros(u64::try_from(expires_us).unwrap_or(0)).as_secs_f64());
        tokio::select! {
            () = shutdown.stopping() => return,
            () = sleep(EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_before_the_end_it_is_said() {
        const DAY: i64 = 86_400_000_000;
        for (left, expected) in [
            (31 * DAY, Standing::Good),
            (30 * DAY, Standing::Good),
            (30 * DAY - 1, Standing::Soon(29)),
            (DAY, Standing::Soon(1)),
            (0, Standing::Soon(0)),
            (-1, Standing::Expired),
        ] {
            assert_eq!(standing(1000 * DAY + left, 1000 * DAY), expected, "{left}");
        }
    }
}
