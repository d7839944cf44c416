//! A report with one text in one container (PS3.3 section C.17.3).

use outrigger_model::{Item, Items, Tag};

use crate::element::{DataSet, Element, Vr};

const VALUE_TYPE: Tag = Tag(0x0040, 0xA040);
const CODE_VALUE: Tag = Tag(0x0008, 0x0100);
const CODING_SCHEME: Tag = Tag(0x0008, 0x0102);
const CODE_MEANING: Tag = Tag(0x0008, 0x0104);

/// Code and meaning of what the report is called.
const TITLE: [&str; 2] = ["126000", "Imaging Measurement Report"];

/// The concept name of the report, as a header has it.
pub(super) fn title() -> String {
    let [value, meaning] = TITLE.map(str::to_owned);
    let code = [(CODE_VALUE, value), (CODING_SCHEME, "DCM".to_owned()), (CODE_MEANING, meaning)];
    Items(vec![Item::from(code)]).to_text()
}

pub(super) fn put_into(set: &mut DataSet, number: u64) {
    let finding = DataSet::from_iter([
        Element::text(Tag(0x0040, 0xA010), Vr::CS, "CONTAINS"),
        Element::text(VALUE_TYPE, Vr::CS, "TEXT"),
        concept("121071", "Finding"),
        Element::text(Tag(0x0040, 0xA160), Vr::UT, &format!("A disc on a ramp, number {number:016X}")),
    ]);
    for element in [
        Element::text(VALUE_TYPE, Vr::CS, "CONTAINER"),
        concept(TITLE[0], TITLE[1]),
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
        Element::text(CODE_VALUE, Vr::SH, value),
        Element::text(CODING_SCHEME, Vr::SH, "DCM"),
        Element::text(CODE_MEANING, Vr::LO, meaning),
    ]);
    Element::sequence(Tag::CONCEPT_NAME, vec![code])
}
