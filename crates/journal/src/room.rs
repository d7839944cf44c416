//! The room there is for objects, and what it means.

use crate::log::{Prepared, PreparedBody};
use crate::options::FRAME_BODY_BYTES_MAX;
use crate::state::Health;

/// A full journal has room again when it could take a good many objects, so that it does not flap.
const ROOM_AGAIN_BYTES: u64 = 16 * FRAME_BODY_BYTES_MAX;

/// A journal counts as full before the first object is refused: whoever asks whether it is ready shall be told in time.
const ROOM_LOW_BYTES: u64 = 4 * FRAME_BODY_BYTES_MAX;

/// In a small journal, the part of it that counts as room again, and as too little room.
const AGAIN_PART: u64 = 8;
const LOW_PART: u64 = 32;

/// Room for objects, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Up to the greatest size of the journal.
    pub(crate) left: u64,
    /// On the disk.
    pub(crate) free: u64,
    /// What there is at all, as if the disk were the journal's alone.
    pub(crate) whole: u64,
}

impl Room {
    /// What that means for a journal that was doing like this.
    pub(crate) fn health(self, before: Health) -> Health {
        let least = self.left.min(self.free);
        match before {
            Health::Healthy if least <= ROOM_LOW_BYTES.min(self.whole / LOW_PART) => Health::Full,
            Health::Full if least > ROOM_AGAIN_BYTES.min(self.whole / AGAIN_PART) => Health::Healthy,
            Health::Healthy | Health::Full | Health::Failed => before,
        }
    }

    /// What is left where two copies take the same.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            free: self.free.min(other.free),
            whole: self.whole.min(other.whole),
        }
    }

    /// What is left behind an object, if it fits; the file of a large one is on the disk already.
    pub(crate) fn without(self, ready: &Prepared) -> Option<Self> {
        let frame = ready.frame_bytes();
        let file = match &ready.body {
            PreparedBody::File(file) => file.length,
            PreparedBody::Inline { .. } | PreparedBody::None | PreparedBody::Released { .. } => 0,
        };
        let left = self.left.checked_sub(frame.saturating_add(file))?;
        Some(Self { left, free: self.free.checked_sub(frame)?, whole: self.whole })
    }
}
