//! One frame in one form, whatever it was stored as.

use std::borrow::Cow;

use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{Pixels, traits};

use super::canonical::native_frames;
use super::digest::PixelError;
use super::shape::Shape;
use crate::codestream::{Codec, decode, decode_lossy_jpeg2000};

/// The cells of one frame, Bits Allocated each, little endian, interleaved by pixel; single bits come as bytes of 0 and
/// 1. `None` for compression that may be lossy or is not known.
///
/// `shape` is that of an image of this frame alone.
pub fn decode_frame(
    transfer_syntax: &TransferSyntaxUid,
    shape: &Shape,
    frame: &[u8],
) -> Result<Option<Vec<u8>>, PixelError> {
    if let Some(codec) = Codec::of(transfer_syntax) {
        let decoded = decode(codec, frame, shape).map_err(|source| PixelError::Frame { frame: 1, source });
        return decoded.map(Some);
    }
    if traits(transfer_syntax).pixels != Pixels::Native {
        return Ok(None);
    }
    let (data, _) = super::measure(frame, shape)?;
    Ok(native_frames(data, shape).next().map(Cow::into_owned))
}

/// JPEG 2000 Image Compression, which may have lost something.
const JPEG_2000: &str = "1.2.840.10008.1.2.4.91";

/// The cells of one frame to look at, and never to store: as [`decode_frame`], and of JPEG 2000 that may be lossy too.
pub fn show_frame(
    transfer_syntax: &TransferSyntaxUid,
    shape: &Shape,
    frame: &[u8],
) -> Result<Option<Vec<u8>>, PixelError> {
    if transfer_syntax.as_str() != JPEG_2000 {
        return decode_frame(transfer_syntax, shape, frame);
    }
    decode_lossy_jpeg2000(frame, shape).map(Some).map_err(|source| PixelError::Frame { frame: 1, source })
}
