//! The items of a sequence, as keys, headers and answers hold them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Tag;

/// An item: attributes that are no sequences, in the words of all values.
pub type Item = BTreeMap<Tag, String>;

/// The items of a sequence; the value of an attribute of VR SQ is their text, a JSON array of objects by tag, and a sequence
/// without items is an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Items(pub Vec<Item>);

impl Items {
    /// Reads the text of a sequence; `None` if it is no such text.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::default()) } else { serde_json::from_str(text).ok() }
    }

    /// The text of the sequence.
    pub fn to_text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        // Texts by tag can be written; were they not, a sequence without items is no wrong value.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Only what has a value: the items, and in them the attributes.
    #[must_use]
    pub fn known(mut self) -> Self {
        for item in &mut self.0 {
            item.retain(|_, value| !value.is_empty());
        }
        self.0.retain(|item| !item.is_empty());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_become_text_and_come_back() {
        let item =
            Item::from([(Tag(0x0040, 0x0009), "S\"1\\2".to_owned()), (Tag::ACCESSION_NUMBER, String::new())]);
        let items = Items(vec![item, Item::new()]);
        assert_eq!(items.to_text(), r#"[{"00080050":"","00400009":"S\"1\\2"},{}]"#);
        assert_eq!(Items::from_text(&items.to_text()), Some(items.clone()));
        assert_eq!(items.known().to_text(), r#"[{"00400009":"S\"1\\2"}]"#);
        assert_eq!(Items::from_text("").map(|items| items.to_text()), Some(String::new()));
        for text in ["x", "{}", "[1]", r#"[{"x":"y"}]"#] {
            assert_eq!(Items::from_text(text), None, "{text}");
        }
    }
}
