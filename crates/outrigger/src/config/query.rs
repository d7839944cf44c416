//! `[query]`: who answers queries, and how long a member is waited for.

use std::time::Duration;

use outrigger_query::Respondents;

use super::keys;
use super::section::Section;

/// `[query]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueryConfig {
    /// Who answers queries beside the catalogue.
    pub(crate) source: Respondents,
    /// Longest wait for one answer of a member.
    pub(crate) timeout: Duration,
}

/// Reads `[query]`.
pub(crate) fn read_query(section: Section<'_>) -> Option<QueryConfig> {
    let source = section.read(&keys::QUERY_SOURCE, |text| text.parse::<Respondents>().ok());
    let timeout = section.timer(&keys::QUERY_TIMEOUT);
    section.end();
    Some(QueryConfig { source: source?, timeout: timeout? })
}
