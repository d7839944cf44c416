//! Letting bodies go.

use std::io;

use crate::commit::{Setback, for_good};
use crate::error::{AppendError, ReleaseError};
use crate::frame::Place;
use crate::ids::Seq;
use crate::index::{Index, SegmentKey};
use crate::journal::Journal;
use crate::large::{Prepared, PreparedBody, discard};
use crate::ranges::Ranges;
use crate::record::RecordKind;
use crate::seal::Release;
use crate::segment::{frame_window, read_frame};
use crate::table::Slot;

/// Stretches named by one record, so that its header stays far below its limit.
const STRETCHES_MAX: usize = 8192;
/// Stretches are joined over at most this many entries without a body: looking at them costs more than it saves.
const JOINED_OVER_MAX: u64 = 64;

impl Journal {
    /// Lets the bodies of these entries go, for good; those already released, or without a body, are passed over.
    ///
    /// The fact is durable first; then files of their own are removed. Room inside segments comes back when
    /// [`Journal::carry_forward`] next finds it worth while.
    pub fn release(&mut self, seqs: &[Seq]) -> Result<(), ReleaseError> {
        let released = {
            let index = self.shared.index();
            if let Some(unknown) = seqs.iter().find(|seq| **seq > index.tail || **seq == Seq(0)) {
                return Err(ReleaseError::Unknown(*unknown));
            }
            stretches(&index, seqs)
        };
        for part in released.chunks(STRETCHES_MAX) {
            let header = serde_json::to_vec(&Release { released: part.clone() });
            let header =
                header.map_err(|error| self.failed("writing a release record", &io::Error::other(error)))?;
            let record =
                Prepared { kind: RecordKind::Release, header: header.into(), body: PreparedBody::None };
            self.commit(vec![record]).pop().unwrap_or(Err(AppendError::Closed))?;
            let files = self.note(&part);
            self.remove(files).map_err(|setback| self.set_back(setback))?;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, error: &io::Error) -> AppendError {
        self.shared.fail(doing, error);
        AppendError::Failed
    }

    /// What a setback outside a commit means.
    pub(crate) fn set_back(&self, setback: Setback) -> AppendError {
        match setback {
            Setback::NoRoom => AppendError::Full,
            Setback::Failed { doing, error } => self.failed(doing, &error),
        }
    }

    /// Notes the release in the index, and gives the frames that name a file.
    fn note(&self, released: &Ranges) -> Vec<(SegmentKey, u64, Slot)> {
        let mut index = self.shared.index_mut();
        let numbers = released.iter().flat_map(|(first, last)| first.0..=last.0);
        numbers
            .filter_map(|seq| index.release(Seq(seq)))
            .filter(|(_, _, slot)| slot.place == Place::File)
            .collect()
    }

    /// Removes the files that these frames name.
    fn remove(&self, frames: Vec<(SegmentKey, u64, Slot)>) -> Result<(), Setback> {
        let reading = || for_good("reading what is released");
        for (key, length, slot) in frames {
            let Some(file) = self.shared.file(key).map_err(reading())? else { continue };
            let frame = read_frame(&mut frame_window(file, length), slot.offset, self.shared.journal);
            let Some(frame) = frame.map_err(reading())? else {
                tracing::warn!(entry = %slot.seq, "a damaged frame does not tell which file it released; the next start removes it");
                continue;
            };
            match discard(&*self.shared.disk, &self.shared.paths.object(frame.trailer.name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(for_good("removing what is released")(error));
                }
                Ok(()) | Err(_) => {
                    let mut index = self.shared.index_mut();
                    index.file_bytes = index.file_bytes.saturating_sub(frame.head.body_length);
                }
            }
        }
        Ok(())
    }
}

/// The entries of `seqs` whose bodies are kept, as stretches over entries without one.
fn stretches(index: &Index, seqs: &[Seq]) -> Ranges {
    let mut kept: Vec<Seq> = seqs.iter().copied().filter(|seq| index.is_kept(*seq)).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut stretches: Vec<(Seq, Seq)> = Vec::new();
    for seq in kept {
        match stretches.last_mut() {
            Some((_, last))
                if seq.0 - last.0 <= JOINED_OVER_MAX
                    && (last.0 + 1..seq.0).all(|between| !index.is_kept(Seq(between))) =>
            {
                *last = seq;
            }
            _ => stretches.push((seq, seq)),
        }
    }
    Ranges::new(stretches)
}
