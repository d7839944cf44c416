//! The identifying attributes of an object.

use outrigger_model::sop_class::is_non_patient;
use outrigger_model::{
    InstanceHeader, Oddity, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, UidError,
};

use super::ScanError;
use super::sequences::Sequences;
use crate::dictionary;
use crate::element::{Vr, swap};
use crate::form::Form;
use crate::readable::readable;
use crate::text::{CharacterSet, Fidelity, decode};

/// Most bytes of one value that are kept: 64 characters of the widest encoding many times over.
const VALUE_BYTES_MAX: usize = 4096;

/// The attributes kept, in ascending order; the UIDs and the character set are told apart when the header is made.
const KEPT: [Tag; 33] = [
    Tag::SPECIFIC_CHARACTER_SET,
    Tag::SOP_CLASS_UID,
    Tag::SOP_INSTANCE_UID,
    Tag::STUDY_DATE,
    Tag::SERIES_DATE,
    Tag::CONTENT_DATE,
    Tag::STUDY_TIME,
    Tag::SERIES_TIME,
    Tag::CONTENT_TIME,
    Tag::ACCESSION_NUMBER,
    Tag::MODALITY,
    Tag::MANUFACTURER,
    Tag::INSTITUTION_NAME,
    Tag::REFERRING_PHYSICIAN,
    Tag::STATION_NAME,
    Tag::STUDY_DESCRIPTION,
    Tag::SERIES_DESCRIPTION,
    Tag::PATIENT_NAME,
    Tag::PATIENT_ID,
    Tag::ISSUER_OF_PATIENT_ID,
    Tag::PATIENT_BIRTH_DATE,
    Tag::PATIENT_SEX,
    Tag::BODY_PART_EXAMINED,
    Tag::STUDY_INSTANCE_UID,
    Tag::SERIES_INSTANCE_UID,
    Tag::STUDY_ID,
    Tag::SERIES_NUMBER,
    Tag::INSTANCE_NUMBER,
    Tag::LATERALITY,
    Tag::NUMBER_OF_FRAMES,
    Tag::ROWS,
    Tag::COLUMNS,
    Tag::BITS_ALLOCATED,
];

const UIDS: [Tag; 4] =
    [Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID, Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID];

/// What is to be done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Keep it.
    Value,
    /// It would be kept if it were not so long.
    Shorter,
    /// Skip it.
    Nothing,
}

/// The values kept so far: the first of each tag.
#[derive(Debug, Default)]
pub(super) struct Gather {
    values: Vec<(Tag, Vec<u8>)>,
    pub(super) sequences: Sequences,
    into: Into,
}

/// Where the bytes of a value go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Into {
    #[default]
    Top,
    Item,
}

impl Gather {
    /// Whether a value is to be kept.
    pub(super) fn wants(&self, tag: Tag, length: u32) -> Want {
        if KEPT.binary_search(&tag).is_err() || self.value(tag).is_some() {
            return Want::Nothing;
        }
        match usize::try_from(length) {
            Ok(length) if length <= VALUE_BYTES_MAX => Want::Value,
            _ => Want::Shorter,
        }
    }

    /// Begins a value that is wanted.
    pub(super) fn begin(&mut self, tag: Tag) {
        self.values.push((tag, Vec::new()));
        self.into = Into::Top;
    }

    /// Begins a value in an item of a sequence at the top level; whether it is to be kept.
    pub(super) fn begin_in_item(&mut self, tag: Tag, length: u32) -> bool {
        let begun = self.sequences.begin(tag, length);
        if begun {
            self.into = Into::Item;
        }
        begun
    }

    /// More bytes of the value begun last.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        match self.into {
            Into::Item => self.sequences.append(bytes),
            Into::Top => {
                if let Some((_, value)) = self.values.last_mut() {
                    value.extend_from_slice(bytes);
                }
            }
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        self.values.iter().map(|(_, value)| value.capacity()).sum::<usize>() + self.sequences.bytes_held()
    }

    fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.values.iter().find(|(known, _)| *known == tag).map(|(_, value)| value.as_slice())
    }

    /// Makes the header, noting what is odd about the values.
    pub(super) fn header(
        mut self,
        form: Form,
        mut note: impl FnMut(Oddity),
    ) -> Result<InstanceHeader, ScanError> {
        let sop_class = self.uid(Tag::SOP_CLASS_UID, SopClassUid::from_bytes)?;
        let sop_instance = self.uid(Tag::SOP_INSTANCE_UID, SopInstanceUid::from_bytes)?;
        let study = self.uid(Tag::STUDY_INSTANCE_UID, StudyUid::from_bytes);
        let series = self.uid(Tag::SERIES_INSTANCE_UID, SeriesUid::from_bytes);
        let (study, series) = if is_non_patient(&sop_class) {
            (optional(study)?, optional(series)?)
        } else {
            (Some(study?), Some(series?))
        };
        if UIDS.iter().filter_map(|tag| self.value(*tag)).any(is_irregular) {
            note(Oddity::IllegalUid);
        }
        let declared = self.value(Tag::SPECIFIC_CHARACTER_SET).unwrap_or_default();
        let charset = CharacterSet::new(&decode(declared, &CharacterSet::DEFAULT, Vr::CS).text);
        self.values.sort_by_key(|(tag, _)| *tag);
        self.values.retain(|(tag, _)| !UIDS.contains(tag));
        let mut attributes = Vec::with_capacity(self.values.len());
        for (tag, value) in &mut self.values {
            let vr = dictionary::vr(*tag);
            if form == Form::ExplicitBig {
                swap(vr, value);
            }
            let (text, fidelity) = readable(vr, value, &charset);
            if fidelity == Fidelity::Guessed {
                note(Oddity::BadText);
            }
            if !text.is_empty() {
                attributes.push((*tag, text));
            }
        }
        for (tag, text, fidelity) in self.sequences.texts(&charset) {
            if fidelity == Fidelity::Guessed {
                note(Oddity::BadText);
            }
            attributes.push((tag, text));
        }
        attributes.sort_by_key(|(tag, _)| *tag);
        Ok(InstanceHeader { sop_class, sop_instance, study, series, attributes })
    }

    fn uid<U>(&self, tag: Tag, take: impl FnOnce(&[u8]) -> Result<U, UidError>) -> Result<U, ScanError> {
        match take(self.value(tag).unwrap_or_default()) {
            Ok(uid) => Ok(uid),
            Err(UidError::Empty) => Err(ScanError::MissingUid { tag }),
            Err(source) => Err(ScanError::BadUid { tag, source }),
        }
    }
}

/// An absent UID is none; a bad one stays an error.
fn optional<U>(uid: Result<U, ScanError>) -> Result<Option<U>, ScanError> {
    match uid {
        Ok(uid) => Ok(Some(uid)),
        Err(ScanError::MissingUid { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a UID is padded otherwise than by one NUL to even length, or breaks the rules of PS3.5 section 9.1.
fn is_irregular(value: &[u8]) -> bool {
    let unpadded = match value {
        [uid @ .., 0] if uid.len() % 2 == 1 => uid,
        _ => value,
    };
    let conformant = SopInstanceUid::from_bytes(unpadded).is_ok_and(|uid| uid.is_conformant());
    let padded = matches!(unpadded.last(), Some(0 | b' '));
    !value.is_empty() && (padded || !conformant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KEPT.is_sorted());
    }

    #[test]
    fn padding_of_uids() {
        for (value, irregular) in [
            (&b"1.2.3\0"[..], false),
            (b"1.2.34", false),
            (b"1.2.3", false),
            (b"1.2.3 ", true),
            (b"1.2.34\0\0", true),
            (b"1.2.3\0\0\0", true),
            (b"1.02", true),
            (b"", false),
        ] {
            assert_eq!(is_irregular(value), irregular, "{value:?}");
        }
    }
}
