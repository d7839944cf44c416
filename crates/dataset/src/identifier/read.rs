//! Identifiers from bytes.

use bytes::Bytes;
use outrigger_model::{
    Answer, Items, Level, Query, QueryKey, QueryRoot, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag,
    UidError,
};

use super::{FAILED_UIDS, IdentifierError, LEVELS, items};
use crate::dictionary;
use crate::element::{DataSet, Element, Value, Vr};
use crate::form::Form;
use crate::read::read_form;
use crate::readable::readable;
use crate::text::{CharacterSet, decode};

/// Reads a C-FIND identifier as it is.
pub fn read_query(root: QueryRoot, form: Form, bytes: &[u8]) -> Result<Query, IdentifierError> {
    let data_set = read(form, bytes)?;
    let level = level(root, &data_set)?;
    let keys = attributes(&data_set).map(|(tag, value)| QueryKey { tag, value }).collect();
    Ok(Query::new(root, level, keys))
}

/// Reads a C-MOVE or C-GET identifier; the unique keys of the levels above, which a relational retrieval leaves out, are not needed:
/// a UID names what it names.
///
/// PS3.4 section C.4.2.3.
pub fn read_selection(root: QueryRoot, form: Form, bytes: &[u8]) -> Result<Selection, IdentifierError> {
    let data_set = read(form, bytes)?;
    let studies = || uids(&data_set, Tag::STUDY_INSTANCE_UID, StudyUid::new);
    match level(root, &data_set)? {
        Level::Patient => {
            let (_, patient_id) = attributes(&data_set)
                .find(|(tag, value)| *tag == Tag::PATIENT_ID && !value.is_empty())
                .ok_or(IdentifierError::MissingKey { tag: Tag::PATIENT_ID })?;
            Ok(Selection::Patient { patient_id })
        }
        Level::Study => Ok(Selection::Studies(studies()?)),
        Level::Series => {
            let series = uids(&data_set, Tag::SERIES_INSTANCE_UID, SeriesUid::new)?;
            let study = match data_set.plain(Tag::STUDY_INSTANCE_UID) {
                Some(_) => studies()?.into_iter().next(),
                None => None,
            };
            Ok(Selection::Series { study, series })
        }
        Level::Image => {
            let instances = uids(&data_set, Tag::SOP_INSTANCE_UID, SopInstanceUid::new)?;
            // It only says where they may be found: one that is no UID is of no account.
            let study = data_set.plain(Tag::STUDY_INSTANCE_UID).and_then(|_| studies().ok());
            let study = study.and_then(|studies| studies.into_iter().next());
            Ok(Selection::Instances { study, instances })
        }
    }
}

/// The character set of what declares none (PS3.3 section C.12.1.1.2).
const DEFAULT_SET: &str = "ISO_IR 6";

/// Reads the identifier of a C-FIND response; attributes without a value are left out, also in the items of sequences.
pub fn read_answer(form: Form, bytes: &[u8]) -> Result<Answer, IdentifierError> {
    read_declared_answer(form, bytes).map(|(answer, _)| answer)
}

/// The same, with the character set that the identifier declares (0008,0005); without one it is the default, ISO_IR 6.
pub fn read_declared_answer(form: Form, bytes: &[u8]) -> Result<(Answer, String), IdentifierError> {
    let data_set = read(form, bytes)?;
    let known = |(tag, value): (Tag, String)| match dictionary::vr(tag) {
        Vr::SQ => (tag, Items::from_text(&value).map(|items| items.known().to_text()).unwrap_or_default()),
        _ => (tag, value),
    };
    let attributes = attributes(&data_set).map(known).filter(|(_, value)| !value.is_empty()).collect();
    let declared = declared(&data_set);
    let set = if declared.trim().is_empty() { DEFAULT_SET.to_owned() } else { declared };
    Ok((Answer { attributes }, set))
}

/// Reads the instances that a C-MOVE or C-GET response names as failed.
pub fn read_failed(form: Form, bytes: &[u8]) -> Result<Vec<SopInstanceUid>, IdentifierError> {
    let data_set = read(form, bytes)?;
    if data_set.plain(FAILED_UIDS).is_none() {
        return Ok(Vec::new());
    }
    uids(&data_set, FAILED_UIDS, SopInstanceUid::new)
}

pub(super) fn read(form: Form, bytes: &[u8]) -> Result<DataSet, IdentifierError> {
    read_form(form, Bytes::copy_from_slice(bytes)).map_err(IdentifierError::Unreadable)
}

pub(super) fn level(root: QueryRoot, data_set: &DataSet) -> Result<Level, IdentifierError> {
    let value = data_set.plain(Tag::QUERY_RETRIEVE_LEVEL).ok_or(IdentifierError::NoLevel)?;
    let known = LEVELS.iter().find(|(_, name)| *name == value);
    let (level, _) = known.ok_or_else(|| IdentifierError::UnknownLevel { value: value.to_owned() })?;
    match (root, *level) {
        (QueryRoot::Study, Level::Patient) => Err(IdentifierError::LevelOutsideModel { root, level: *level }),
        (QueryRoot::Study | QueryRoot::Patient, level) => Ok(level),
    }
}

/// The attributes but for the level, the character set and group lengths, as text.
pub(super) fn attributes(data_set: &DataSet) -> impl Iterator<Item = (Tag, String)> {
    let charset = CharacterSet::new(&declared(data_set));
    let told_apart =
        |tag: Tag| matches!(tag, Tag::SPECIFIC_CHARACTER_SET | Tag::QUERY_RETRIEVE_LEVEL) || tag.1 == 0;
    let elements = data_set.elements.iter().filter(move |element| !told_apart(element.tag));
    elements.map(move |Element { tag, vr, value }| match value {
        Value::Bytes(bytes) => (*tag, readable(vr_of(*tag, *vr), bytes, &charset).0),
        Value::Sequence(items) if dictionary::vr(*tag) == Vr::SQ => (*tag, items::text(items, &charset)),
        Value::Sequence(_) | Value::Fragments(_) => (*tag, String::new()),
    })
}

/// Bytes that say nothing of themselves are what the dictionary says: read as nothing, they would match everything.
pub(super) fn vr_of(tag: Tag, written: Vr) -> Vr {
    if matches!(written, Vr::UN | Vr::OB) { dictionary::vr(tag) } else { written }
}

/// The value of Specific Character Set; nothing where there is none.
pub(super) fn declared(data_set: &DataSet) -> String {
    let bytes = data_set.bytes(Tag::SPECIFIC_CHARACTER_SET).map_or(&b""[..], |bytes| bytes);
    decode(bytes, &CharacterSet::DEFAULT, Vr::CS).text.into_owned()
}

/// The UIDs of a list; at least one.
fn uids<U>(
    data_set: &DataSet,
    tag: Tag,
    take: impl Fn(&str) -> Result<U, UidError>,
) -> Result<Vec<U>, IdentifierError> {
    let list = data_set.plain(tag).ok_or(IdentifierError::MissingKey { tag })?;
    let uids: Result<Vec<U>, UidError> = list.split('\\').map(|uid| take(uid.trim())).collect();
    uids.map_err(|source| IdentifierError::BadUid { tag, source })
}
