//! Huffman codes of ITU-T T.81 (annexes C and F.2.2), and the bits they are read from.

use super::cursor::Cursor;
use super::error::{CodestreamError, damaged};

/// Longest code, in bits.
const CODE_BITS: u32 = 16;

/// A code table, looked up by the next 16 bits.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Length of the code in bits (0: no such code) and its value, by 16 bits that start with the code.
    by_bits: Vec<(u8, u8)>,
}

impl Table {
    /// Reads the lengths and values of one table of a DHT segment.
    pub(super) fn read(body: &mut Cursor<'_>) -> Result<Self, CodestreamError> {
        let lengths = body.take(usize::try_from(CODE_BITS).unwrap_or(0))?;
        let mut by_bits = Vec::with_capacity(1 << CODE_BITS);
        for (count, length) in lengths.iter().zip(1_u8..) {
            for value in body.take(usize::from(*count))? {
                let run = 1_usize << (CODE_BITS - u32::from(length));
                by_bits.resize(by_bits.len() + run, (length, *value));
                if by_bits.len() > 1 << CODE_BITS {
                    return Err(damaged("a Huffman table has more codes than there are"));
                }
            }
        }
        by_bits.resize(1 << CODE_BITS, (0, 0));
        Ok(Self { by_bits })
    }
}

/// Reads entropy-coded bits, taking out stuffed zero bytes; ends at a marker.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// Bits read ahead, the next one on top.
    ahead: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, ahead: 0, count: 0 }
    }

    /// What lies behind the bits: a marker, if the stream is whole. Bits read ahead are padding and dropped.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let (byte, rest) = match self.rest {
                [0xFF, 0x00, rest @ ..] => (0xFF, rest),
                [0xFF, ..] | [] => break,
                [byte, rest @ ..] => (*byte, rest),
            };
            self.rest = rest;
            self.ahead |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Reads one difference: its magnitude category by the table, then its bits (T.81 sections F.2.2.1 and H.1.2.2).
    pub(super) fn difference(&mut self, table: &Table) -> Result<i32, CodestreamError> {
        match self.symbol(table)? {
            0 => Ok(0),
            category @ 1..=15 => {
                let bits = u32::from(category);
                let value = i32::try_from(self.ahead >> (64 - bits)).unwrap_or(0);
                self.drop(bits)?;
                Ok(if value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value })
            }
            16 => Ok(1 << 15),
            _ => Err(damaged("a difference of more than 16 bits")),
        }
    }

    /// Reads what one code stands for, with the bits that may follow it at hand.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, CodestreamError> {
        if self.count < 32 {
            self.fill();
        }
        let top = usize::try_from(self.ahead >> (64 - CODE_BITS)).unwrap_or(0);
        let (length, value) = table.by_bits.get(top).copied().unwrap_or((0, 0));
        if length == 0 {
            return Err(self.short("bits that are no Huffman code"));
        }
        self.drop(length.into())?;
        Ok(value)
    }

    /// Passes over bits, of which there must be so many.
    pub(super) fn drop(&mut self, bits: u32) -> Result<(), CodestreamError> {
        self.count = self.count.checked_sub(bits).ok_or(damaged("the entropy-coded data end early"))?;
        self.ahead <<= bits;
        Ok(())
    }

    fn short(&self, what: &'static str) -> CodestreamError {
        damaged(if self.count < CODE_BITS { "the entropy-coded data end early" } else { what })
    }
}
