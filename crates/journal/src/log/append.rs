//! A commit in the log: one write, one sync, and what is durable is shown to readers.

use bytes::Bytes;

use crate::commit::{Batch, Setback, before_sync, for_good};
use crate::ids::Seq;
use crate::log::copy::Log;
use crate::log::frame::{FrameHead, FrameKind, Place, Trailer};
use crate::log::large::{Prepared, PreparedBody};
use crate::log::open_segment::Ready;
use crate::log::table::Slot;

impl Log {
    /// Writes a batch behind what it holds; durable when this returns.
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<(), Setback> {
        let frames: Vec<Ready<'_>> =
            batch.numbered().map(|(seq, record)| self.frame(batch, seq, record)).collect();
        let length = frames.iter().map(|frame| frame.head.frame_length()).sum();
        let open = self.open_for(batch.first, length)?;
        if let Err(error) = open.write(&frames) {
            open.roll_back().map_err(for_good("rolling a batch back"))?;
            return Err(before_sync("writing a batch")(error));
        }
        open.file.sync_data().map_err(for_good("syncing a batch"))?;
        let offsets = open.written(&frames);
        let end = open.end;
        self.publish(&frames, &offsets, end);
        self.shared.index_mut().void.add(&batch.void);
        Ok(())
    }

    fn frame<'a>(&self, batch: &Batch, seq: Seq, record: &'a Prepared) -> Ready<'a> {
        let stamp = batch.stamp(seq);
        let none: &[Bytes] = &[];
        let (place, body_length, sha256, name, body_crc, pieces) = match &record.body {
            PreparedBody::None => (Place::None, 0, [0; 32], 0, 0, none),
            PreparedBody::Inline { pieces, length, sha256, crc } => {
                (Place::Inline, *length, *sha256, 0, *crc, pieces.as_slice())
            }
            PreparedBody::File(file) => {
                (Place::File, file.length, file.sha256, file.name, file.table_crc, none)
            }
            PreparedBody::Released { length, sha256 } => (Place::Released, *length, *sha256, 0, 0, none),
        };
        let head = FrameHead {
            journal: self.shared.home.journal,
            epoch: stamp.epoch,
            kind: FrameKind::Record(record.kind),
            place,
            seq,
            batch: batch.first,
            header_length: u32::try_from(record.header.len()).unwrap_or(u32::MAX),
            body_length,
        };
        let trailer = Trailer { at_us: stamp.at_us, sha256, name, body_crc };
        Ready::new(head, &record.header, pieces, trailer)
    }

    /// Lets readers see what is durable.
    fn publish(&self, frames: &[Ready<'_>], offsets: &[u64], end: u64) {
        let mut index = self.shared.index_mut();
        for (frame, offset) in frames.iter().zip(offsets) {
            let head = &frame.head;
            index.open.push(Slot { seq: head.seq, offset: *offset, place: head.place });
            index.tail = head.seq;
            if head.place == Place::File {
                index.file_bytes = index.file_bytes.saturating_add(head.body_length);
            }
        }
        let (first, behind) = (index.open.first(), index.open.end());
        let Some(segment) = index.segments.last_mut() else { return };
        for Ready { head, .. } in frames {
            segment.entries += 1;
            segment.bodies += u64::from(head.place.is_kept());
            segment.inline_bytes += head.inline_length();
            segment.frame_bytes += head.frame_length() - head.inline_length();
        }
        (segment.first, segment.end, segment.length) = (first, behind, end);
    }
}
