//! Our certificate, watched so that it does not run out unseen, and is not shown unseen before its time.

use std::net::SocketAddr;
use std::time::Duration;

use outrigger_runtime::tls::Validity;
use outrigger_runtime::{Clock, Shutdown};
use tokio::time::sleep;

/// How long before the end it is warned: a month is what authorities of hospitals take to answer.
const WARN_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It begins after this time.
    NotYet(Duration),
    Good,
    /// Whole days left.
    Soon(u64),
    Expired,
}

fn standing(validity: Validity, now_us: i64) -> Standing {
    let until = |us: i64| u64::try_from(us.saturating_sub(now_us)).map(Duration::from_micros);
    match (until(validity.begins_us), until(validity.expires_us)) {
        (_, Err(_)) => Standing::Expired,
        (Ok(wait), _) if !wait.is_zero() => Standing::NotYet(wait),
        (_, Ok(left)) if left < WARN_BEFORE => Standing::Soon(left.as_secs() / 86_400),
        (_, Ok(_)) => Standing::Good,
    }
}

/// How long it stands so at most.
fn again_in(standing: Standing) -> Duration {
    match standing {
        Standing::NotYet(wait) => wait.min(EVERY),
        Standing::Good | Standing::Soon(_) | Standing::Expired => EVERY,
    }
}

/// Says once a day how long the certificate of a listener is good for, when that is not long, and that it is not good yet.
pub(crate) async fn watch(validity: Validity, listener: SocketAddr, clock: Clock, mut shutdown: Shutdown) {
    loop {
        let standing = standing(validity, clock.wall_us());
        match standing {
            Standing::Good => tracing::debug!(%listener, "the certificate is good"),
            Standing::NotYet(wait) => {
                let hours = wait.as_secs().div_ceil(3600);
                tracing::error!(%listener, hours, "the certificate is not valid yet; peers will not connect before it is; put one in place that is, or set the clock right");
            }
            Standing::Soon(days) => {
                tracing::warn!(%listener, days, "the certificate expires soon; put a new one in place and restart");
            }
            Standing::Expired => {
                tracing::error!(%listener, "the certificate has expired; peers will not connect");
            }
        }
        metrics::gauge!("outrigger_certificate_expires_seconds", "listener" => listener.to_string())
            .set(Duration::from_micros(u64::try_from(validity.expires_us).unwrap_or(0)).as_secs_f64());
        tokio::select! {
            () = shutdown.stopping() => return,
            () = sleep(again_in(standing)) => {}
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
            let validity = Validity { begins_us: 1000 * DAY, expires_us: 1000 * DAY + left };
            assert_eq!(standing(validity, 1000 * DAY), expected, "{left}");
        }
    }

    #[test]
    fn before_it_begins_it_is_said_and_looked_at_again_when_it_does() {
        const HOUR: Duration = Duration::from_secs(3600);
        let at = |wait: Duration| {
            let begins_us = i64::try_from(wait.as_micros()).unwrap() + 5;
            standing(Validity { begins_us, expires_us: i64::MAX }, 5)
        };
        assert_eq!(at(HOUR), Standing::NotYet(HOUR));
        assert_eq!(again_in(at(HOUR)), HOUR);
        assert_eq!(again_in(at(HOUR * 100)), EVERY);
        assert_eq!(at(Duration::ZERO), Standing::Good);
        let never = standing(Validity { begins_us: 20, expires_us: 10 }, 15);
        assert_eq!(never, Standing::Expired, "what no time will mend goes first");
    }
}
