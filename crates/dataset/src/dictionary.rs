//! The value representation the data dictionary gives an attribute (PS3.6).

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;
use outrigger_model::Tag;

use crate::element::Vr;

/// The value representation of an attribute; UN for private and unknown ones, US where US and SS are both possible,
/// OW where OW and another are.
pub fn vr(tag: Tag) -> Vr {
    entry(tag).map_or(Vr::UN, VirtualVr::relaxed)
}

/// The attribute that a keyword names (PS3.6); `None` for what is no keyword, repeating groups among it.
pub fn by_keyword(keyword: &str) -> Option<Tag> {
    StandardDataDictionary.by_name(keyword).map(|entry| {
        let tag = entry.tag();
        Tag(tag.0, tag.1)
    })
}

/// The dictionary's own words: more than one value representation may be possible.
pub(crate) fn entry(tag: Tag) -> Option<VirtualVr> {
    StandardDataDictionary.by_tag(dicom_core::Tag(tag.0, tag.1)).map(DataDictionaryEntry::vr)
}

/// Whether the attribute is US or SS by Pixel Representation (PS3.5 section A.1).
pub(crate) fn follows_pixel_representation(tag: Tag) -> bool {
    entry(tag) == Some(VirtualVr::Xs)
}
