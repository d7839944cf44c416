//! Times as people and other programs read them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01 UTC as RFC 3339; `None` for a time that has no such form.
pub(crate) fn rfc3339(at_us: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_us) * 1000).ok()?.format(&Rfc3339).ok()
}
