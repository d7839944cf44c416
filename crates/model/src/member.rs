//! How a member is named.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest member name, in characters: it stands in table columns and file names.
const MEMBER_NAME_MAX: usize = 32;

/// The name of a member: letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(Box<str>);

/// Why a text is no member name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no member name; 1 to {MEMBER_NAME_MAX} letters, digits, `-` or `_` are expected")]
pub struct MemberNameError {
    name: String,
}

impl MemberName {
    /// Takes a member's name.
    pub fn new(name: &str) -> Result<Self, MemberNameError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > MEMBER_NAME_MAX || !name.bytes().all(good) {
            return Err(MemberNameError { name: name.to_owned() });
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MemberName {
    type Error = MemberNameError;
    fn try_from(name: String) -> Result<Self, MemberNameError> {
        Self::new(&name)
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.0.into()
    }
}

/// The permanent number a member's name owns: 0 to 63, its bit in a confirmed mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberNumber(pub u8);

impl MemberNumber {
    /// How many members a ledger can name, for ever: one bit each in a 64-bit mask.
    pub const COUNT_MAX: u8 = 64;

    /// The member's bit in a mask.
    pub fn bit(self) -> u64 {
        1u64.checked_shl(u32::from(self.0)).unwrap_or(0)
    }
}
