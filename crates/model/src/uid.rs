//! Unique identifiers (PS3.5 section 9), one type for each thing they name.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest UID taken as an identity, in bytes; the standard's limit is 64, devices in the field exceed it.
const UID_BYTES_MAX: usize = 128;

/// Why a value cannot be taken as a UID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// Nothing is left after padding is removed.
    #[error("the UID is empty")]
    Empty,
    /// Longer than any identity we keep.
    #[error("the UID has {length} bytes, more than {UID_BYTES_MAX}")]
    TooLong {
        /// Length without padding, in bytes.
        length: usize,
    },
    /// A byte that cannot stand in an identifier.
    #[error("the UID has the byte {byte:#04x} at position {position}; digits and dots are expected")]
    BadByte {
        /// The byte found.
        byte: u8,
        /// Its place, from 0.
        position: usize,
    },
}

/// Strips trailing NUL and space padding, which peers add where the standard has none.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((b' ' | 0, shorter)) = rest.split_last() {
        rest = shorter;
    }
    rest
}

fn checked(bytes: &[u8]) -> Result<Arc<str>, UidError> {
    let bytes = trimmed(bytes);
    if bytes.is_empty() {
        return Err(UidError::Empty);
    }
    if bytes.len() > UID_BYTES_MAX {
        return Err(UidError::TooLong { length: bytes.len() });
    }
    let bad = |byte: u8| !byte.is_ascii_graphic() || byte == b'\\';
    if let Some((position, byte)) = bytes.iter().copied().enumerate().find(|(_, byte)| bad(*byte)) {
        return Err(UidError::BadByte { byte, position });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Arc::from(text)),
        Err(_) => Err(UidError::Empty),
    }
}

fn conformant(text: &str) -> bool {
    text.len() <= 64
        && text.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        })
}

/// Letters, digits, `.`, `-` and `_`, and more than dots: nothing that a path, a list or a wildcard reads as something else.
fn addressable(text: &str) -> bool {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.bytes().all(stands) && text.bytes().any(|byte| byte != b'.')
}

macro_rules! uid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the bytes of a UI value, without its padding; illegal digits of legacy data stay as they are.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, UidError> {
                checked(bytes).map(Self)
            }

            /// Takes a UID written as text.
            pub fn new(text: &str) -> Result<Self, UidError> {
                checked(text.as_bytes()).map(Self)
            }

            /// A UID of this program's own making, such as a constant of the standard.
            pub fn known(text: &'static str) -> Self {
                Self(Arc::from(text))
            }

            /// A UUID-derived UID under 2.25 (PS3.5 section B.2).
            pub fn from_random(random: u128) -> Self {
                Self(Arc::from(format!("2.25.{random}")))
            }

            /// The UID as text, without padding.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it can be asked for as it is, in the path of a URL and as the key of a query; longer ones than the standard
            /// has, leading zeros and letters do no harm.
            pub fn is_addressable(&self) -> bool {
                addressable(&self.0)
            }

            /// Whether it keeps the rules of PS3.5 section 9.1: at most 64 characters, digits and dots, no leading zero.
            pub fn is_conformant(&self) -> bool {
                conformant(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UidError;
            fn try_from(text: String) -> Result<Self, UidError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(uid: $name) -> Self {
                uid.0.to_string()
            }
        }
    };
}

uid!(
    /// SOP Instance UID (0008,0018): the identity of one instance.
    SopInstanceUid
);
uid!(
    /// SOP Class UID (0008,0016).
    SopClassUid
);
uid!(
    /// Study Instance UID (0020,000D).
    StudyUid
);
uid!(
    /// Series Instance UID (0020,000E).
    SeriesUid
);
uid!(
    /// Transfer Syntax UID (0002,0010).
    TransferSyntaxUid
);
uid!(
    /// Transaction UID (0008,1195) of a storage commitment request.
    TransactionUid
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_not_identity() {
        let plain = SopInstanceUid::new("1.2.3").unwrap();
        for padded in [&b"1.2.3\0"[..], b"1.2.3 ", b"1.2.3\0\0 "] {
            assert_eq!(SopInstanceUid::from_bytes(padded).unwrap(), plain);
        }
    }

    #[test]
    fn what_is_no_uid_is_refused_by_reason() {
        assert_eq!(StudyUid::new(" \0"), Err(UidError::Empty));
        assert_eq!(StudyUid::new("1.2\\3"), Err(UidError::BadByte { byte: b'\\', position: 3 }));
        assert_eq!(StudyUid::new(&"1".repeat(129)), Err(UidError::TooLong { length: 129 }));
    }

    #[test]
    fn what_a_path_or_a_wildcard_would_read_otherwise_is_not_addressable() {
        for good in ["1.2.840.0", "1.02", "a.b", "1..2", ".1", "TEST_1-2", &"1".repeat(128)] {
            assert!(StudyUid::new(good).unwrap().is_addressable(), "{good}");
        }
        for bad in [
            "2.25.1/../../x",
            "..",
            ".",
            "1.2*",
            "1.2?3",
            "1.2%2F",
            "1.2\"3",
            "1.2;3",
            "1.2#",
            "1,2",
            "1.2:3",
        ] {
            assert!(!StudyUid::new(bad).unwrap().is_addressable(), "{bad}");
        }
    }

    #[test]
    fn conformance_is_known_but_not_demanded() {
        for (text, good) in [("1.2.840.0", true), ("1.02", false), ("a.b", false), ("1..2", false)] {
            assert_eq!(StudyUid::new(text).unwrap().is_conformant(), good, "{text}");
        }
    }
}
