//! Application Entity titles (VR AE, PS3.5 section 6.2).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest AE title, in characters (PS3.5 table 6.2-1).
const AE_TITLE_BYTES_MAX: usize = 16;

/// An AE title: 1 to 16 characters without leading or trailing spaces; compared case-sensitively.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(Box<str>);

/// Why a text is no AE title.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AeTitleError {
    /// Only spaces.
    #[error("the AE title is empty; 1 to 16 characters are needed")]
    Empty,
    /// More than 16 characters.
    #[error("the AE title `{title}` is longer than 16 characters")]
    TooLong {
        /// The text given.
        title: String,
    },
    /// A backslash, a control or a non-ASCII character.
    #[error("the AE title `{title}` has a backslash, a control or a non-ASCII character")]
    BadCharacter {
        /// The text given.
        title: String,
    },
}

impl AeTitle {
    /// Takes an AE title; surrounding spaces and NULs are not significant.
    pub fn new(text: &str) -> Result<Self, AeTitleError> {
        let title = text.trim_matches([' ', '\0']);
        if title.is_empty() {
            return Err(AeTitleError::Empty);
        }
        if title.len() > AE_TITLE_BYTES_MAX {
            return Err(AeTitleError::TooLong { title: title.to_owned() });
        }
        if title.bytes().any(|byte| byte == b'\\' || !(b' '..=b'~').contains(&byte)) {
            return Err(AeTitleError::BadCharacter { title: title.to_owned() });
        }
        Ok(Self(title.into()))
    }

    /// A title of this program's own making, kept to the rules by who writes it.
    pub fn known(text: &'static str) -> Self {
        Self(text.into())
    }

    /// The title without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AeTitle {
    type Error = AeTitleError;
    fn try_from(text: String) -> Result<Self, AeTitleError> {
        Self::new(&text)
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> Self {
        title.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_around_do_not_count_spaces_inside_do() {
        assert_eq!(AeTitle::new("  CT 1   ").unwrap().as_str(), "CT 1");
        assert_eq!(AeTitle::new("   "), Err(AeTitleError::Empty));
        assert!(AeTitle::new("ABCDEFGHIJKLMNOPQ").is_err());
        assert!(AeTitle::new("A\\B").is_err());
        assert_ne!(AeTitle::new("ct1"), AeTitle::new("CT1"));
    }
}
