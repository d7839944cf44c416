//! What a path names (PS3.18 section 10.1.1): a study, a series of it, an instance of that.

use std::fmt;

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, TransactionUid, UidError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A DICOM resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `/studies/{study}`.
    Study(StudyUid),
    /// `/studies/{study}/series/{series}`.
    Series(StudyUid, SeriesUid),
    /// `/studies/{study}/series/{series}/instances/{instance}`.
    Instance(StudyUid, SeriesUid, SopInstanceUid),
}

/// A part of a path that cannot be a UID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Nothing that could be one.
    #[error("the {what} in the path is no UID")]
    NoUid {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
    /// Something that stands in no UID, not even in those that break the rules: a path trick or a wildcard.
    #[error("the {what} in the path has the character {letter:?}; digits and dots are expected")]
    BadLetter {
        /// Which.
        what: &'static str,
        /// The character.
        letter: char,
    },
    /// Not in the form of a UID (PS3.5 section 9.1), where one is made for the request itself.
    #[error(
        "the {what} in the path is no UID: at most 64 digits and dots are expected, with a digit between dots"
    )]
    Malformed {
        /// Which.
        what: &'static str,
    },
}

impl Resource {
    /// The study of a path, its escapes resolved.
    pub fn study(study: &str) -> Result<Self, ResourceError> {
        Ok(Self::Study(uid(study, "Study Instance UID", StudyUid::new)?))
    }

    /// The series of a path.
    pub fn series(study: &str, series: &str) -> Result<Self, ResourceError> {
        let study = uid(study, "Study Instance UID", StudyUid::new)?;
        Ok(Self::Series(study, uid(series, "Series Instance UID", SeriesUid::new)?))
    }

    /// The instance of a path.
    pub fn instance(study: &str, series: &str, instance: &str) -> Result<Self, ResourceError> {
        let study = uid(study, "Study Instance UID", StudyUid::new)?;
        let series = uid(series, "Series Instance UID", SeriesUid::new)?;
        Ok(Self::Instance(study, series, uid(instance, "SOP Instance UID", SopInstanceUid::new)?))
    }
}

/// The request for storage commitment that a path names (PS3.18 section 13.4.1). Its UID is made for it: nothing in the field
/// is bound to one that breaks the rules, but for zeros that lead, which some generators write.
pub fn transaction(text: &str) -> Result<TransactionUid, ResourceError> {
    let what = "Transaction UID";
    let transaction = uid(text, what, TransactionUid::new)?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > TRANSACTION_BYTES_MAX || !text.split('.').all(is_number) {
        return Err(ResourceError::Malformed { what });
    }
    Ok(transaction)
}

/// Longest UID that the standard has, in bytes (PS3.5 section 9.1).
const TRANSACTION_BYTES_MAX: usize = 64;

/// A UID of a path; letters are let through, since devices in the field have put them there.
fn uid<U>(
    text: &str,
    what: &'static str,
    read: impl Fn(&str) -> Result<U, UidError>,
) -> Result<U, ResourceError> {
    let bad = |letter: &char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'));
    if let Some(letter) = text.chars().find(bad) {
        return Err(ResourceError::BadLetter { what, letter });
    }
    // A path of dots is another path to whoever stands between.
    if text.chars().all(|letter| letter == '.') && !text.is_empty() {
        return Err(ResourceError::Malformed { what });
    }
    read(text).map_err(|source| ResourceError::NoUid { what, source })
}

/// What is not escaped in a path: the unreserved characters of RFC 3986 section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');

impl fmt::Display for Resource {
    /// The path below the service, escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |uid| utf8_percent_encode(uid, ESCAPED);
        match self {
            Self::Study(study) => write!(f, "/studies/{}", part(study.as_str())),
            Self::Series(study, series) => {
                write!(f, "/studies/{}/series/{}", part(study.as_str()), part(series.as_str()))
            }
            Self::Instance(study, series, instance) => {
                let (study, series) = (part(study.as_str()), part(series.as_str()));
                write!(f, "/studies/{study}/series/{series}/instances/{}", part(instance.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was() {
        let resource = Resource::instance("1.2", "1.2.03", "1.2.a").unwrap();
        assert_eq!(resource.to_string(), "/studies/1.2/series/1.2.03/instances/1.2.a");
        assert_eq!(Resource::series("1", "2").unwrap().to_string(), "/studies/1/series/2");
    }

    #[test]
    fn tricks_are_no_uids() {
        for trick in ["", "1.2/../3", "..%2f", "1.2*", "1.2?", "1.2\\3", "1.2\u{0}3", "' OR 1=1", "\u{661}"] {
            assert!(Resource::study(trick).is_err(), "{trick}");
            assert!(Resource::series("1.2", trick).is_err(), "{trick}");
            assert!(Resource::instance("1.2", "1.3", trick).is_err(), "{trick}");
        }
        assert!(Resource::study(&"1".repeat(2000)).is_err());
        assert!(Resource::study("..").is_err());
    }

    #[test]
    fn a_transaction_has_the_form_of_a_uid() {
        for good in ["1.2", "2.25.123", "1.02.3", &"1".repeat(64)] {
            assert_eq!(transaction(good).unwrap().as_str(), good);
        }
        for bad in ["abc", "1.2.a", "1..2", ".1", "1.", "..", "", "1.2-3", "1_2", &"1".repeat(65)] {
            assert!(transaction(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_odd_uid_is_escaped() {
        let odd = Resource::Study(StudyUid::new("1.2/\"3").unwrap());
        assert_eq!(odd.to_string(), "/studies/1.2%2F%223");
    }
}
