//! What a member's answer to a store means for the object: the table of defaults, and each member's own rules as data.

use std::collections::BTreeMap;

use outrigger_model::{Status, StatusClass};
use serde::{Deserialize, Deserializer};

use crate::contract::{ConnectError, MemberError, Reply};

/// What an answer, or the want of one, means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Stored.
    Stored,
    /// Stored with a warning: the member may have altered its copy. Nothing but the attempt's status tells.
    StoredWithNote,
    /// It has an instance of this UID; this counts as stored, and only reading back tells whether it is ours.
    AlreadyThere,
    /// Not stored; the same may succeed later.
    RetryLater,
    /// Not stored, and never will be as it is.
    RefusedForGood,
    /// Something must be changed at the member or here before anything can be stored; until then it is tried again.
    Config,
    /// Stored or not: it has to be asked.
    Unknown,
    /// No accepted presentation context fits.
    NoContext,
}

/// A member's own meaning of statuses, before the defaults; read from a table of status to class.
///
/// A key is four hexadecimal digits, of which trailing ones may be `x` for any digit: `A7xx`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusRules(Vec<(Pattern, Outcome)>);

/// The digits of a status that count, as a mask and their value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pattern {
    mask: u16,
    value: u16,
}

/// Why a table of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is no status; four hexadecimal digits, the last ones perhaps `x`, are expected")]
pub struct StatusRuleError {
    key: String,
}

impl Pattern {
    fn read(key: &str) -> Result<Self, StatusRuleError> {
        let bad = || StatusRuleError { key: key.to_owned() };
        let digits = key.trim_end_matches(['x', 'X']);
        if key.len() != 4 || digits.is_empty() {
            return Err(bad());
        }
        let value = u16::from_str_radix(digits, 16).map_err(|_| bad())?;
        let shift = 4 * (key.len() - digits.len());
        Ok(Self { mask: u16::MAX << shift, value: value << shift })
    }

    fn fits(self, status: Status) -> bool {
        status.0 & self.mask == self.value
    }
}

impl StatusRules {
    /// Takes a table; the more digits of a key count, the earlier it is looked at.
    pub fn new(table: &BTreeMap<String, Outcome>) -> Result<Self, StatusRuleError> {
        let rule = |(key, outcome): (&String, &Outcome)| Ok((Pattern::read(key)?, *outcome));
        let mut rules: Vec<_> = table.iter().map(rule).collect::<Result<_, _>>()?;
        rules.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.mask));
        Ok(Self(rules))
    }

    fn of(&self, status: Status) -> Option<Outcome> {
        self.0.iter().find(|(pattern, _)| pattern.fits(status)).map(|(_, outcome)| *outcome)
    }
}

impl<'de> Deserialize<'de> for StatusRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&BTreeMap::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Classes the answer to a store, or why there is none.
pub fn classify(answer: &Result<Reply, MemberError>, rules: &StatusRules) -> Outcome {
    match answer {
        Ok(reply) => of_status(reply.status, rules),
        Err(MemberError::Refused { status, .. }) => of_status(*status, rules),
        Err(MemberError::Connect(ConnectError::Rejected { permanent: true, .. })) => Outcome::Config,
        Err(
            MemberError::Connect(ConnectError::Rejected { .. } | ConnectError::Network { .. })
            | MemberError::Source(_)
            | MemberError::NotFound
            | MemberError::OtherClass { .. }
            // A store is answered with a status over HTTP too; this is of what came before it.
            | MemberError::Http(_),
        ) => Outcome::RetryLater,
        Err(MemberError::Lost { .. }) => Outcome::Unknown,
        Err(MemberError::NoContext { .. }) => Outcome::NoContext,
        Err(MemberError::Unable { .. } | MemberError::OutsideStudies) => Outcome::RefusedForGood,
    }
}

fn of_status(status: Status, rules: &StatusRules) -> Outcome {
    rules.of(status).unwrap_or_else(|| default_of(status))
}

/// The meaning where a member has no rule of its own (PS3.4 table B.2-1, PS3.7 Annex C).
fn default_of(status: Status) -> Outcome {
    match status.class() {
        StatusClass::Success => Outcome::Stored,
        StatusClass::Warning => Outcome::StoredWithNote,
        // No answer to a C-STORE: whatever is meant, the object may be there.
        StatusClass::Pending | StatusClass::Cancel => Outcome::Unknown,
        StatusClass::Failure => match status.0 {
            0x0111 => Outcome::AlreadyThere,
            0x0124 => Outcome::Config,
            0x0105 | 0x0106 | 0x0112 | 0x0115 | 0x0117..=0x0122 | 0xA900..=0xA9FF | 0xC000..=0xCFFF => {
                Outcome::RefusedForGood
            }
            // 0110, 0213, A7xx; and of a code of its own nothing says that trying again is of no use.
            _ => Outcome::RetryLater,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply {
        Reply { status: Status(status), comment: None }
    }

    #[test]
    fn every_row_of_the_table() {
        use Outcome::{AlreadyThere, Config, RefusedForGood, RetryLater, Stored, StoredWithNote, Unknown};
        for (statuses, outcome) in [
            (&[0x0000][..], Stored),
            (&[0xB000, 0xB006, 0xB007, 0xB0FF, 0x0001, 0x0107, 0x0116], StoredWithNote),
            (&[0x0111], AlreadyThere),
            (&[0x0124], Config),
            (&[0xA700, 0xA7FF, 0xA776, 0x0213, 0x0110, 0x0211, 0x9999], RetryLater),
            (&[0xA900, 0xA9FF, 0xC000, 0xCFFF, 0x0117, 0x0119, 0x0122], RefusedForGood),
            (&[0x0106, 0x0115, 0x0120, 0x0121], RefusedForGood),
            (&[0xFE00, 0xFF00, 0xFF01], Unknown),
        ] {
            for status in statuses {
                assert_eq!(classify(&Ok(reply(*status)), &StatusRules::default()), outcome, "{status:04X}");
            }
        }
    }

    #[test]
    fn want_of_an_answer_is_classed_too() {
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let rejected = |permanent| {
            MemberError::Connect(ConnectError::Rejected {
                address: "pacs:104".into(),
                permanent,
                reason: String::new(),
            })
        };
        for (error, outcome) in [
            (MemberError::Lost { operation: "C-STORE", source: Box::new(lost) }, Outcome::Unknown),
            (rejected(true), Outcome::Config),
            (rejected(false), Outcome::RetryLater),
            (MemberError::NoContext { what: String::new() }, Outcome::NoContext),
            (MemberError::Refused { operation: "C-STORE", status: Status(0xA900) }, Outcome::RefusedForGood),
        ] {
            let answer = Err(error);
            assert_eq!(classify(&answer, &StatusRules::default()), outcome, "{answer:?}");
        }
    }

    #[test]
    fn a_member_may_mean_something_else() {
        let table = [
            ("A7xx", Outcome::RefusedForGood),
            ("A700", Outcome::RetryLater),
            ("cxxx", Outcome::RetryLater),
            ("0110", Outcome::Config),
        ];
        let table = table.map(|(key, outcome)| (key.to_owned(), outcome)).into();
        let rules = StatusRules::new(&table).unwrap();
        for (status, outcome) in [
            (0xA776, Outcome::RefusedForGood),
            (0xA700, Outcome::RetryLater),
            (0xC123, Outcome::RetryLater),
            (0x0110, Outcome::Config),
            (0xA900, Outcome::RefusedForGood),
            (0x0000, Outcome::Stored),
        ] {
            assert_eq!(classify(&Ok(reply(status)), &rules), outcome, "{status:04X}");
        }
        for key in ["", "A7", "A7x", "xxxx", "G000", "A7000", "Ax00"] {
            let table = [(key.to_owned(), Outcome::Stored)].into();
            assert!(StatusRules::new(&table).is_err(), "{key}");
        }
    }
}
