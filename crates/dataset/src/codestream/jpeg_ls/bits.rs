//! The bits of a JPEG-LS scan (T.87 section A.1) and the limited Golomb code (section A.5.3).

use super::super::error::{CodestreamError, damaged};

/// Reads bits; the bit stuffed behind each byte FF is taken out. Ends at a marker.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// Bits read ahead, the next one on top.
    ahead: u64,
    count: u32,
    follows_ff: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, ahead: 0, count: 0, follows_ff: false }
    }

    /// What lies behind the bits: a marker, if the stream is whole.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some((byte, rest)) = self.rest.split_first() else { break };
            let next_is_marker = *byte == 0xFF && rest.first().is_none_or(|next| *next >= 0x80);
            if next_is_marker {
                break;
            }
            let (value, bits) = if self.follows_ff { (byte & 0x7F, 7) } else { (*byte, 8) };
            self.ahead |= u64::from(value) << (64 - bits - self.count);
            self.count += bits;
            self.follows_ff = *byte == 0xFF;
            self.rest = rest;
        }
    }

    /// Reads up to 24 bits as a number.
    pub(super) fn number(&mut self, bits: u32) -> Result<u32, CodestreamError> {
        if bits == 0 {
            return Ok(0);
        }
        if self.count < bits {
            self.fill();
        }
        self.count = self.count.checked_sub(bits).ok_or(damaged("the coded data end early"))?;
        let value = self.ahead >> (64 - bits);
        self.ahead <<= bits;
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Counts zero bits up to the next one bit, which is taken too; at most `limit`.
    fn zeros(&mut self, limit: u32) -> Result<u32, CodestreamError> {
        let mut zeros = 0;
        loop {
            if self.count == 0 {
                self.fill();
            }
            let run = self.ahead.leading_zeros().min(self.count);
            zeros += run;
            if zeros > limit {
                return Err(damaged("a code longer than its limit"));
            }
            if run < self.count {
                self.ahead <<= run + 1;
                self.count -= run + 1;
                return Ok(zeros);
            }
            if self.count == 0 {
                return Err(damaged("the coded data end early"));
            }
            self.ahead = 0;
            self.count = 0;
        }
    }

    /// Reads a mapped error: a unary part and `k` bits, or, at the limit, all of its `whole` bits.
    pub(super) fn golomb(&mut self, k: u32, limit: u32, whole: u32) -> Result<i32, CodestreamError> {
        let escape = limit.saturating_sub(whole + 1);
        let high = self.zeros(escape)?;
        let mapped = if high < escape { (high << k) | self.number(k)? } else { self.number(whole)? + 1 };
        i32::try_from(mapped).map_err(|_| damaged("an error too large"))
    }
}
