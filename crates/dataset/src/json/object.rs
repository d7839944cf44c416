//! The JSON object of one data set or item: attributes in ascending order, each once (PS3.18 section F.2.2).

use outrigger_model::Tag;

use crate::element::Vr;

/// Writes members of a JSON object.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_first: true }
    }

    /// Writes one attribute; `content` writes what follows its value representation, a comma first, or nothing.
    pub(super) fn attribute(&mut self, tag: Tag, vr: Vr, content: impl FnOnce(&mut Vec<u8>)) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        let head = format!("\"{}\":{{\"vr\":\"{vr}\"", String::from(tag));
        self.out.extend_from_slice(head.as_bytes());
        content(self.out);
        self.out.push(b'}');
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes `,"Value":[...]`, each value by `write`; nothing where there are no values.
pub(super) fn value_array<T>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let mut is_first = true;
    for value in values {
        out.extend_from_slice(if is_first { b",\"Value\":[" } else { b"," });
        is_first = false;
        write(out, value);
    }
    if !is_first {
        out.push(b']');
    }
}

/// Writes a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_apart_and_empty_arrays_left_out() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.attribute(Tag::ROWS, Vr::US, |out| {
            value_array(out, [1, 2].iter(), |out, value| out.extend(value.to_string().bytes()));
        });
        object.attribute(Tag::MODALITY, Vr::CS, |out| value_array(out, std::iter::empty::<u8>(), |_, _| {}));
        object.end();
        assert_eq!(out, br#"{"00280010":{"vr":"US","Value":[1,2]},"00080060":{"vr":"CS"}}"#);
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = Vec::new();
        string(&mut out, "a\"b\\c\n\u{1b}\u{e9}");
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u001b\u{e9}\"".as_bytes());
    }
}
