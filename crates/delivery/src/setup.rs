//! What delivery is told about a member.

use std::sync::Arc;
use std::time::Duration;

use outrigger_member::Member;
use outrigger_member::status::StatusRules;
use outrigger_model::{AeTitle, ConfirmLevel, MemberName, MemberNumber};

/// The AE title a member is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calling {
    /// Always this one.
    Fixed(AeTitle),
    /// That of the object's sender.
    Preserve,
}

/// One way to reach a member.
#[derive(Clone)]
pub struct Route {
    /// How it is shown: protocol and address.
    pub label: String,
    /// The way.
    pub member: Arc<dyn Member>,
}

/// A member as delivery sees it.
#[derive(Clone)]
pub struct MemberSetup {
    /// Its permanent number.
    pub number: MemberNumber,
    /// Its name.
    pub name: MemberName,
    /// Ways to reach it, in order of preference; at least one.
    pub routes: Vec<Route>,
    /// Connections at once.
    pub connections: usize,
    /// How surely it must have an object.
    pub confirm: ConfirmLevel,
    /// How long after an accepted store the first confirmation is asked for.
    pub settle: Duration,
    /// The AE title it is called with.
    pub calling: Calling,
    /// Statuses it uses in its own way.
    pub rules: StatusRules,
    /// The lowest is asked first for verification.
    pub preference: u8,
}
