//! Letting bodies go in the log: in its index at once, in its files as far as they are files of their own.

use crate::commit::{Setback, for_good};
use crate::ids::Seq;
use crate::log::copy::Log;
use crate::log::frame::Place;
use crate::log::segment::{frame_window, read_frame};
use crate::log::table::Slot;
use crate::paths::SegmentKey;
use crate::ranges::Ranges;

impl Log {
    /// Notes the release in the index, and gives the frames that name a file.
    pub(crate) fn note(&self, released: &Ranges) -> Vec<(SegmentKey, u64, Slot)> {
        let mut index = self.shared.index_mut();
        let numbers = released.iter().flat_map(|(first, last)| first.0..=last.0);
        numbers
            .filter_map(|seq| index.release(Seq(seq)))
            .filter(|(_, _, slot)| slot.place == Place::File)
            .collect()
    }

    /// Removes the files that these frames name.
    pub(crate) fn remove(&self, frames: Vec<(SegmentKey, u64, Slot)>) -> Result<(), Setback> {
        let reading = || for_good("reading what is released");
        for (key, length, slot) in frames {
            let Some(file) = self.shared.file(key).map_err(reading())? else { continue };
            let frame = read_frame(&mut frame_window(file, length), slot.offset, self.shared.home.journal);
            let Some(frame) = frame.map_err(reading())? else {
                tracing::warn!(entry = %slot.seq, "a damaged frame does not tell which file it released; the next start removes it");
                continue;
            };
            self.shared.home.remove_object(frame.trailer.name)?;
            let mut index = self.shared.index_mut();
            index.file_bytes = index.file_bytes.saturating_sub(frame.head.body_length);
        }
        Ok(())
    }
}
