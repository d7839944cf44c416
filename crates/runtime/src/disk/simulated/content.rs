//! The bytes of one file, sparse and cheap to copy.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes held together; stretches of zeros between are not held.
const CHUNK_BYTES: u64 = 4096;

/// The bytes of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    length: u64,
    chunks: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Content {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Cuts it, or extends it with zeros.
    pub(crate) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let last = length / CHUNK_BYTES;
            self.chunks.retain(|number, _| *number <= last);
            if let Some(chunk) = self.chunks.get_mut(&last) {
                let kept = usize::try_from(length % CHUNK_BYTES).unwrap_or(0);
                Arc::make_mut(chunk).iter_mut().skip(kept).for_each(|byte| *byte = 0);
            }
        }
        self.length = length;
    }

    /// Reads at `offset`; fewer bytes at the end.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let room =
            usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let mut rest = buffer.get_mut(..room).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (number, within) = place(at);
            let step = (chunk_bytes() - within).min(rest.len());
            let (now, later) = rest.split_at_mut(step);
            match self.chunks.get(&number).and_then(|chunk| chunk.get(within..within + step)) {
                Some(held) => now.copy_from_slice(held),
                None => now.fill(0),
            }
            at += step as u64;
            rest = later;
        }
        room
    }

    /// Writes at `offset` and extends as needed.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let (number, within) = place(at);
            let (now, later) = rest.split_at((chunk_bytes() - within).min(rest.len()));
            let chunk = self.chunks.entry(number).or_insert_with(|| Arc::new(vec![0; chunk_bytes()]));
            if let Some(target) = Arc::make_mut(chunk).get_mut(within..within + now.len()) {
                target.copy_from_slice(now);
            }
            at += now.len() as u64;
            rest = later;
        }
        self.length = self.length.max(at);
    }

    /// Turns one bit.
    pub(crate) fn flip(&mut self, bit: u64) {
        let mut byte = [0];
        if self.read(&mut byte, bit / 8) == 1 {
            let turned = byte.map(|byte| byte ^ 1 << (bit % 8));
            self.write(&turned, bit / 8);
        }
    }
}

fn chunk_bytes() -> usize {
    usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX)
}

fn place(offset: u64) -> (u64, usize) {
    (offset / CHUNK_BYTES, usize::try_from(offset % CHUNK_BYTES).unwrap_or(0))
}
