//! Bytes by position, out of pieces that are read when they are needed.

use bytes::Bytes;
use outrigger_model::Tag;

use super::SurveyError;
use crate::form::{Form, Header};
use crate::read::ReadError;

/// Longest header of an element (PS3.5 section 7.1).
const HEADER_BYTES_MAX: usize = 12;
/// Bytes that are made room for before they came.
const EXACT_BYTES_MAX: usize = 1024 * 1024;

/// Reads a data set of a known length; `read` gives bytes from a position on, at least one where there is one.
pub(super) struct Window<R> {
    read: R,
    /// Position of `bytes`.
    start: u64,
    bytes: Bytes,
}

impl<R, E> Window<R>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    pub(super) fn new(read: R) -> Self {
        Self { read, start: 0, bytes: Bytes::new() }
    }

    /// The bytes of `from..to`, or as many as there are; a copy, so that the piece they lie in can go.
    pub(super) fn copy(&mut self, from: u64, to: u64) -> Result<Bytes, SurveyError<E>> {
        let wanted = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        while out.len() < wanted {
            let position = from + out.len() as u64;
            let here = self.at(position)?;
            if here.is_empty() {
                break;
            }
            let part = here.get(..(wanted - out.len()).min(here.len())).unwrap_or(&[]);
            if out.is_empty() {
                // As long as it becomes, so that small values take no more than they are; a long one grows as it comes.
                out.reserve_exact(wanted.min(part.len().max(EXACT_BYTES_MAX)));
            }
            out.extend_from_slice(part);
        }
        out.shrink_to_fit();
        Ok(out.into())
    }

    /// The header at `from`, none of it beyond `end`.
    pub(super) fn header(
        &mut self,
        form: Form,
        from: u64,
        end: u64,
        expected: Tag,
    ) -> Result<Header, SurveyError<E>> {
        let limit = end.min(from.saturating_add(HEADER_BYTES_MAX as u64));
        let bytes = self.copy(from, limit)?;
        let left = bytes.len();
        form.header(&bytes).ok_or(SurveyError::Read(ReadError::Truncated { tag: expected, left }))
    }

    fn at(&mut self, position: u64) -> Result<&[u8], SurveyError<E>> {
        let inside = |start: u64, bytes: &Bytes| {
            position
                .checked_sub(start)
                .and_then(|skip| usize::try_from(skip).ok())
                .filter(|skip| *skip < bytes.len())
        };
        if inside(self.start, &self.bytes).is_none() {
            self.bytes = (self.read)(position).map_err(SurveyError::Source)?;
            self.start = position;
        }
        let skip = inside(self.start, &self.bytes).unwrap_or(self.bytes.len());
        Ok(self.bytes.get(skip..).unwrap_or(&[]))
    }
}
