//! Reading, while the writer writes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_runtime::{BlockSource, DiskFile};

use crate::damage::DamagedPart;
use crate::error::ReadError;
use crate::home::Contents;
use crate::ids::Seq;
use crate::log::body::{FileBody, FrameBody};
use crate::log::frame::{FrameKind, Place};
use crate::log::index::Spot;
use crate::log::scan::Scan;
use crate::log::scrub::LogScrub;
use crate::log::segment::{ReadFrame, frame_window, read_frame, read_sealed};
use crate::log::shared::Shared;
use crate::log::table::{Slot, Table};
use crate::paths::SegmentKey;
use crate::reader::{Reads, Scrub};
use crate::record::{BodyFacts, Entry, Presence, Record};

/// Reads while the writer writes.
#[derive(Debug, Clone)]
pub(crate) struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl Reads for LogReader {
    fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let mut entries = Vec::new();
        let mut from = after.next();
        while entries.len() < limit {
            match self.find(from, limit - entries.len())? {
                Spot::End | Spot::TableOnDisk(_) => break,
                Spot::Void { last } => from = last.next(),
                Spot::Lost { near, last } => {
                    let damage = self.shared.damage(DamagedPart::Missing, near, 0, (from, last));
                    entries.push(Entry::Damaged(damage));
                    from = last.next();
                }
                Spot::Frames { segment, length, slots } => {
                    // A segment carried forward in between is looked up anew.
                    let Some(file) = self.file(segment)? else { continue };
                    from = slots.last().map_or(from.next(), |slot| slot.seq.next());
                    self.read_frames(segment, file, length, &slots, &mut entries)?;
                }
            }
        }
        Ok(entries)
    }

    fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError> {
        loop {
            let (segment, length, slot) = match self.find(seq, 1)? {
                Spot::Frames { segment, length, slots } => match slots.first() {
                    Some(slot) => (segment, length, *slot),
                    None => return Err(ReadError::Unknown(seq)),
                },
                Spot::Lost { near, last } => {
                    let damage = self.shared.damage(DamagedPart::Missing, near, 0, (seq, last));
                    return Err(ReadError::Damaged { seq, damage });
                }
                Spot::Void { .. } | Spot::End | Spot::TableOnDisk(_) => return Err(ReadError::Unknown(seq)),
            };
            match slot.place {
                Place::None => return Err(ReadError::Unknown(seq)),
                Place::Released => return Err(ReadError::Released(seq)),
                Place::Inline | Place::File => {}
            }
            let Some(file) = self.file(segment)? else { continue };
            let mut window = frame_window(file.clone(), length);
            let frame = read_frame(&mut window, slot.offset, self.shared.home.journal);
            let frame = frame.map_err(|source| self.io(segment, source))?;
            let Some(frame) = frame.filter(|frame| frame.head.seq == seq) else {
                let damage = self.shared.damage(DamagedPart::Frame, segment, slot.offset, (seq, seq));
                return Err(ReadError::Damaged { seq, damage });
            };
            return match frame.head.place {
                Place::File => self.file_body(&frame),
                Place::Inline | Place::None | Place::Released => Ok(Arc::new(FrameBody::new(file, &frame))),
            };
        }
    }

    fn is_known_released(&self, seq: Seq) -> bool {
        let mut spot = self.shared.index().find(seq, 1, None);
        if let Spot::TableOnDisk(key) = spot {
            let Some(table) = self.shared.known_table(key) else { return false };
            spot = self.shared.index().find(seq, 1, Some((key, &table)));
        }
        let Spot::Frames { slots, .. } = spot else { return false };
        slots.first().is_some_and(|slot| slot.seq == seq && matches!(slot.place, Place::Released))
    }

    fn tail(&self) -> Seq {
        self.shared.index().tail
    }

    fn contents(&self) -> Contents {
        self.shared.contents()
    }

    fn scrub(&self) -> Scrub {
        Scrub::new(LogScrub::new(self.clone()))
    }
}

impl LogReader {
    fn file_body(&self, frame: &ReadFrame) -> Result<Arc<dyn BlockSource>, ReadError> {
        let path = self.shared.home.paths.object(frame.trailer.name);
        match FileBody::open(&*self.shared.home.disk, &path, frame) {
            Ok(Some(body)) => Ok(Arc::new(body)),
            // Released and removed since it was looked up?
            Ok(None) if !self.shared.index().is_kept(frame.head.seq) => {
                Err(ReadError::Released(frame.head.seq))
            }
            Ok(None) => {
                let seq = frame.head.seq;
                let damage = crate::Damage {
                    file: path,
                    offset: 0,
                    part: DamagedPart::Body,
                    entries: Some((seq, seq)),
                    certainty: self.shared.index().certainty(seq),
                };
                Err(ReadError::Damaged { seq, damage })
            }
            Err(source) => Err(ReadError::Io { path, source }),
        }
    }

    /// Where entries are, with the table read from the disk where it is not in memory.
    fn find(&self, from: Seq, limit: usize) -> Result<Spot, ReadError> {
        let mut known: Option<(SegmentKey, Arc<Table>)> = None;
        loop {
            let spot =
                self.shared.index().find(from, limit, known.as_ref().map(|(key, table)| (*key, &**table)));
            let Spot::TableOnDisk(key) = spot else { return Ok(spot) };
            let table = match self.shared.known_table(key) {
                Some(table) => table,
                None => self.read_table(key)?,
            };
            known = Some((key, table));
        }
    }

    fn read_table(&self, key: SegmentKey) -> Result<Arc<Table>, ReadError> {
        let path = self.shared.home.paths.segment(key.number);
        let read = || -> io::Result<Table> {
            if let Some(sealed) = read_sealed(&*self.shared.home.disk, &path, self.shared.home.journal)? {
                return Ok(sealed.table);
            }
            // The seal is damaged; the frames say the same.
            let file = self.shared.home.disk.open(&path, outrigger_runtime::disk::Access::Read)?;
            let length = file.length()?;
            let scan = Scan::new(file, length, self.shared.home.journal);
            Ok(crate::log::contents::Contents::read(scan, Seq(0), Seq(u64::MAX))?.tally.table)
        };
        let table = Arc::new(read().map_err(|source| ReadError::Io { path: path.clone(), source })?);
        self.shared.know_table(key, table.clone());
        Ok(table)
    }

    fn read_frames(
        &self,
        segment: SegmentKey,
        file: Arc<dyn DiskFile>,
        length: u64,
        slots: &[Slot],
        entries: &mut Vec<Entry>,
    ) -> Result<(), ReadError> {
        let mut window = frame_window(file, length);
        for slot in slots {
            let frame = read_frame(&mut window, slot.offset, self.shared.home.journal);
            let frame = frame.map_err(|source| self.io(segment, source))?;
            let record =
                frame.filter(|frame| frame.head.seq == slot.seq).and_then(|frame| record(&frame, slot));
            entries.push(record.map_or_else(
                || {
                    let at = (slot.seq, slot.seq);
                    Entry::Damaged(self.shared.damage(DamagedPart::Frame, segment, slot.offset, at))
                },
                Entry::Record,
            ));
        }
        Ok(())
    }

    fn file(&self, segment: SegmentKey) -> Result<Option<Arc<dyn DiskFile>>, ReadError> {
        self.shared.file(segment).map_err(|source| self.io(segment, source))
    }

    fn io(&self, segment: SegmentKey, source: io::Error) -> ReadError {
        let path: PathBuf = self.shared.home.paths.segment(segment.number);
        ReadError::Io { path, source }
    }
}

fn record(frame: &ReadFrame, slot: &Slot) -> Option<Record> {
    let FrameKind::Record(kind) = frame.head.kind else { return None };
    let presence = match slot.place {
        Place::None => None,
        Place::Inline | Place::File => Some(Presence::Kept),
        Place::Released => Some(Presence::Released),
    };
    let facts =
        |presence| BodyFacts { length: frame.head.body_length, sha256: frame.trailer.sha256, presence };
    Some(Record {
        seq: frame.head.seq,
        epoch: frame.head.epoch,
        at_us: frame.trailer.at_us,
        kind,
        header: frame.header.clone(),
        body: presence.map(facts),
    })
}
