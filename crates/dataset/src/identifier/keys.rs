//! The keys that queries are answered by (PS3.4 tables C.6-1 to C.6-5): what is kept of every object, and what is counted.

use outrigger_model::{Level, Tag};

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
    level_of(tag).is_some_and(|of| of <= level)
}

#[rustfmt::skip]
const COMPARED: &[(Tag, Level)] = &[
    (Tag::PATIENT_NAME, Level::Patient),
    (Tag::PATIENT_ID, Level::Patient),
    (Tag::ISSUER_OF_PATIENT_ID, Level::Patient),
    (Tag::PATIENT_BIRTH_DATE, Level::Patient),
    (Tag::PATIENT_SEX, Level::Patient),
    (Tag::STUDY_INSTANCE_UID, Level::Study),
    (Tag::STUDY_DATE, Level::Study),
    (Tag::STUDY_TIME, Level::Study),
    (Tag::ACCESSION_NUMBER, Level::Study),
    (Tag::STUDY_ID, Level::Study),
    (Tag::STUDY_DESCRIPTION, Level::Study),
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
    (Tag::SOP_INSTANCE_UID, Level::Image),
    (Tag::SOP_CLASS_UID, Level::Image),
    (Tag::INSTANCE_NUMBER, Level::Image),
    (Tag::CONTENT_DATE, Level::Image),
    (Tag::CONTENT_TIME, Level::Image),
    (Tag::NUMBER_OF_FRAMES, Level::Image),
    (Tag::ROWS, Level::Image),
    (Tag::COLUMNS, Level::Image),
    (Tag::BITS_ALLOCATED, Level::Image),
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
    fn keys_are_supported_at_their_level_and_below() {
        for (level, tag, value, supported) in [
            (Level::Study, Tag::PATIENT_NAME, "DOE", true),
            (Level::Patient, Tag::STUDY_DATE, "", false),
            (Level::Study, Tag::MODALITY, "CT", false),
            (Level::Image, Tag::MODALITY, "CT", true),
            (Level::Study, Tag::STUDY_RELATED_SERIES, "", true),
            (Level::Study, Tag::STUDY_RELATED_SERIES, "2", false),
            (Level::Patient, Tag::RETRIEVE_AE_TITLE, "", true),
            (Level::Series, Tag(0x0040, 0x0275), "", false),
        ] {
            assert_eq!(is_supported(level, tag, value), supported, "{level:?} {tag} {value}");
        }
    }
}
