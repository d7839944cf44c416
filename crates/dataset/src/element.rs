//! A data set as a tree of bounded depth.

use bytes::Bytes;
use outrigger_model::Tag;

/// A value representation (PS3.5 section 6.2).
pub type Vr = dicom_core::VR;

/// The elements of a data set or of an item, in the order they were written in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataSet {
    /// The elements.
    pub elements: Vec<Element>,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation: as written, or from the dictionary where the transfer syntax leaves it out.
    pub vr: Vr,
    /// Its value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Bytes with their padding, little endian whatever the transfer syntax was.
    Bytes(Bytes),
    /// Items.
    Sequence(Vec<DataSet>),
    /// Encapsulated pixel data.
    Fragments(Fragments),
}

/// Encapsulated pixel data (PS3.5 section A.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragments {
    /// The first item: 32-bit offsets, or nothing.
    pub offset_table: Bytes,
    /// The fragments behind it.
    pub fragments: Vec<Bytes>,
}

impl DataSet {
    /// The first element of the tag.
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// The value bytes of an element that has any.
    pub fn bytes(&self, tag: Tag) -> Option<&Bytes> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Sequence(_) | Value::Fragments(_) => None,
        }
    }

    /// The items of a sequence; none when it is absent or no sequence.
    pub fn items(&self, tag: Tag) -> &[Self] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Sequence(items)) => items,
            Some(Value::Bytes(_) | Value::Fragments(_)) | None => &[],
        }
    }

    /// A value of characters that no character set changes (AE, CS, DA, IS, UI ...), without padding; `None` when
    /// absent, empty or not UTF-8.
    pub fn plain(&self, tag: Tag) -> Option<&str> {
        let text = std::str::from_utf8(self.bytes(tag)?).ok()?.trim_matches([' ', '\0']);
        (!text.is_empty()).then_some(text)
    }

    /// The first value of a US element.
    pub fn unsigned_short(&self, tag: Tag) -> Option<u16> {
        self.bytes(tag)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Puts an element where its tag belongs, in place of one of the same tag.
    pub fn put(&mut self, element: Element) {
        match self.elements.iter_mut().find(|found| found.tag >= element.tag) {
            Some(found) if found.tag == element.tag => *found = element,
            _ => {
                let place = self.elements.iter().position(|found| found.tag > element.tag);
                self.elements.insert(place.unwrap_or(self.elements.len()), element);
            }
        }
    }

    /// Takes the elements of a tag out.
    pub fn remove(&mut self, tag: Tag) {
        self.elements.retain(|element| element.tag != tag);
    }
}

impl Element {
    /// An element of value bytes.
    pub fn new(tag: Tag, vr: Vr, value: impl Into<Bytes>) -> Self {
        Self { tag, vr, value: Value::Bytes(value.into()) }
    }

    /// An element of characters.
    pub fn text(tag: Tag, vr: Vr, value: &str) -> Self {
        Self::new(tag, vr, Bytes::copy_from_slice(value.as_bytes()))
    }

    /// A sequence.
    pub fn sequence(tag: Tag, items: Vec<DataSet>) -> Self {
        Self { tag, vr: Vr::SQ, value: Value::Sequence(items) }
    }
}

impl FromIterator<Element> for DataSet {
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> Self {
        Self { elements: elements.into_iter().collect() }
    }
}

/// Turns values between byte orders, in place; a rest shorter than one number stays.
pub(crate) fn swap(vr: Vr, bytes: &mut [u8]) {
    for number in bytes.chunks_exact_mut(width(vr)) {
        number.reverse();
    }
}

/// Bytes of one number of the value representation; 1 where byte order does not matter.
pub(crate) fn width(vr: Vr) -> usize {
    match vr {
        Vr::AT | Vr::OW | Vr::SS | Vr::US => 2,
        Vr::FL | Vr::OF | Vr::OL | Vr::SL | Vr::UL => 4,
        Vr::FD | Vr::OD | Vr::OV | Vr::SV | Vr::UV => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_keeps_the_order_and_replaces() {
        let mut data_set = DataSet::default();
        for (tag, text) in [(Tag::ROWS, "b"), (Tag::MODALITY, "a"), (Tag::ROWS, "c"), (Tag::COLUMNS, "d")] {
            data_set.put(Element::text(tag, Vr::CS, text));
        }
        let tags: Vec<Tag> = data_set.elements.iter().map(|element| element.tag).collect();
        assert_eq!(tags, [Tag::MODALITY, Tag::ROWS, Tag::COLUMNS]);
        assert_eq!(data_set.plain(Tag::ROWS), Some("c"));
    }
}
