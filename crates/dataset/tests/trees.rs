//! Trees go into bytes and back, in every form.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::{ReadError, read_form};
use outrigger_dataset::write::write;
use outrigger_model::Tag;

const FORMS: [Form; 3] = [Form::ImplicitLittle, Form::ExplicitLittle, Form::ExplicitBig];

fn sample() -> DataSet {
    let inner: DataSet = [
        Element::text(Tag(0x0008, 0x0100), Vr::SH, "113691"),
        Element::sequence(Tag(0x0040, 0xA168), vec![DataSet::default(), DataSet::default()]),
    ]
    .into_iter()
    .collect();
    [
        Element::text(Tag::SOP_INSTANCE_UID, Vr::UI, "2.25.1\0\0"),
        Element::sequence(Tag(0x0008, 0x1032), vec![inner]),
        Element::new(Tag(0x0018, 0x6018), Vr::UL, vec![1, 2, 3, 4]),
        Element::new(Tag(0x0028, 0x0009), Vr::AT, vec![0x18, 0, 0x63, 0x10]),
        Element::new(Tag::ROWS, Vr::US, vec![2, 1]),
        Element::new(Tag(0x0028, 0x0103), Vr::US, vec![1, 0]),
        Element::new(Tag(0x0028, 0x0106), Vr::SS, vec![0xFE, 0xFF]),
        Element::new(Tag(0x0040, 0xA30A), Vr::DS, &b"1.50"[..]),
        Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![1, 2, 3, 4]),
    ]
    .into_iter()
    .collect()
}

#[test]
fn a_tree_comes_back_from_every_form() {
    for form in FORMS {
        let bytes = write(&sample(), form);
        assert_eq!(read_form(form, Bytes::from(bytes)).unwrap(), sample(), "{form:?}");
    }
}

#[test]
fn fragments_come_back() {
    let fragments = Fragments { offset_table: Bytes::new(), fragments: vec![Bytes::from_static(b"abcd")] };
    let value = Value::Fragments(fragments);
    let data_set: DataSet = [Element { tag: Tag(0x7FE0, 0x0010), vr: Vr::OB, value }].into_iter().collect();
    let bytes = write(&data_set, Form::ExplicitLittle);
    assert_eq!(read_form(Form::ExplicitLittle, Bytes::from(bytes)).unwrap(), data_set);
}

#[test]
fn truncated_anywhere_is_an_error_or_ends_between_elements() {
    for form in FORMS {
        let bytes = Bytes::from(write(&sample(), form));
        let whole = read_form(form, bytes.clone()).unwrap();
        for end in 0..bytes.len() {
            if let Ok(part) = read_form(form, bytes.slice(..end)) {
                assert_eq!(whole.elements[..part.elements.len()], part.elements, "{form:?} cut at {end}");
            }
        }
    }
}

#[test]
fn nesting_is_read_to_its_limit_and_no_deeper() {
    let nested = |depth: usize| {
        let mut data_set = DataSet::default();
        for _ in 0..depth {
            data_set = [Element::sequence(Tag(0x0040, 0xA730), vec![data_set])].into_iter().collect();
        }
        Bytes::from(write(&data_set, Form::ExplicitLittle))
    };
    assert!(read_form(Form::ExplicitLittle, nested(64)).is_ok());
    assert!(matches!(read_form(Form::ExplicitLittle, nested(65)), Err(ReadError::TooDeep { .. })));
}
