//! Where an object came from.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AeTitle, MemberName};

/// The number one association is logged under, unique while a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AssociationId(pub u64);

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

/// Where an object came from, recorded at arrival because it cannot be added later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Calling AE title.
    pub calling_ae: AeTitle,
    /// Called AE title.
    pub called_ae: AeTitle,
    /// Address the peer called from.
    pub peer: IpAddr,
    /// The association it came over.
    pub association: AssociationId,
    /// Implementation Class UID and Version Name of the peer, as far as it gave them.
    pub implementation: String,
    /// Default issuer of patient ID of the peer, listener or member it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The member it came from, if a member sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
}
