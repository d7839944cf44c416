//! Which instances of a study are read in a round: a share of them, each of which comes round.

/// How much of a study is read in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Of a hundred instances, 1 to 100.
    pub percent: u8,
}

/// What makes the choice another one in each archive and round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Drawn once, and kept.
    pub seed: u64,
    /// The round, counted from 1.
    pub round: u64,
}

impl Share {
    /// Rounds in which every instance comes round once.
    pub fn rounds(self) -> u64 {
        100_u64.div_ceil(u64::from(self.percent.clamp(1, 100)))
    }
}

/// The places, among these UIDs, of those that are read: at least one where there are any.
pub fn pick<'u>(draw: Draw, share: Share, uids: impl Iterator<Item = &'u str>) -> Vec<usize> {
    let parts = share.rounds();
    let mut picked = Vec::new();
    let mut nearest: Option<(u64, usize)> = None;
    for (place, uid) in uids.enumerate() {
        let part = scattered(draw.seed, uid) % parts;
        if part == draw.round % parts {
            picked.push(place);
        }
        let distance = scattered(draw.seed ^ draw.round.rotate_left(32), uid);
        if nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, place));
        }
    }
    if picked.is_empty() {
        picked.extend(nearest.map(|(_, place)| place));
    }
    picked
}

/// FNV-1a with the finish of splitmix64: the same in every version, as rounds outlive it.
fn scattered(seed: u64, uid: &str) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in uid.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
