//! `[commit]`: who must have an object before it is committed, and how long that is waited for.

use std::time::Duration;

use outrigger_ledger::CommitPolicy;
use outrigger_model::{ConfirmLevel, MemberNumber};

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
    /// How many members the policy asks for beside the required ones.
    pub(super) fn members_asked(&self) -> usize {
        match self.policy {
            CommitPolicy::All => 1,
            CommitPolicy::Journal { members } | CommitPolicy::Members { members } => usize::from(members),
        }
    }

    /// In a sentence that the policy asks for more than members that can be confirmed at these levels give, if it does.
    pub(crate) fn beyond_members(&self, levels: &[ConfirmLevel]) -> Option<String> {
        let (asked, members) = (self.members_asked(), levels.len());
        if asked > members && members > 0 {
            return Some(format!(
                "`commit.policy` asks for {asked} members, and there are {members}: no request for storage commitment can succeed"
            ));
        }
        let (least, words) = match self.policy {
            CommitPolicy::All | CommitPolicy::Journal { .. } => {
                (ConfirmLevel::Verified, "`confirm = \"verified\"`")
            }
            CommitPolicy::Members { .. } => (
                ConfirmLevel::Committed,
                "`confirm = \"verified\"`, or `\"committed\"` and a route over DIMSE",
            ),
        };
        let surely = levels.iter().filter(|level| **level >= least).count();
        // Where no member is asked for so much, one gives each object back all the same.
        (members > 0 && asked > surely.max(1)).then(|| {
            format!("`commit.policy` asks for {asked} members that surely have an object, and {surely} of {members} have {words}: no request for storage commitment can succeed; set it at {asked} members, or leave `confirm` out")
        })
    }
}

#[cfg(test)]
mod tests {
    use ConfirmLevel::{Committed, Present, Verified};

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
        for (text, levels, told) in [
            ("2", &[Verified][..], "and there are 1"),
            ("journal+3", &[Verified; 2], "and there are 2"),
            ("2", &[Present, Verified], "1 of 2 have `confirm = \"verified\"`, or `\"committed\"` and"),
            ("2", &[Present; 2], "0 of 2 have"),
            ("journal+2", &[Committed, Verified], "1 of 2 have `confirm = \"verified\"`"),
            ("2", &[Committed, Verified], ""),
            ("journal+2", &[Verified; 3], ""),
            ("journal+1", &[Present; 2], ""),
            ("1", &[Present; 2], ""),
            ("all", &[Present; 2], ""),
            ("2", &[], ""),
        ] {
            let beyond = config(text).beyond_members(levels);
            let is_right =
                beyond.as_ref().map_or(told.is_empty(), |beyond| !told.is_empty() && beyond.contains(told));
            assert!(is_right, "{text} of {levels:?}: {beyond:?}");
        }
    }
}
