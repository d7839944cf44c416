//! Identifiers into bytes.

use outrigger_model::{Answer, Level, Query, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag};

use super::{FAILED_UIDS, LEVELS};
use crate::dictionary;
use crate::element::{DataSet, Element, Vr};
use crate::form::Form;
use crate::readable::bytes_of;
use crate::text::follows_character_set;
use crate::write::write;

/// Writes a C-FIND identifier.
pub fn write_query(form: Form, query: &Query) -> Vec<u8> {
    let mut data_set = at(query.level);
    for key in &query.keys {
        data_set.put(attribute(key.tag, &key.value));
    }
    finished(form, data_set)
}

/// Writes the identifier of a C-FIND response (PS3.4 section C.4.1.1.3.2): every key of the query, empty where the
/// answer does not know it, and what the answer holds besides.
pub fn write_answer(form: Form, query: &Query, answer: &Answer) -> Vec<u8> {
    let mut data_set = at(query.level);
    for key in &query.keys {
        data_set.put(attribute(key.tag, ""));
    }
    for (tag, value) in &answer.attributes {
        data_set.put(attribute(*tag, value));
    }
    finished(form, data_set)
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
            data_set.put(list(Tag::STUDY_INSTANCE_UID, [study.as_str()]));
            data_set.put(list(Tag::SERIES_INSTANCE_UID, series.iter().map(SeriesUid::as_str)));
            finished(form, data_set)
        }
        Selection::Instances(instances) => {
            let mut data_set = at(Level::Image);
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

fn attribute(tag: Tag, value: &str) -> Element {
    match dictionary::vr(tag) {
        Vr::SQ => Element::sequence(tag, Vec::new()),
        vr => Element::new(tag, vr, bytes_of(vr, value)),
    }
}

fn list<'a>(tag: Tag, uids: impl IntoIterator<Item = &'a str>) -> Element {
    let uids: Vec<&str> = uids.into_iter().collect();
    Element::text(tag, Vr::UI, &uids.join("\\"))
}

/// Declares UTF-8 where a text needs it.
fn finished(form: Form, mut data_set: DataSet) -> Vec<u8> {
    let needs_utf8 = |element: &Element| {
        follows_character_set(element.vr) && !data_set.bytes(element.tag).is_none_or(|bytes| bytes.is_ascii())
    };
    if data_set.elements.iter().any(needs_utf8) {
        data_set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"));
    }
    write(&data_set, form)
}
