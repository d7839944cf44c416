//! Bounded reading of big-endian fields (PS3.8 section 9.3.1): nothing is taken that is not there.

use bytes::Bytes;

/// What is left of a PDU or item.
pub(crate) struct Cursor(Bytes);

/// A field ends beyond what contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short;

impl Cursor {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `length` bytes, without copying.
    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes, Short> {
        if length > self.0.len() {
            return Err(Short);
        }
        Ok(self.0.split_to(length))
    }

    /// The next `length` bytes, to be read in turn.
    pub(crate) fn part(&mut self, length: usize) -> Result<Self, Short> {
        self.take(length).map(Self)
    }

    /// Everything left.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let chunk = *self.0.first_chunk::<N>().ok_or(Short)?;
        self.take(N)?;
        Ok(chunk)
    }

    /// A field with its 16-bit length before it.
    pub(crate) fn counted(&mut self) -> Result<Bytes, Short> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}
