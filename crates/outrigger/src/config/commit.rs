//! `[commit]`: who must have an object before it is committed, and how long that is waited for.

use std::time::Duration;

use outrigger_ledger::CommitPolicy;
use outrigger_model::MemberNumber;

use super::keys;
use super::section::Section;

/// `[commit]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitConfig {
    /// Who must have an object.
    pub(crate) policy: CommitPolicy,
    /// How long a request waits.
    pub(crate) wait: Duration,
}

/// Reads `[commit]`.
pub(crate) fn read_commit(section: Section<'_>) -> Option<CommitConfig> {
    let policy = section.read(&keys::COMMIT_POLICY, policy);
    let wait = section.timer(&keys::COMMIT_WAIT);
    section.end();
    Some(CommitConfig { policy: policy?, wait: wait? })
}

fn policy(text: &str) -> Option<CommitPolicy> {
    let members =
        |text: &str| text.parse().ok().filter(|count| (1..=MemberNumber::COUNT_MAX).contains(count));
    match text.split_once('+') {
        _ if text == "all" => Some(CommitPolicy::All),
        Some(("journal", count)) => Some(CommitPolicy::Journal { members: members(count)? }),
        Some(_) => None,
        None => Some(CommitPolicy::Members { members: members(text)? }),
    }
}

impl CommitConfig {
    /// In a sentence that the policy asks for more members than there are, if it does.
    pub(crate) fn beyond_members(&self, members: usize) -> Option<String> {
        let asked = match self.policy {
            CommitPolicy::All => 1,
            CommitPolicy::Journal { members } | CommitPolicy::Members { members } => usize::from(members),
        };
        // Without any there is a warning of its own.
        (members > 0 && asked > members).then(|| {
            format!("`commit.policy` asks for {asked} members, and there are {members}: no request for storage commitment can succeed")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_or_refused() {
        let journal = |members| Some(CommitPolicy::Journal { members });
        for (text, expected) in [
            ("all", Some(CommitPolicy::All)),
            ("journal+1", journal(1)),
            ("journal+12", journal(12)),
            ("2", Some(CommitPolicy::Members { members: 2 })),
            ("journal", None),
            ("journal+0", None),
            ("journal+", None),
            ("all+1", None),
            ("0", None),
            ("65", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(policy(text), expected, "{text}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_met_is_told_of() {
        let config = |text| CommitConfig { policy: policy(text).unwrap(), wait: Duration::from_secs(1) };
        for (text, members, told) in
            [("2", 1, true), ("journal+3", 2, true), ("2", 2, false), ("all", 2, false), ("2", 0, false)]
        {
            assert_eq!(config(text).beyond_members(members).is_some(), told, "{text} of {members}");
        }
    }
}
