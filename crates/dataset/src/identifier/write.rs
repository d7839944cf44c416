//! Identifiers into bytes.

use outrigger_model::{Answer, Level, Query, QueryKey, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag};

use super::items::attribute;
use super::{EMPTY_VALUE, FAILED_UIDS, LEVELS};
use crate::dictionary;
use crate::element::{DataSet, Element, Value, Vr};
use crate::form::Form;
use crate::text::{Declared, follows_character_set};
use crate::write::write;

/// Writes a C-FIND identifier for an archive with which nothing beyond the baseline was agreed on: a key that means something
/// else there asks for its attribute alone, so that the answers are those of the query and perhaps more.
pub fn write_query(form: Form, query: &Query) -> Vec<u8> {
    let mut data_set = at(query.level);
    for key in &query.keys {
        data_set.put(attribute(key.tag, baseline(query, key)));
    }
    finished(form, data_set)
}

/// The value of a key as the baseline has it: of a range of moments the dates alone, of what is to be empty nothing.
fn baseline<'k>(query: &Query, key: &'k QueryKey) -> &'k str {
    let is_half_of_moments = dictionary::vr(key.tag) == Vr::TM && query.rules.date_times;
    let is_to_be_empty = key.value == EMPTY_VALUE && query.rules.empty_values;
    if is_half_of_moments || is_to_be_empty { "" } else { &key.value }
}

/// Writes the identifier of a C-FIND response (PS3.4 section C.4.1.1.3.2): every key of the query, empty where the
/// answer does not know it, and what the answer holds besides.
pub fn write_answer(form: Form, query: &Query, answer: &Answer) -> Vec<u8> {
    finished(form, answered(query, answer))
}

/// The same in the character set that the query declared, where that holds every value (PS3.4 section C.4.1.1.3.2).
pub(super) fn write_answer_in(form: Form, declared: &str, query: &Query, answer: &Answer) -> Vec<u8> {
    let data_set = answered(query, answer);
    let charset = Declared::new(declared);
    if !data_set.elements.iter().any(is_beyond_ascii) {
        return finished(form, data_set);
    }
    let Some(mut data_set) = encoded(&data_set, &charset) else { return finished(form, data_set) };
    data_set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, declared));
    write(&data_set, form)
}

fn answered(query: &Query, answer: &Answer) -> DataSet {
    let mut data_set = at(query.level);
    for key in &query.keys {
        data_set.put(attribute(key.tag, ""));
    }
    for (tag, value) in &answer.attributes {
        data_set.put(attribute(*tag, value));
    }
    data_set
}

/// The same in a character set, if it holds every value; items are as deep as those of the model: one level.
fn encoded(data_set: &DataSet, charset: &Declared) -> Option<DataSet> {
    let element = |element: &Element| {
        let value = match &element.value {
            Value::Bytes(bytes) if is_beyond_ascii(element) => {
                Value::Bytes(charset.encode(&String::from_utf8_lossy(bytes), element.vr)?.into())
            }
            Value::Sequence(items) => {
                Value::Sequence(items.iter().map(|item| encoded(item, charset)).collect::<Option<_>>()?)
            }
            value => value.clone(),
        };
        Some(Element { value, ..element.clone() })
    };
    data_set.elements.iter().map(element).collect()
}

fn is_beyond_ascii(element: &Element) -> bool {
    match &element.value {
        Value::Bytes(bytes) => follows_character_set(element.vr) && !bytes.is_ascii(),
        Value::Sequence(items) => items.iter().flat_map(|item| &item.elements).any(is_beyond_ascii),
        Value::Fragments(_) => false,
    }
}

/// Writes a C-MOVE or C-GET identifier of the unique keys at its level.
pub fn write_selection(form: Form, selection: &Selection) -> Vec<u8> {
    match selection {
        Selection::Patient { patient_id } => {
            let mut data_set = at(Level::Patient);
            data_set.put(attribute(Tag::PATIENT_ID, patient_id));
            finished(form, data_set)
        }
        Selection::Studies(studies) => {
            let mut data_set = at(Level::Study);
            data_set.put(list(Tag::STUDY_INSTANCE_UID, studies.iter().map(StudyUid::as_str)));
            finished(form, data_set)
        }
        Selection::Series { study, series } => {
            let mut data_set = at(Level::Series);
            if let Some(study) = study {
                data_set.put(list(Tag::STUDY_INSTANCE_UID, [study.as_str()]));
            }
            data_set.put(list(Tag::SERIES_INSTANCE_UID, series.iter().map(SeriesUid::as_str)));
            finished(form, data_set)
        }
        Selection::Instances { study, instances } => {
            let mut data_set = at(Level::Image);
            if let Some(study) = study {
                data_set.put(list(Tag::STUDY_INSTANCE_UID, [study.as_str()]));
            }
            data_set.put(list(Tag::SOP_INSTANCE_UID, instances.iter().map(SopInstanceUid::as_str)));
            finished(form, data_set)
        }
    }
}

/// Writes a C-MOVE or C-GET identifier of instances with the unique keys of the levels above, which an archive
/// without relational retrieval wants (PS3.4 section C.4.2.2.1).
pub fn write_instances(
    form: Form,
    study: &StudyUid,
    series: &SeriesUid,
    instances: &[SopInstanceUid],
) -> Vec<u8> {
    let mut data_set = at(Level::Image);
    data_set.put(list(Tag::STUDY_INSTANCE_UID, [study.as_str()]));
    data_set.put(list(Tag::SERIES_INSTANCE_UID, [series.as_str()]));
    data_set.put(list(Tag::SOP_INSTANCE_UID, instances.iter().map(SopInstanceUid::as_str)));
    finished(form, data_set)
}

/// Writes the identifier of a C-MOVE or C-GET response that names the failed instances (PS3.4 section C.4.2.1.4.2).
pub fn write_failed(form: Form, instances: &[SopInstanceUid]) -> Vec<u8> {
    let failed = list(FAILED_UIDS, instances.iter().map(SopInstanceUid::as_str));
    write(&[failed].into_iter().collect(), form)
}

fn at(level: Level) -> DataSet {
    let name = LEVELS.iter().find(|(known, _)| *known == level).map_or("", |(_, name)| *name);
    [Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, name)].into_iter().collect()
}

fn list<'a>(tag: Tag, uids: impl IntoIterator<Item = &'a str>) -> Element {
    let uids: Vec<&str> = uids.into_iter().collect();
    Element::text(tag, Vr::UI, &uids.join("\\"))
}

/// Declares UTF-8 where a text needs it.
fn finished(form: Form, mut data_set: DataSet) -> Vec<u8> {
    if data_set.elements.iter().any(is_beyond_ascii) {
        data_set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"));
    }
    write(&data_set, form)
}
