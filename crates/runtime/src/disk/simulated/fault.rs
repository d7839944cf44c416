//! What can go wrong with a simulated disk.

/// A fault and when it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultAt {
    /// The call it strikes, counted from 1 as [`SimDisk::calls`](super::SimDisk::calls) does.
    pub call: u64,
    /// What happens.
    pub fault: Fault,
    /// For how long.
    pub lasting: Lasting,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes in the middle of the call; every later call fails.
    Crash,
    /// EIO. A write may have happened in part; what a failed sync was to save is lost, though reads still show it.
    Io,
    /// ENOSPC, for calls that can meet it; a write may have happened in part. Other calls are not touched.
    NoSpace,
    /// A write happens in part and fails; other calls are not touched.
    ShortWrite,
}

/// For how long a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// That one call.
    Once,
    /// That call and all later ones.
    FromThenOn,
}

/// What a crash takes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: only processes died.
    Nothing,
    /// Everything.
    Everything,
    /// By the seed: each write whole, torn at sectors, turned to garbage or with a bit flipped in the sectors it touched, or not
    /// at all, in any order; each change of a directory or not.
    Some,
}

/// What crashes and failed syncs have done so far to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damage {
    /// Writes, and changes of a directory, of which nothing is left.
    pub forgotten: u64,
    /// Writes of which some sectors are on the medium and others are not.
    pub torn: u64,
    /// Writes on the medium though an earlier one to the same file is not.
    pub reordered: u64,
    /// Sectors that came out with a bit flipped.
    pub flipped: u64,
    /// Sectors that came out as garbage.
    pub garbled: u64,
}

/// Whether syncs do what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// They do.
    Honest,
    /// They say so and do nothing: the control that must lose.
    Ignored,
}

/// How many calls each kind of fault has struck so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strikes {
    /// Crashes.
    pub crash: u64,
    /// EIO.
    pub io: u64,
    /// ENOSPC that was planned, not that of a full disk.
    pub no_space: u64,
    /// Writes cut short.
    pub short_write: u64,
}

impl Strikes {
    pub(crate) fn add(&mut self, fault: Fault) {
        let count = match fault {
            Fault::Crash => &mut self.crash,
            Fault::Io => &mut self.io,
            Fault::NoSpace => &mut self.no_space,
            Fault::ShortWrite => &mut self.short_write,
        };
        *count += 1;
    }
}
