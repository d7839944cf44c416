//! Deflated data sets (PS3.5 section A.5, RFC 1951).

use flate2::{Decompress, FlushDecompress, Status};

/// Output space of one step: large enough that calls do not count, small enough to stay in the cache.
const STEP_BYTES: usize = 32 * 1024;

/// Why a deflated data set cannot be inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// The stream breaks the rules of RFC 1951.
    #[error("the deflated data set is damaged")]
    Damaged(#[source] flate2::DecompressError),
    /// It ends before its last block.
    #[error("the deflated data set ends before its last block")]
    Truncated,
    /// It inflates to more than is looked at.
    #[error("the deflated data set inflates to more than {limit} bytes")]
    TooLarge {
        /// The most that is looked at, in bytes.
        limit: u64,
    },
}

/// Inflates a stream that arrives in pieces, handing on what comes out and keeping nothing.
pub(crate) struct Inflater {
    stream: Decompress,
    out: Box<[u8]>,
    limit: u64,
    ended: bool,
    /// Bytes behind the end of the stream; one is padding to even length.
    behind: u64,
}

impl Inflater {
    pub(crate) fn new(limit: u64) -> Self {
        let out = vec![0; STEP_BYTES].into_boxed_slice();
        Self { stream: Decompress::new(false), out, limit, ended: false, behind: 0 }
    }

    /// Inflates `bytes`, which follow what was given before.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), InflateError> {
        while !self.ended {
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(bytes, &mut self.out, FlushDecompress::None)
                .map_err(InflateError::Damaged)?;
            let taken = usize::try_from(self.stream.total_in() - in_before).unwrap_or(usize::MAX);
            let given = usize::try_from(self.stream.total_out() - out_before).unwrap_or(usize::MAX);
            bytes = bytes.get(taken..).unwrap_or(&[]);
            each(self.out.get(..given).unwrap_or(&[]));
            if self.stream.total_out() > self.limit {
                return Err(InflateError::TooLarge { limit: self.limit });
            }
            self.ended = status == Status::StreamEnd;
            if !self.ended && taken == 0 && given == 0 {
                return Ok(());
            }
        }
        self.behind = self.behind.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Bytes that came behind the stream and its padding.
    pub(crate) fn finish(self) -> Result<u64, InflateError> {
        if self.ended { Ok(self.behind.saturating_sub(1)) } else { Err(InflateError::Truncated) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(bytes: &[u8], piece: usize, limit: u64) -> Result<(Vec<u8>, u64), InflateError> {
        let mut inflater = Inflater::new(limit);
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            inflater.push(piece, |bytes| out.extend_from_slice(bytes))?;
        }
        inflater.finish().map(|behind| (out, behind))
    }

    #[test]
    fn gives_the_same_however_it_arrives() {
        let plain: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut packed = deflated(&plain);
        for piece in [1, 7, 4096, packed.len()] {
            assert_eq!(inflate(&packed, piece, u64::MAX).unwrap(), (plain.clone(), 0));
        }
        packed.extend([0, 0, 0]);
        assert_eq!(inflate(&packed, 100, u64::MAX).unwrap().1, 2);
    }

    #[test]
    fn ends_where_it_must() {
        let packed = deflated(&vec![7; 1_000_000]);
        assert!(matches!(inflate(&packed, 100, 500_000), Err(InflateError::TooLarge { limit: 500_000 })));
        assert!(matches!(inflate(&packed[..packed.len() - 1], 100, u64::MAX), Err(InflateError::Truncated)));
        assert!(matches!(inflate(&[0xFF; 40], 100, u64::MAX), Err(InflateError::Damaged(_))));
    }
}
