//! Attribute tags.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An attribute tag (gggg,eeee).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(pub u16, pub u16);

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no tag; eight hexadecimal digits are expected")]
pub struct TagError {
    text: String,
}

impl Tag {
    /// Reads eight hexadecimal digits, as in DICOM JSON (PS3.18 Annex F).
    pub fn from_hex(text: &str) -> Result<Self, TagError> {
        let bad = || TagError { text: text.to_owned() };
        let (group, element) = text.split_at_checked(4).filter(|_| text.len() == 8).ok_or_else(bad)?;
        let part = |digits| u16::from_str_radix(digits, 16).map_err(|_| bad());
        Ok(Self(part(group)?, part(element)?))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;
    fn try_from(text: String) -> Result<Self, TagError> {
        Self::from_hex(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        format!("{:04X}{:04X}", tag.0, tag.1)
    }
}

/// The attributes the catalogue, the fronts and the scanner name.
#[allow(missing_docs, reason = "each is named as in PS3.6")]
impl Tag {
    pub const SPECIFIC_CHARACTER_SET: Self = Self(0x0008, 0x0005);
    pub const INSTANCE_CREATION_DATE: Self = Self(0x0008, 0x0012);
    pub const SOP_CLASS_UID: Self = Self(0x0008, 0x0016);
    pub const SOP_INSTANCE_UID: Self = Self(0x0008, 0x0018);
    pub const STUDY_DATE: Self = Self(0x0008, 0x0020);
    pub const SERIES_DATE: Self = Self(0x0008, 0x0021);
    pub const CONTENT_DATE: Self = Self(0x0008, 0x0023);
    pub const STUDY_TIME: Self = Self(0x0008, 0x0030);
    pub const SERIES_TIME: Self = Self(0x0008, 0x0031);
    pub const CONTENT_TIME: Self = Self(0x0008, 0x0033);
    pub const ACCESSION_NUMBER: Self = Self(0x0008, 0x0050);
    pub const ISSUER_OF_ACCESSION_NUMBER: Self = Self(0x0008, 0x0051);
    pub const QUERY_RETRIEVE_LEVEL: Self = Self(0x0008, 0x0052);
    pub const RETRIEVE_AE_TITLE: Self = Self(0x0008, 0x0054);
    pub const INSTANCE_AVAILABILITY: Self = Self(0x0008, 0x0056);
    pub const MODALITY: Self = Self(0x0008, 0x0060);
    pub const MODALITIES_IN_STUDY: Self = Self(0x0008, 0x0061);
    pub const SOP_CLASSES_IN_STUDY: Self = Self(0x0008, 0x0062);
    pub const MANUFACTURER: Self = Self(0x0008, 0x0070);
    pub const INSTITUTION_NAME: Self = Self(0x0008, 0x0080);
    pub const REFERRING_PHYSICIAN: Self = Self(0x0008, 0x0090);
    pub const STATION_NAME: Self = Self(0x0008, 0x1010);
    pub const STUDY_DESCRIPTION: Self = Self(0x0008, 0x1030);
    pub const PROCEDURE_CODES: Self = Self(0x0008, 0x1032);
    pub const SERIES_DESCRIPTION: Self = Self(0x0008, 0x103E);
    pub const ANATOMIC_REGIONS: Self = Self(0x0008, 0x2218);
    pub const PATIENT_NAME: Self = Self(0x0010, 0x0010);
    pub const PATIENT_ID: Self = Self(0x0010, 0x0020);
    pub const ISSUER_OF_PATIENT_ID: Self = Self(0x0010, 0x0021);
    pub const PATIENT_BIRTH_DATE: Self = Self(0x0010, 0x0030);
    pub const PATIENT_SEX: Self = Self(0x0010, 0x0040);
    pub const OTHER_PATIENT_IDS: Self = Self(0x0010, 0x1002);
    pub const BODY_PART_EXAMINED: Self = Self(0x0018, 0x0015);
    pub const STUDY_INSTANCE_UID: Self = Self(0x0020, 0x000D);
    pub const SERIES_INSTANCE_UID: Self = Self(0x0020, 0x000E);
    pub const STUDY_ID: Self = Self(0x0020, 0x0010);
    pub const SERIES_NUMBER: Self = Self(0x0020, 0x0011);
    pub const INSTANCE_NUMBER: Self = Self(0x0020, 0x0013);
    pub const LATERALITY: Self = Self(0x0020, 0x0060);
    pub const PATIENT_RELATED_STUDIES: Self = Self(0x0020, 0x1200);
    pub const PATIENT_RELATED_SERIES: Self = Self(0x0020, 0x1202);
    pub const PATIENT_RELATED_INSTANCES: Self = Self(0x0020, 0x1204);
    pub const STUDY_RELATED_SERIES: Self = Self(0x0020, 0x1206);
    pub const STUDY_RELATED_INSTANCES: Self = Self(0x0020, 0x1208);
    pub const SERIES_RELATED_INSTANCES: Self = Self(0x0020, 0x1209);
    pub const NUMBER_OF_FRAMES: Self = Self(0x0028, 0x0008);
    pub const ROWS: Self = Self(0x0028, 0x0010);
    pub const COLUMNS: Self = Self(0x0028, 0x0011);
    pub const BITS_ALLOCATED: Self = Self(0x0028, 0x0100);
    pub const PERFORMED_PROTOCOL_CODES: Self = Self(0x0040, 0x0260);
    pub const REQUEST_ATTRIBUTES: Self = Self(0x0040, 0x0275);
    pub const CONCEPT_NAME: Self = Self(0x0040, 0xA043);
    pub const REFERENCED_REQUESTS: Self = Self(0x0040, 0xA370);
    pub const CONTENT_TEMPLATE: Self = Self(0x0040, 0xA504);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        assert_eq!(Tag::from_hex("0020000D"), Ok(Tag::STUDY_INSTANCE_UID));
        assert_eq!(String::from(Tag(0x7FE0, 0x0010)), "7FE00010");
        assert!(Tag::from_hex("0020000").is_err());
        assert!(Tag::from_hex("0020000g").is_err());
    }
}
