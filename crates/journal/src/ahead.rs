//! Room made in a growing file before it is needed: a full disk shows before anything is written.

use std::io;

use outrigger_runtime::DiskFile;
use outrigger_runtime::reserve::is_no_room;

/// Room is made in steps of this many bytes, see docs/journal-layout.md.
const ROOM_STEP_BYTES: u64 = 16 << 20;

/// Up to where there is room in a file that grows.
#[derive(Debug)]
pub(crate) struct Ahead {
    room: u64,
    /// No room is made in advance beyond this.
    size_max: u64,
}

impl Ahead {
    pub(crate) fn new(room: u64, size_max: u64) -> Self {
        Self { room, size_max }
    }

    /// Makes room in a file that is used up to `used`, up to `end` and some ahead.
    pub(crate) fn make(&mut self, file: &dyn DiskFile, used: u64, end: u64) -> io::Result<()> {
        if end <= self.room {
            return Ok(());
        }
        let ahead = end.next_multiple_of(ROOM_STEP_BYTES).min(self.size_max).max(end);
        let made = match file.allocate(ahead) {
            Err(error) if is_no_room(&error) && ahead > end => {
                file.set_length(used)?;
                self.room = used;
                file.allocate(end).map(|()| end)
            }
            other => other.map(|()| ahead),
        };
        match made {
            Ok(room) => self.room = room,
            // The file then grows with each commit.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes back what is behind `used`.
    pub(crate) fn roll_back(&mut self, file: &dyn DiskFile, used: u64) -> io::Result<()> {
        self.room = used;
        file.set_length(used)
    }
}
