//! Reads big-endian numbers out of a codestream.

use super::error::CodestreamError;

/// The unread rest of a codestream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on at the start of `rest`, a later part of the same bytes.
    pub(super) fn resume(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CodestreamError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(CodestreamError::Truncated { at: self.length })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodestreamError> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(CodestreamError::Truncated { at: self.length })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodestreamError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodestreamError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodestreamError> {
        self.array().map(u32::from_be_bytes)
    }
}
