//! Headers that pieces of the input cut in two.

use crate::form::Form;

/// Longest header of an element, in bytes.
pub(super) const HEADER_BYTES_MAX: usize = 12;

/// A header, as far as it came.
#[derive(Default)]
pub(super) struct Cut {
    bytes: [u8; HEADER_BYTES_MAX],
    length: usize,
}

impl Cut {
    /// Begins anew; what was there can still be had from `last`.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// The bytes of the header before.
    pub(super) fn last(&self, size: usize) -> &[u8] {
        self.bytes.get(..size).unwrap_or_default()
    }

    /// Copies from `bytes` behind what is kept, up to `limit` in all.
    pub(super) fn fill(&mut self, bytes: &[u8], limit: usize) {
        let room = self.bytes.get_mut(self.length..limit).unwrap_or_default();
        let copied = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.length += copied;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Whether what is left behind the last element is padding: nothing, or zeros that no tag begins with.
    pub(super) fn is_padding(&self, form: Form) -> bool {
        let least = if form == Form::ExplicitBig { 2 } else { 1 };
        self.length == 0 || self.length >= least && self.bytes().iter().all(|byte| *byte == 0)
    }
}

/// Takes up to `length` bytes off the front.
pub(super) fn split<'a>(bytes: &mut &'a [u8], length: u64) -> &'a [u8] {
    let length = usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()));
    let (front, back) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    *bytes = back;
    front
}
