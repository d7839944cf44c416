//! The digest an object's bytes are known by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of the data set bytes exactly as transferred, without group 0002.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no SHA-256 digest; 64 hexadecimal digits are expected")]
pub struct DigestError {
    text: String,
}

impl Sha256Digest {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError { text: text.to_owned() };
        let digits: Vec<u32> =
            text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>().ok_or_else(bad)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(bad());
        }
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        let digest = Sha256Digest(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        assert_eq!(Sha256Digest::from_hex(&digest.to_string()), Ok(digest));
        assert!(Sha256Digest::from_hex("0g").is_err());
        assert!(Sha256Digest::from_hex("00").is_err());
    }
}
