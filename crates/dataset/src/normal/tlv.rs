//! Elements as keys and bodies.
//!
//! Key of a public element: `00`, tag; of a private one: `01`, group, length of the creator, creator, low byte of the
//! element number, so that it is the same in whatever block it stands; of a private one without creator: `02`, tag.
//! Body: a letter for the kind, the number of values, then each value behind its length; `S` and the number of items
//! for a sequence, each item the DS of its elements behind its length. Numbers are big endian, of 32 bits; 64 for the
//! length of an item.

use outrigger_model::Tag;

use super::canonical::{Canonical, Context, canonical, creator};
use super::class::is_volatile;
use crate::element::{DataSet, Element, Vr};
use crate::read::DEPTH_MAX;
use crate::text::{CharacterSet, decode};

/// The letter of a sequence.
pub(super) const ITEMS: u8 = b'S';

const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);

/// Which elements of items count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    /// All but the private ones.
    Public,
    /// Private ones, and the sequences that lead to them.
    Private,
}

/// What elements inherit from what is around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    charset: CharacterSet,
    signed: bool,
    depth: usize,
}

impl Place {
    /// The top level of a data set.
    pub(super) fn top(data_set: &DataSet) -> Self {
        Self { charset: CharacterSet::DEFAULT, signed: false, depth: 0 }.inside(data_set)
    }

    fn inside(self, data_set: &DataSet) -> Self {
        let declared = data_set.bytes(Tag::SPECIFIC_CHARACTER_SET).filter(|bytes| !bytes.is_empty());
        let charset = declared.map_or(self.charset, |declared| {
            CharacterSet::new(&decode(declared, &CharacterSet::DEFAULT, Vr::CS).text)
        });
        let signed = data_set.unsigned_short(PIXEL_REPRESENTATION).map_or(self.signed, |value| value == 1);
        Self { charset, signed, depth: self.depth + 1 }
    }
}

/// The elements that may count, by key.
pub(super) fn sorted(data_set: &DataSet) -> Vec<(Vec<u8>, &Element)> {
    let mut keyed: Vec<(Vec<u8>, &Element)> = data_set
        .elements
        .iter()
        .filter(|element| !is_volatile(element.tag) && !is_creator(element.tag))
        .map(|element| (key(data_set, element.tag), element))
        .collect();
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    // Most readers keep one of two equal elements.
    keyed.dedup_by(|(key, element), (before, kept)| key == before && element.value == kept.value);
    keyed
}

/// The body of an element, `None` where nothing of it counts.
pub(super) fn body(element: &Element, place: &Place, keep: Keep) -> Option<Vec<u8>> {
    let context =
        Context { charset: place.charset, signed: place.signed, may_nest: place.depth <= DEPTH_MAX };
    let mut body = Vec::new();
    match canonical(element, &context)? {
        Canonical::Values(..) if keep == Keep::Private => return None,
        Canonical::Values(kind, values) => {
            body.push(kind.letter());
            put_u32(&mut body, values.len());
            for value in values {
                put_u32(&mut body, value.len());
                body.extend_from_slice(&value);
            }
        }
        Canonical::Items(items) => {
            body.push(ITEMS);
            put_u32(&mut body, items.len());
            let items: Vec<Vec<u8>> = items.iter().map(|item| elements(item, place, keep)).collect();
            if keep == Keep::Private && items.iter().all(Vec::is_empty) {
                return None;
            }
            for item in items {
                body.extend_from_slice(&(item.len() as u64).to_be_bytes());
                body.extend_from_slice(&item);
            }
        }
    }
    Some(body)
}

/// DS: the elements of an item.
fn elements(item: &DataSet, around: &Place, keep: Keep) -> Vec<u8> {
    let place = around.inside(item);
    let mut out = Vec::new();
    for (key, element) in sorted(item) {
        let is_private = element.tag.0 % 2 == 1;
        let keep = match (keep, is_private) {
            (Keep::Public, true) => continue,
            (Keep::Private, true) => Keep::All,
            (Keep::Private, false) if !matches!(element.value, crate::element::Value::Sequence(_)) => {
                continue;
            }
            (keep, _) => keep,
        };
        if let Some(body) = body(element, &place, keep) {
            out.extend_from_slice(&key);
            out.extend_from_slice(&body);
        }
    }
    out
}

fn is_creator(tag: Tag) -> bool {
    tag.0 % 2 == 1 && (0x0010..=0x00FF).contains(&tag.1)
}

fn key(data_set: &DataSet, tag: Tag) -> Vec<u8> {
    let tagged = |kind: u8| [&[kind][..], &tag.0.to_be_bytes(), &tag.1.to_be_bytes()].concat();
    if tag.0.is_multiple_of(2) {
        return tagged(0);
    }
    let creator =
        creator(data_set, tag).and_then(|creator| Some((creator, u16::try_from(creator.len()).ok()?)));
    let [_, low] = tag.1.to_be_bytes();
    match creator {
        Some((creator, length)) => {
            [&[1][..], &tag.0.to_be_bytes(), &length.to_be_bytes(), creator, &[low]].concat()
        }
        None => tagged(2),
    }
}

/// Lengths fit: what is digested was read from elements of 32-bit lengths.
fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}
