//! What a scrub checks of a copy whatever engine keeps it: its head, and large objects block by block.

use std::io;
use std::path::PathBuf;

use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::{BlockError, BlockSource};

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::head::{FoundHead, Head};
use crate::home::Home;
use crate::ids::Seq;
use crate::log::{FileBody, read_object};
use crate::reader::ScrubStep;

/// Read in one step, about: short beside a commit, long beside its overhead.
pub(crate) const STEP_BYTES: u64 = 4 << 20;

/// Damage by which no entry is lost.
pub(crate) fn no_entry(file: PathBuf, offset: u64, part: DamagedPart) -> Damage {
    Damage { file, offset, part, entries: None, certainty: Certainty::NoEntry }
}

/// What is wrong with the head.
pub(crate) fn head(home: &Home) -> Option<Damage> {
    let path = home.paths.head();
    let (offset, part) = match Head::read(&*home.disk, &path) {
        Ok(FoundHead::Head { damaged_at, .. }) => (damaged_at?, DamagedPart::Head),
        Ok(FoundHead::Nothing) => (0, DamagedPart::Gone),
        Ok(FoundHead::Newer(_) | FoundHead::Unreadable) => (0, DamagedPart::Head),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the head of the journal cannot be read");
            (0, DamagedPart::Unreadable)
        }
    };
    Some(no_entry(path, offset, part))
}

/// A large object as a record names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) seq: Seq,
    pub(crate) name: u128,
    pub(crate) length: u64,
    /// The CRC of its block table.
    pub(crate) crc: u32,
}

/// A large object, checked up to a block.
#[derive(Debug)]
pub(crate) struct Checking {
    named: Named,
    body: FileBody,
    block: u64,
}

/// Whether a body is still kept: released in between, it may be gone.
pub(crate) type StillKept<'a> = &'a dyn Fn(Seq) -> bool;

impl Checking {
    /// Begins to check a large object; nothing where it cannot be read at all.
    pub(crate) fn begin(
        home: &Home,
        named: Named,
        is_kept: StillKept<'_>,
        step: &mut ScrubStep,
    ) -> Option<Box<Self>> {
        let path = home.paths.object(named.name);
        let opened = read_object(&*home.disk, &path, home.journal)
            .and_then(|end| Ok((FileBody::of(&*home.disk, &path, named.length, named.crc)?, end)));
        let part = match opened {
            Ok((Some(body), end)) => {
                if end.is_none() {
                    step.damaged.push(no_entry(path, named.length, DamagedPart::Seal));
                }
                return Some(Box::new(Self { named, body, block: 0 }));
            }
            Ok((None, _)) => DamagedPart::Body,
            Err(error) if error.kind() == io::ErrorKind::NotFound => DamagedPart::Gone,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a large object of the journal cannot be read");
                DamagedPart::Unreadable
            }
        };
        named.damaged(home, part, 0, is_kept, step);
        None
    }

    /// Checks the next blocks; gives itself back where there are more.
    pub(crate) fn go_on(
        mut self: Box<Self>,
        home: &Home,
        is_kept: StillKept<'_>,
        step: &mut ScrubStep,
    ) -> Option<Box<Self>> {
        let until = self.block.saturating_add(STEP_BYTES / BLOCK_BYTES as u64).min(self.body.blocks());
        for index in self.block..until {
            let part = match self.body.read_block(index) {
                Ok(bytes) => {
                    step.bytes += bytes.len() as u64;
                    continue;
                }
                Err(BlockError::Damaged { .. }) => DamagedPart::Body,
                Err(BlockError::Read { .. }) => DamagedPart::Unreadable,
            };
            self.named.damaged(home, part, index * BLOCK_BYTES as u64, is_kept, step);
            return None;
        }
        self.block = until;
        (until < self.body.blocks()).then_some(self)
    }
}

impl Named {
    fn damaged(
        self,
        home: &Home,
        part: DamagedPart,
        offset: u64,
        is_kept: StillKept<'_>,
        step: &mut ScrubStep,
    ) {
        if is_kept(self.seq) {
            step.damaged.push(Damage {
                file: home.paths.object(self.name),
                offset,
                part,
                entries: Some((self.seq, self.seq)),
                certainty: Certainty::Acknowledged,
            });
        }
    }
}
