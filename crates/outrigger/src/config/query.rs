//! `[query]`: who answers queries, and how long a member is waited for.

use std::time::Duration;

use super::keys;
use super::section::Section;

/// `[query]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueryConfig {
    /// Longest wait for one answer of a member.
    pub(crate) timeout: Duration,
}

/// Reads `[query]`.
pub(crate) fn read_query(section: Section<'_>) -> Option<QueryConfig> {
    let source = section.read(&keys::QUERY_SOURCE, |text| {
        ["catalogue", "members", "all"].contains(&text).then(|| text.to_owned())
    });
    if source.as_deref().is_some_and(|source| source != "catalogue") {
        section.not_in_this_version(&keys::QUERY_SOURCE, "asking the members to answer queries");
    }
    let timeout = section.timer(&keys::QUERY_TIMEOUT);
    section.end();
    Some(QueryConfig { timeout: timeout? })
}
