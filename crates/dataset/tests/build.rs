//! Data sets for tests, well-formed and not.

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::write::write;
use outrigger_model::Tag;

pub(crate) const FORMS: [Form; 3] = [Form::ImplicitLittle, Form::ExplicitLittle, Form::ExplicitBig];

/// A small CT image.
pub(crate) fn ct() -> DataSet {
    let code: DataSet = [
        Element::text(Tag(0x0008, 0x0100), Vr::SH, "T-D1100"),
        Element::text(Tag(0x0008, 0x0102), Vr::SH, "SRT"),
        Element::sequence(Tag(0x0008, 0x0121), vec![DataSet::default()]),
    ]
    .into_iter()
    .collect();
    [
        Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 100"),
        Element::text(Tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.2"),
        Element::text(Tag::SOP_INSTANCE_UID, Vr::UI, "2.25.1"),
        Element::text(Tag::STUDY_DATE, Vr::DA, "20261124"),
        Element::text(Tag::MODALITY, Vr::CS, "CT"),
        Element::sequence(Tag(0x0008, 0x2218), vec![code.clone(), code]),
        Element::new(Tag::PATIENT_NAME, Vr::PN, &b"M\xfcller^J\xf6rg"[..]),
        Element::text(Tag::PATIENT_ID, Vr::LO, "4711"),
        Element::text(Tag::STUDY_INSTANCE_UID, Vr::UI, "2.25.2"),
        Element::text(Tag::SERIES_INSTANCE_UID, Vr::UI, "2.25.3"),
        Element::text(Tag::INSTANCE_NUMBER, Vr::IS, " 7"),
        Element::new(Tag::ROWS, Vr::US, 512_u16.to_le_bytes().to_vec()),
        Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![7; 64]),
    ]
    .into_iter()
    .collect()
}

/// The bytes of `ct`.
pub(crate) fn ct_bytes(form: Form) -> Vec<u8> {
    write(&ct(), form)
}

/// The bytes of `ct` with `bytes` behind the elements below `tag`; explicit VR, little endian.
pub(crate) fn ct_with(tag: Tag, bytes: &[u8]) -> Vec<u8> {
    let (before, behind): (Vec<Element>, Vec<Element>) =
        ct().elements.into_iter().partition(|element| element.tag < tag);
    let part = |elements: Vec<Element>| write(&elements.into_iter().collect(), Form::ExplicitLittle);
    [&part(before), bytes, &part(behind)].concat()
}

/// The syntax a form is negotiated by.
pub(crate) fn syntax(form: Form) -> outrigger_model::TransferSyntaxUid {
    outrigger_model::TransferSyntaxUid::known(match form {
        Form::ImplicitLittle => "1.2.840.10008.1.2",
        Form::ExplicitLittle => "1.2.840.10008.1.2.1",
        Form::ExplicitBig => "1.2.840.10008.1.2.2",
    })
}
