//! What is known of an instance without parsing it.

use serde::{Deserialize, Serialize};

use crate::{SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag};

/// The identifying attributes of an instance, as the bounded scan found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHeader {
    /// SOP Class UID (0008,0016).
    pub sop_class: SopClassUid,
    /// SOP Instance UID (0008,0018).
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID; absent only in non-patient instances (PS3.4 Annex GG).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyUid>,
    /// Series Instance UID; absent only in non-patient instances (PS3.4 Annex GG).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesUid>,
    /// The other identifying attributes, by tag: text decoded to Unicode without padding, multiple values joined by `\`, integers as decimal text,
    /// sequences as the text of [`crate::Items`].
    pub attributes: Vec<(Tag, String)>,
}

impl InstanceHeader {
    /// The value of an identifying attribute; absent and empty are the same.
    pub fn attribute(&self, tag: Tag) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Something odd in an object that was stored all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// A UID was padded or breaks the rules of PS3.5 section 9.1.
    IllegalUid,
    /// Group 0002 stands inside the data set.
    FileMetaInside,
    /// Sequences nested beyond the depth we look into.
    TooDeep,
    /// A length below the top level contradicts its surroundings.
    BadInnerLength,
    /// Elements out of ascending order.
    OutOfOrder,
    /// An element of odd length.
    OddLength,
    /// Text that its declared character set cannot hold.
    BadText,
    /// An element whose value is larger than we look into.
    HugeElement,
    /// Bytes follow the last element.
    TrailingBytes,
}
