//! What is kept of sequences: the attributes of their items that queries are matched against.

use outrigger_model::{Item, Items, Tag};

use crate::dictionary;
use crate::element::Vr;
use crate::identifier::item_keys;
use crate::readable::readable;
use crate::text::{CharacterSet, Fidelity, decode};

/// Items kept of one sequence: a request has a handful of steps, a patient as many other IDs.
const ITEMS_MAX: usize = 16;
/// Most bytes of one value that are kept: 64 characters of the widest encoding several times over.
const VALUE_BYTES_MAX: u32 = 512;
/// Bytes kept of all sequences of an object: each of its rows has a part of them.
const BYTES_MAX: usize = 4096;

/// The values kept of items; the first of each sequence and of each tag.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    kept: Vec<Sequence>,
    /// Whether the last sequence kept is the one the scan stands in, and its last item too.
    place: Place,
    bytes: usize,
}

#[derive(Debug)]
struct Sequence {
    tag: Tag,
    items: Vec<Vec<(Tag, Vec<u8>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Outside,
    Sequence,
    Item,
}

impl Sequences {
    /// A sequence at the top level begins.
    pub(super) fn enter(&mut self, tag: Tag) {
        let is_wanted = !item_keys(tag).is_empty() && self.kept.iter().all(|sequence| sequence.tag != tag);
        if is_wanted {
            self.kept.push(Sequence { tag, items: Vec::new() });
            self.place = Place::Sequence;
        }
    }

    /// The top level goes on.
    pub(super) fn leave(&mut self) {
        self.place = Place::Outside;
    }

    /// An item of a sequence at the top level begins.
    pub(super) fn enter_item(&mut self) {
        if self.place == Place::Outside {
            return;
        }
        self.place = Place::Sequence;
        if let Some(sequence) = self.kept.last_mut().filter(|sequence| sequence.items.len() < ITEMS_MAX) {
            sequence.items.push(Vec::new());
            self.place = Place::Item;
        }
    }

    /// Begins a value in such an item; whether it is to be kept.
    pub(super) fn begin(&mut self, tag: Tag, length: u32) -> bool {
        if self.place != Place::Item || length > VALUE_BYTES_MAX {
            return false;
        }
        let Some(sequence) = self.kept.last_mut() else { return false };
        let is_key = tag == Tag::SPECIFIC_CHARACTER_SET || item_keys(sequence.tag).contains(&tag);
        let bytes = usize::try_from(length).map_or(usize::MAX, |length| self.bytes.saturating_add(length));
        let Some(item) = sequence.items.last_mut() else { return false };
        if !is_key || bytes > BYTES_MAX || item.iter().any(|(known, _)| *known == tag) {
            return false;
        }
        self.bytes = bytes;
        item.push((tag, Vec::new()));
        true
    }

    /// More bytes of the value begun last.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let item = self.kept.last_mut().and_then(|sequence| sequence.items.last_mut());
        if let Some((_, value)) = item.and_then(|item| item.last_mut()) {
            value.extend_from_slice(bytes);
        }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        let items = self.kept.iter().flat_map(|sequence| &sequence.items);
        items
            .map(|item| {
                size_of_val(item) + item.iter().map(|(_, value)| value.capacity() + 32).sum::<usize>()
            })
            .sum()
    }

    /// The sequences as text, and how surely it was read.
    pub(super) fn texts(&self, charset: &CharacterSet) -> Vec<(Tag, String, Fidelity)> {
        let texts = self.kept.iter().map(|sequence| {
            let mut fidelity = Fidelity::Exact;
            let items = sequence.items.iter().map(|item| text(item, charset, &mut fidelity)).collect();
            (sequence.tag, Items(items).known().to_text(), fidelity)
        });
        texts.filter(|(_, text, _)| !text.is_empty()).collect()
    }
}

/// An item as text, by its own character set where it has one (PS3.3 section C.12.1.1.2).
fn text(item: &[(Tag, Vec<u8>)], charset: &CharacterSet, fidelity: &mut Fidelity) -> Item {
    let declared = item.iter().find(|(tag, _)| *tag == Tag::SPECIFIC_CHARACTER_SET);
    let own =
        declared.map(|(_, value)| CharacterSet::new(&decode(value, &CharacterSet::DEFAULT, Vr::CS).text));
    let charset = own.as_ref().unwrap_or(charset);
    let mut texts = Item::new();
    for (tag, value) in item.iter().filter(|(tag, _)| *tag != Tag::SPECIFIC_CHARACTER_SET) {
        let (text, read) = readable(dictionary::vr(*tag), value, charset);
        if read == Fidelity::Guessed {
            *fidelity = read;
        }
        texts.insert(*tag, text);
    }
    texts
}
