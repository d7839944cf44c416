//! What is asked of each member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outrigger_model::{ConfirmLevel, InstanceHeader, MemberName, MemberNumber, MemberSet, Origin};

use crate::record::Wanting;
use crate::scope::Scope;

/// What is asked of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPolicy {
    /// Its name, which owns its number.
    pub name: MemberName,
    /// Whether bytes may go before it has them.
    pub need: Need,
    /// The level that closes a posting.
    pub confirm: ConfirmLevel,
    /// The level an entry must have reached here before its bytes may go: committed, which is present where the member cannot
    /// commit, if `confirm` is that or more; else present.
    pub release: ConfirmLevel,
    /// What it wants to hold.
    pub scope: Scope,
    /// The lower, the sooner it is asked.
    pub preference: u8,
    /// How long it is left alone after it accepted an object before it is asked whether it has it.
    pub settle: Duration,
}

/// Whether bytes may be released before a member has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// They may not.
    Required,
    /// They may.
    Optional,
}

/// The members of the configuration by their numbers; an immutable snapshot.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    by_number: Arc<BTreeMap<MemberNumber, MemberPolicy>>,
}

impl Policies {
    pub(crate) fn new(by_number: BTreeMap<MemberNumber, MemberPolicy>) -> Self {
        Self { by_number: Arc::new(by_number) }
    }

    /// The policy of a member of the configuration.
    pub fn get(&self, member: MemberNumber) -> Option<&MemberPolicy> {
        self.by_number.get(&member)
    }

    /// How long a member is left alone after it accepted an object.
    pub(crate) fn settle(&self, member: MemberNumber) -> Duration {
        self.get(member).map_or(Duration::ZERO, |policy| policy.settle)
    }

    /// The number a member's name owns, if it stands in the configuration.
    pub fn number(&self, name: &MemberName) -> Option<MemberNumber> {
        self.iter().find(|(_, policy)| policy.name == *name).map(|(number, _)| number)
    }

    /// Every member of the configuration, by number.
    pub fn iter(&self) -> impl Iterator<Item = (MemberNumber, &MemberPolicy)> {
        self.by_number.iter().map(|(number, policy)| (*number, policy))
    }

    /// The members whose scope an object falls into that was never stored here.
    pub(crate) fn wanting_inherited(&self, instance: &InstanceHeader) -> MemberSet {
        let wanting = self.iter().filter(|(_, policy)| policy.scope.wants_inherited(instance));
        wanting.map(|(number, _)| number).collect()
    }

    /// The members whose scope an object falls into.
    pub(crate) fn wanting(&self, instance: &InstanceHeader, origin: &Origin) -> Vec<Wanting> {
        let wanting = self.iter().filter(|(_, policy)| policy.scope.wants(instance, origin));
        wanting.map(|(number, policy)| Wanting { number, name: policy.name.clone() }).collect()
    }
}
