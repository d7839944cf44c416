//! The keys that queries are answered by (PS3.4 tables C.6-1 to C.6-5): what is kept of every object, and what is counted.

use outrigger_model::{Items, Level, Tag};

/// The level of an attribute whose values are compared with keys; `None` for one that is returned where it is kept, and never
/// compared.
pub fn level_of(tag: Tag) -> Option<Level> {
    COMPARED.iter().find(|(found, _)| *found == tag).map(|(_, level)| *level)
}

/// The attributes that [`level_of`] knows, each with its level.
pub fn compared() -> impl Iterator<Item = (Tag, Level)> {
    COMPARED.iter().copied()
}

/// Whether a key of a query at `level` is supported: compared where it has a value, and returned. Others are optional keys
/// that are not (PS3.4 section C.2.2.1.3), and so are keys of the levels below.
pub fn is_supported(level: Level, tag: Tag, value: &str) -> bool {
    let returned = RETURNED.iter().any(|(found, of)| *found == tag && *of <= level);
    if value.is_empty() && returned {
        return true;
    }
    level_of(tag).is_some_and(|of| of <= level) && (item_keys(tag).is_empty() || has_known_keys(tag, value))
}

/// The attributes kept of the items of a sequence, in ascending order; none of an attribute that is not compared as one.
pub fn item_keys(sequence: Tag) -> &'static [Tag] {
    SEQUENCES.iter().find(|(found, _)| *found == sequence).map_or(&[], |(_, keys)| keys)
}

fn has_known_keys(sequence: Tag, value: &str) -> bool {
    let items = Items::from_text(value).unwrap_or_default();
    items.0.iter().flat_map(|item| item.keys()).all(|tag| item_keys(sequence).contains(tag))
}

#[rustfmt::skip]
const COMPARED: &[(Tag, Level)] = &[
    (Tag::PATIENT_NAME, Level::Patient),
    (Tag::PATIENT_ID, Level::Patient),
    (Tag::ISSUER_OF_PATIENT_ID, Level::Patient),
    (Tag::PATIENT_BIRTH_DATE, Level::Patient),
    (Tag::PATIENT_SEX, Level::Patient),
    (Tag::OTHER_PATIENT_IDS, Level::Patient),
    (Tag::STUDY_INSTANCE_UID, Level::Study),
    (Tag::STUDY_DATE, Level::Study),
    (Tag::STUDY_TIME, Level::Study),
    (Tag::ACCESSION_NUMBER, Level::Study),
    (Tag::ISSUER_OF_ACCESSION_NUMBER, Level::Study),
    (Tag::STUDY_ID, Level::Study),
    (Tag::STUDY_DESCRIPTION, Level::Study),
    (Tag::PROCEDURE_CODES, Level::Study),
    (Tag::REFERRING_PHYSICIAN, Level::Study),
    (Tag::MODALITIES_IN_STUDY, Level::Study),
    (Tag::SOP_CLASSES_IN_STUDY, Level::Study),
    (Tag::SERIES_INSTANCE_UID, Level::Series),
    (Tag::MODALITY, Level::Series),
    (Tag::SERIES_NUMBER, Level::Series),
    (Tag::SERIES_DATE, Level::Series),
    (Tag::SERIES_TIME, Level::Series),
    (Tag::SERIES_DESCRIPTION, Level::Series),
    (Tag::BODY_PART_EXAMINED, Level::Series),
    (Tag::LATERALITY, Level::Series),
    (Tag::MANUFACTURER, Level::Series),
    (Tag::INSTITUTION_NAME, Level::Series),
    (Tag::STATION_NAME, Level::Series),
    (Tag::REQUEST_ATTRIBUTES, Level::Series),
    (Tag::PERFORMED_PROTOCOL_CODES, Level::Series),
    (Tag::SOP_INSTANCE_UID, Level::Image),
    (Tag::SOP_CLASS_UID, Level::Image),
    (Tag::INSTANCE_NUMBER, Level::Image),
    (Tag::CONTENT_DATE, Level::Image),
    (Tag::CONTENT_TIME, Level::Image),
    (Tag::NUMBER_OF_FRAMES, Level::Image),
    (Tag::ROWS, Level::Image),
    (Tag::COLUMNS, Level::Image),
    (Tag::BITS_ALLOCATED, Level::Image),
    (Tag::ANATOMIC_REGIONS, Level::Image),
    (Tag::CONCEPT_NAME, Level::Image),
    (Tag::REFERENCED_REQUESTS, Level::Image),
    (Tag::CONTENT_TEMPLATE, Level::Image),
];

/// Code Value, Coding Scheme Designator and Version, Code Meaning, Long Code Value, URN Code Value (PS3.3 table 8.8-1a).
const CODE: &[Tag] = &[
    Tag(0x0008, 0x0100),
    Tag(0x0008, 0x0102),
    Tag(0x0008, 0x0103),
    Tag(0x0008, 0x0104),
    Tag(0x0008, 0x0119),
    Tag(0x0008, 0x0120),
];

/// The sequences whose items are compared, each with what is kept of an item: what orders, protocols and reports are looked for by.
const SEQUENCES: &[(Tag, &[Tag])] = &[
    // Local Namespace Entity ID, Universal Entity ID and its type.
    (Tag::ISSUER_OF_ACCESSION_NUMBER, &[Tag(0x0040, 0x0031), Tag(0x0040, 0x0032), Tag(0x0040, 0x0033)]),
    (Tag::PROCEDURE_CODES, CODE),
    (Tag::ANATOMIC_REGIONS, CODE),
    // And Type of Patient ID.
    (Tag::OTHER_PATIENT_IDS, &[Tag::PATIENT_ID, Tag::ISSUER_OF_PATIENT_ID, Tag(0x0010, 0x0022)]),
    (Tag::PERFORMED_PROTOCOL_CODES, CODE),
    (
        Tag::REQUEST_ATTRIBUTES,
        &[
            Tag::ACCESSION_NUMBER,
            Tag::STUDY_INSTANCE_UID,
            // Requested Procedure Description.
            Tag(0x0032, 0x1060),
            // Scheduled Procedure Step Description and ID.
            Tag(0x0040, 0x0007),
            Tag(0x0040, 0x0009),
            // Requested Procedure ID.
            Tag(0x0040, 0x1001),
        ],
    ),
    (Tag::CONCEPT_NAME, CODE),
    (
        Tag::REFERENCED_REQUESTS,
        &[
            Tag::ACCESSION_NUMBER,
            Tag::STUDY_INSTANCE_UID,
            Tag(0x0032, 0x1060),
            Tag(0x0040, 0x1001),
            // Placer and Filler Order Number.
            Tag(0x0040, 0x2016),
            Tag(0x0040, 0x2017),
        ],
    ),
    // Mapping Resource, Template Identifier.
    (Tag::CONTENT_TEMPLATE, &[Tag(0x0008, 0x0105), Tag(0x0040, 0xDB00)]),
];

/// What is returned and never compared.
const RETURNED: &[(Tag, Level)] = &[
    (Tag::RETRIEVE_AE_TITLE, Level::Patient),
    (Tag::INSTANCE_AVAILABILITY, Level::Patient),
    (Tag::PATIENT_RELATED_STUDIES, Level::Patient),
    (Tag::PATIENT_RELATED_SERIES, Level::Patient),
    (Tag::PATIENT_RELATED_INSTANCES, Level::Patient),
    (Tag::STUDY_RELATED_SERIES, Level::Study),
    (Tag::STUDY_RELATED_INSTANCES, Level::Study),
    (Tag::SERIES_RELATED_INSTANCES, Level::Series),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_compared_and_their_attributes_in_order() {
        for (sequence, keys) in SEQUENCES {
            assert!(level_of(*sequence).is_some() && keys.is_sorted(), "{sequence}");
        }
    }

    #[test]
    fn keys_are_supported_at_their_level_and_below() {
        for (level, tag, value, supported) in [
            (Level::Study, Tag::PATIENT_NAME, "DOE", true),
            (Level::Patient, Tag::STUDY_DATE, "", false),
            (Level::Study, Tag::MODALITY, "CT", false),
            (Level::Image, Tag::MODALITY, "CT", true),
            (Level::Study, Tag::STUDY_RELATED_SERIES, "", true),
            (Level::Study, Tag::STUDY_RELATED_SERIES, "2", false),
            (Level::Patient, Tag::RETRIEVE_AE_TITLE, "", true),
            (Level::Series, Tag::REQUEST_ATTRIBUTES, "", true),
            (Level::Study, Tag::REQUEST_ATTRIBUTES, "", false),
            (Level::Series, Tag::REQUEST_ATTRIBUTES, r#"[{"00400009":"SPS1"}]"#, true),
            (Level::Image, Tag::REQUEST_ATTRIBUTES, r#"[{"00400009":"SPS1","00400100":""}]"#, false),
            (Level::Series, Tag(0x0008, 0x1111), "", false),
        ] {
            assert_eq!(is_supported(level, tag, value), supported, "{level:?} {tag} {value}");
        }
    }
}
