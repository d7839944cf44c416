//! Marker segments of the JPEG family (ITU-T T.81 section B.1, T.87 annex C).

use super::cursor::Cursor;
use super::error::{CodestreamError, damaged};

pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DRI: u8 = 0xDD;

/// A marker and the segment behind it.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// What follows the length; empty for a marker that stands alone.
    pub(super) body: Cursor<'a>,
}

/// Takes the marker that starts the stream.
pub(super) fn start(cursor: &mut Cursor<'_>) -> Result<(), CodestreamError> {
    match cursor.u16()? {
        0xFFD8 => Ok(()),
        _ => Err(damaged("it does not start with SOI")),
    }
}

/// Takes the next marker with its segment; fill bytes before a marker are allowed.
pub(super) fn next<'a>(cursor: &mut Cursor<'a>) -> Result<Segment<'a>, CodestreamError> {
    if cursor.u8()? != 0xFF {
        return Err(damaged("a marker is missing"));
    }
    let mut marker = cursor.u8()?;
    while marker == 0xFF {
        marker = cursor.u8()?;
    }
    if matches!(marker, SOI | EOI | 0x01 | 0xD0..=0xD7) {
        return Ok(Segment { marker, body: Cursor::new(&[]) });
    }
    let length =
        usize::from(cursor.u16()?).checked_sub(2).ok_or(damaged("a segment is shorter than its length"))?;
    Ok(Segment { marker, body: Cursor::new(cursor.take(length)?) })
}
