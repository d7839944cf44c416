//! Ending one segment and beginning the next.

use std::sync::Arc;

use crate::commit::{Setback, before_sync, for_good};
use crate::head::FORMAT;
use crate::ids::Seq;
use crate::log::copy::Log;
use crate::log::open_segment::{Layout, OpenSegment};
use crate::log::seal::Opening;
use crate::log::segment::{Segment, Stage};
use crate::log::table::Table;
use crate::options::SEGMENT_ENTRIES_MAX;

impl Log {
    /// The open segment, with room for `length` bytes by its size; a full one is sealed and a new one begun for records from `next` on.
    pub(crate) fn open_for(&mut self, next: Seq, length: u64) -> Result<&mut OpenSegment, Setback> {
        let size_max = self.shared.home.options.segment_bytes_max;
        let is_full = self.open.as_ref().is_some_and(|open| {
            !open.tally.table.is_empty()
                && (open.end.saturating_add(length) > size_max || open.tally.entries >= SEGMENT_ENTRIES_MAX)
        });
        if is_full {
            self.seal()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment(next)?,
        };
        Ok(self.open.insert(open))
    }

    /// Seals the open segment, if there is one with records in it.
    pub(crate) fn seal(&mut self) -> Result<(), Setback> {
        let doubtful = self.shared.index().doubtful.clone();
        let Some(open) = self.open.as_mut().filter(|open| !open.tally.table.is_empty()) else {
            return Ok(());
        };
        let length = match open.seal((self.shared.home.journal, self.keeping.epoch()), open.end, doubtful) {
            Ok(length) => length,
            Err(error) => {
                open.roll_back().map_err(for_good("rolling a seal back"))?;
                return Err(before_sync("sealing a segment")(error));
            }
        };
        open.file.sync_data().map_err(for_good("syncing a sealed segment"))?;
        let hash = open.tally.hash();
        self.open = None;
        let mut index = self.shared.index_mut();
        let table = std::mem::take(&mut index.open);
        if let Some(segment) = index.segments.last_mut() {
            segment.stage = Stage::Sealed;
            segment.length = length;
            segment.hash = hash;
            segment.table = (segment.bodies > 0).then(|| Arc::new(table));
        }
        Ok(())
    }

    fn begin_segment(&mut self, next: Seq) -> Result<OpenSegment, Setback> {
        let before = {
            let index = self.shared.index();
            index.segments.last().map(|last| (index.last_number(), last.chain().to_owned()))
        };
        let number = before.as_ref().map_or(1, |(number, _)| number.saturating_add(1));
        let opening = Opening {
            format: FORMAT,
            segments: (number, number),
            rewrites: 0,
            previous: before.map(|(_, hash)| hash),
            original: None,
        };
        let shared = &self.shared;
        let path = shared.home.paths.segment(number);
        let file = shared.home.disk.create(&path).map_err(before_sync("making a segment"))?;
        let identity = (shared.home.journal, self.keeping.epoch(), next);
        let layout = Layout::append(shared.home.options.segment_bytes_max);
        let begun = OpenSegment::begin(file, opening, identity, layout);
        let open = match begun {
            Ok(open) => open,
            Err(error) => {
                shared.home.disk.remove(&path).map_err(for_good("taking a new segment back"))?;
                return Err(before_sync("beginning a segment")(error));
            }
        };
        // Before any record, so that what is unsound there later was once sound.
        open.file.sync_data().map_err(for_good("syncing a new segment"))?;
        let synced = shared.home.disk.sync_directory(&shared.home.paths.segments);
        synced.map_err(for_good("syncing the directory of segments"))?;
        let mut index = shared.index_mut();
        index.segments.push(Segment::of(&open.tally, &open.opening, open.end, Stage::Open));
        index.open = Table::new(next);
        Ok(open)
    }
}
