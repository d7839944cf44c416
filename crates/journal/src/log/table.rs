//! Where the frames of one segment stand: five bytes an entry.

use bytes::{Buf, BufMut, Bytes};

use crate::ids::Seq;
use crate::log::frame::{FRAME_ALIGN, Place};

/// Where the frames of one segment stand, by sequence from the first on, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    first: Seq,
    /// Offsets in units of [`FRAME_ALIGN`]; 0, where the opening stands, for numbers without a frame.
    offsets: Vec<u32>,
    places: Vec<u8>,
}

/// One frame's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) seq: Seq,
    pub(crate) offset: u64,
    pub(crate) place: Place,
}

impl Table {
    /// An empty table for numbers from `first` on.
    pub(crate) fn new(first: Seq) -> Self {
        Self { first, offsets: Vec::new(), places: Vec::new() }
    }

    pub(crate) fn first(&self) -> Seq {
        self.first
    }

    /// The number behind the last.
    pub(crate) fn end(&self) -> Seq {
        Seq(self.first.0.saturating_add(self.offsets.len() as u64))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Puts a frame in; numbers left out before it have no frame. Those before the table's end are passed over.
    pub(crate) fn push(&mut self, slot: Slot) {
        if self.is_empty() {
            self.first = slot.seq;
        }
        let Some(gap) = slot.seq.0.checked_sub(self.end().0).and_then(|gap| usize::try_from(gap).ok()) else {
            return;
        };
        let filled = self.offsets.len() + gap;
        self.offsets.resize(filled, 0);
        self.places.resize(filled, Place::None.code());
        self.offsets.push(u32::try_from(slot.offset / FRAME_ALIGN).unwrap_or(0));
        self.places.push(slot.place.code());
    }

    fn index(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.0.checked_sub(self.first.0)?).ok()
    }

    /// The frame of a number, if it has one.
    pub(crate) fn get(&self, seq: Seq) -> Option<Slot> {
        let at = self.index(seq)?;
        let offset = u64::from(*self.offsets.get(at)?) * FRAME_ALIGN;
        let place = Place::from_code(*self.places.get(at)?)?;
        (offset != 0).then_some(Slot { seq, offset, place })
    }

    /// Notes that a body was let go, and tells where it was.
    pub(crate) fn release(&mut self, seq: Seq) -> Option<Slot> {
        let slot = self.get(seq).filter(|slot| slot.place.is_kept())?;
        let at = self.index(seq)?;
        *self.places.get_mut(at)? = Place::Released.code();
        Some(slot)
    }

    /// All frames, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let numbers = self.first.0..self.end().0;
        numbers.filter_map(|number| self.get(Seq(number)))
    }

    /// Bytes on disk: all offsets, then all places.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for offset in &self.offsets {
            out.put_u32_le(*offset);
        }
        out.put_slice(&self.places);
    }

    /// Reads a table of `count` numbers from the front of `bytes`.
    pub(crate) fn decode(first: Seq, count: usize, bytes: &mut Bytes) -> Option<Self> {
        if bytes.len() < count.checked_mul(5)? {
            return None;
        }
        let offsets = (0..count).map(|_| bytes.get_u32_le()).collect();
        let places = bytes.split_to(count).to_vec();
        Some(Self { first, offsets, places })
    }
}
