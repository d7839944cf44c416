//! A report with one text in one container (PS3.3 section C.17.3).

use outrigger_model::Tag;

use crate::element::{DataSet, Element, Vr};

const VALUE_TYPE: Tag = Tag(0x0040, 0xA040);
const CONCEPT_NAME: Tag = Tag(0x0040, 0xA043);

pub(super) fn put_into(set: &mut DataSet, number: u64) {
    let finding = DataSet::from_iter([
        Element::text(Tag(0x0040, 0xA010), Vr::CS, "CONTAINS"),
        Element::text(VALUE_TYPE, Vr::CS, "TEXT"),
        concept("121071", "Finding"),
        Element::text(Tag(0x0040, 0xA160), Vr::UT, &format!("A disc on a ramp, number {number:016X}")),
    ]);
    for element in [
        Element::text(VALUE_TYPE, Vr::CS, "CONTAINER"),
        concept("126000", "Imaging Measurement Report"),
        Element::text(Tag(0x0040, 0xA050), Vr::CS, "SEPARATE"),
        Element::text(Tag(0x0040, 0xA491), Vr::CS, "COMPLETE"),
        Element::text(Tag(0x0040, 0xA493), Vr::CS, "UNVERIFIED"),
        Element::sequence(Tag(0x0040, 0xA730), vec![finding]),
    ] {
        set.put(element);
    }
}

/// A coded name out of PS3.16 Annex D.
fn concept(value: &str, meaning: &str) -> Element {
    let code = DataSet::from_iter([
        Element::text(Tag(0x0008, 0x0100), Vr::SH, value),
        Element::text(Tag(0x0008, 0x0102), Vr::SH, "DCM"),
        Element::text(Tag(0x0008, 0x0104), Vr::LO, meaning),
    ]);
    Element::sequence(CONCEPT_NAME, vec![code])
}
