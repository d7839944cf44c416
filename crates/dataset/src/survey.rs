//! Looks a data set over without holding it: small values are read, of large ones the place is kept.
//!
//! Metadata, single frames and bulk data of an object of gigabytes are had with a few megabytes of memory: bytes are
//! asked for by position, and what is not wanted is passed over.

mod frames;
mod inflated;
mod look;
mod window;

use bytes::Bytes;
use outrigger_model::Tag;

use crate::element::{DataSet, Element, Vr};
use crate::form::PIXEL_VALUES;
use crate::read::ReadError;
pub use frames::{FrameError, FrameIndex, Span, aligned};
pub use inflated::inflated_length;
pub use look::{held_at_most, survey, survey_within};

/// Most bytes of a binary value that is read: a code or a small table; larger ones are fetched apart by who wants them.
pub const BINARY_BYTES_MAX: u64 = 4 * 1024;
/// Most bytes of a value of text or numbers that is read: whole reports and lookup tables stay below.
pub const TEXT_BYTES_MAX: u64 = 1024 * 1024;
/// Most memory of one survey: elements, items and values as they lie in memory; objects of half a million elements stay below.
pub const HELD_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Where bytes lie in a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position of the first.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// The elements of a data set or an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// The elements, as they stand.
    pub elements: Vec<Surveyed>,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation, as written or from the dictionary.
    pub vr: Vr,
    /// Its value.
    pub value: Found,
}

/// A value, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Bytes with their padding.
    Here(Bytes),
    /// Bytes that were passed over: pixel data of any size, or more than is read.
    There(Place),
    /// Items.
    Items(Vec<Survey>),
    /// Encapsulated pixel data: the offset table, then the fragments.
    Fragments(Vec<Place>),
}

/// Why a data set cannot be looked over.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError<E: std::error::Error + 'static> {
    /// Its bytes could not be had.
    #[error("the bytes of the data set could not be had")]
    Source(#[source] E),
    /// It is not written as it must be.
    #[error("the data set cannot be read")]
    Read(#[source] ReadError),
    /// It has more elements than are held.
    #[error("the elements of the data set take more than the {HELD_BYTES_MAX} bytes that are held of one")]
    TooLarge,
}

impl Survey {
    /// The first element of the tag.
    pub fn get(&self, tag: Tag) -> Option<&Surveyed> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// The value that a path leads to: tags, each but the last with the number of an item, from 1.
    pub fn follow(&self, path: &ElementPath) -> Option<&Surveyed> {
        self.item(&path.items)?.get(path.last)
    }

    /// The item that sequences lead to, each with the number of an item, from 1; the data set itself where there are none.
    pub fn item(&self, items: &[(Tag, usize)]) -> Option<&Self> {
        items.iter().try_fold(self, |here, (sequence, item)| {
            let Found::Items(items) = &here.get(*sequence)?.value else { return None };
            items.get(item.checked_sub(1)?)
        })
    }

    /// Puts a value where its place was, once somebody has read it.
    pub fn fill(&mut self, path: &ElementPath, value: Bytes) {
        if let Some(element) = self.follow_mut(path) {
            element.value = Found::Here(value);
        }
    }

    fn follow_mut(&mut self, path: &ElementPath) -> Option<&mut Surveyed> {
        let mut here = self;
        for (sequence, item) in &path.items {
            let element = here.elements.iter_mut().find(|element| element.tag == *sequence)?;
            let Found::Items(items) = &mut element.value else { return None };
            here = items.get_mut(item.checked_sub(1)?)?;
        }
        here.elements.iter_mut().find(|element| element.tag == path.last)
    }

    /// The small values of the top level, those that describe pixel data among them.
    pub fn described(&self) -> DataSet {
        let here = self.elements.iter().filter_map(|element| match &element.value {
            Found::Here(bytes) => Some(Element::new(element.tag, element.vr, bytes.clone())),
            Found::There(_) | Found::Items(_) | Found::Fragments(_) => None,
        });
        here.collect()
    }

    /// The pixel data, floats included.
    pub fn pixel_data(&self) -> Option<&Surveyed> {
        self.elements.iter().find(|element| PIXEL_VALUES.contains(&element.tag))
    }
}

/// Leads to an element in items of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementPath {
    /// Sequences, each with the number of an item, from 1.
    pub items: Vec<(Tag, usize)>,
    /// The element.
    pub last: Tag,
}

impl From<Tag> for ElementPath {
    fn from(tag: Tag) -> Self {
        Self { items: Vec::new(), last: tag }
    }
}
