//! Who asks for storage commitment, and so how its result comes to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ae::{AeTitle, AeTitleError};

/// No AE title has it (PS3.5 section 6.2).
const WEB: char = '\\';

/// Who asks for storage commitment; as text an AE title as it is, and a client of the web behind a backslash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requestor {
    /// An AE title: it is told the result (PS3.4 Annex J).
    Ae(AeTitle),
    /// A client of the web: it comes and looks (PS3.18 section 13).
    Web(WebClient),
}

/// A client of the web, as the access of its listener tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebClient {
    /// Whoever is let in without a token; they are not told from each other.
    Anyone,
    /// The holder of a token of this name.
    Token(String),
}

impl WebClient {
    /// The client of a listener's user, where it names one.
    pub fn of(user: Option<&str>) -> Self {
        user.map_or(Self::Anyone, |user| Self::Token(user.to_owned()))
    }
}

impl Requestor {
    /// The AE title that is told the result; a client of the web is not told.
    pub fn ae_title(&self) -> Option<&AeTitle> {
        match self {
            Self::Ae(title) => Some(title),
            Self::Web(_) => None,
        }
    }
}

impl fmt::Display for Requestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ae(title) => f.write_str(title.as_str()),
            Self::Web(WebClient::Anyone) => write!(f, "{WEB}"),
            Self::Web(WebClient::Token(name)) => write!(f, "{WEB}{name}"),
        }
    }
}

impl From<Requestor> for String {
    fn from(requestor: Requestor) -> Self {
        requestor.to_string()
    }
}

impl TryFrom<String> for Requestor {
    type Error = AeTitleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(match text.strip_prefix(WEB) {
            None => Self::Ae(AeTitle::new(&text)?),
            Some("") => Self::Web(WebClient::Anyone),
            Some(name) => Self::Web(WebClient::Token(name.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_back_as_it_was_and_none_is_taken_for_another() {
        for (requestor, text) in [
            (Requestor::Ae(AeTitle::known("CT1")), "CT1"),
            (Requestor::Web(WebClient::of(None)), "\\"),
            (Requestor::Web(WebClient::of(Some("token:00ff"))), "\\token:00ff"),
        ] {
            assert_eq!(requestor.to_string(), text);
            assert_eq!(Requestor::try_from(text.to_owned()).unwrap(), requestor);
        }
        assert!(AeTitle::new("\\token:00ff").is_err(), "no AE title can be taken for a client of the web");
        assert!(Requestor::try_from(String::new()).is_err());
    }
}
