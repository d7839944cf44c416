//! Sequences of an identifier, to and from the words of the model.

use outrigger_model::{Item, Items, Tag};

use crate::dictionary;
use crate::element::{DataSet, Element, Value};
use crate::readable::{bytes_of, readable};
use crate::text::CharacterSet;

use super::read::vr_of;

/// The text of items; of sequences within them it is known only that they are there.
pub(super) fn text(items: &[DataSet], charset: &CharacterSet) -> String {
    let item = |item: &DataSet| -> Item {
        let elements = item.elements.iter().filter(|element| is_attribute(element.tag));
        let values = elements.map(|Element { tag, vr, value }| match value {
            Value::Bytes(bytes) => (*tag, readable(vr_of(*tag, *vr), bytes, charset).0),
            Value::Sequence(_) | Value::Fragments(_) => (*tag, String::new()),
        });
        values.collect()
    };
    // An item without attributes is what no item is: universal matching (PS3.4 section C.2.2.2.6).
    if items.iter().all(|item| item.elements.is_empty()) {
        return String::new();
    }
    Items(items.iter().map(item).collect()).to_text()
}

fn is_attribute(tag: Tag) -> bool {
    tag != Tag::SPECIFIC_CHARACTER_SET && tag.1 != 0
}

/// A sequence out of its text; one that is no text of a sequence has no items.
pub(super) fn element(tag: Tag, text: &str) -> Element {
    let items = Items::from_text(text).unwrap_or_default();
    let item = |item: &Item| -> DataSet { item.iter().map(|(tag, value)| attribute(*tag, value)).collect() };
    Element::sequence(tag, items.0.iter().map(item).collect())
}

/// An attribute out of its text.
pub(super) fn attribute(tag: Tag, value: &str) -> Element {
    match dictionary::vr(tag) {
        crate::element::Vr::SQ => element(tag, value),
        vr => Element::new(tag, vr, bytes_of(vr, value)),
    }
}
