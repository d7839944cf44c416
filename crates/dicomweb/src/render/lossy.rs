//! Frames whose compression loses something: good enough to look at, never to store.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, Limits};
use outrigger_dataset::codestream::check_sequential_jpeg;
use outrigger_dataset::pixel::{Photometric, Planar, Representation, Shape};
use outrigger_model::transfer_syntax::traits;

use super::{Frame, RENDERED_SAMPLES_MAX, RenderError};

/// JPEG Baseline and Extended; of the latter those of eight bits.
const JPEG: [&str; 2] = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];

/// Decodes a frame, and makes its shape say what came out.
pub(super) fn decode(frame: &Frame<'_>, shape: &mut Shape) -> Result<Vec<u8>, RenderError> {
    if !JPEG.contains(&frame.transfer_syntax.as_str()) {
        return Err(RenderError::Unsupported { what: traits(frame.transfer_syntax).name.to_owned() });
    }
    if precision(frame.bytes).is_some_and(|bits| bits != 8) {
        return Err(RenderError::Unsupported { what: "JPEG of other than 8 bits a sample".to_owned() });
    }
    let mut decoder = JpegDecoder::new(Cursor::new(frame.bytes))?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(shape.columns.into()), Some(shape.rows.into()));
    limits.max_alloc = Some(RENDERED_SAMPLES_MAX * 4);
    decoder.set_limits(limits)?;
    if decoder.dimensions() != (shape.columns.into(), shape.rows.into()) {
        return Err(RenderError::Unsupported {
            what: "a stream of another size than the attributes".to_owned(),
        });
    }
    // The decoder fills up what a torn stream lacks, and says nothing.
    check_sequential_jpeg(frame.bytes)?;
    let is_gray = decoder.color_type() == ColorType::L8;
    let image = DynamicImage::from_decoder(decoder)?;
    let (samples, cells) =
        if is_gray { (1, image.into_luma8().into_raw()) } else { (3, image.into_rgb8().into_raw()) };
    if samples == 3 {
        shape.photometric = Photometric::Rgb;
    }
    (shape.samples, shape.planar) = (samples, Planar::ByPixel);
    (shape.bits_allocated, shape.bits_stored, shape.high_bit) = (8, 8, 7);
    shape.representation = Representation::Unsigned;
    Ok(cells)
}

/// Bits of a sample by the frame header of a JPEG stream (T.81 section B.2.2); `None` where there is none before the data.
fn precision(stream: &[u8]) -> Option<u8> {
    // Behind SOI, segments follow each other by their lengths.
    let mut rest = stream.get(2..)?;
    loop {
        let [0xFF, marker, high, low, precision, ..] = rest else { return None };
        match marker {
            0xFF => rest = rest.get(1..)?,
            // Start of a frame of any process; C4, C8 and CC are something else.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => return Some(*precision),
            0xDA => return None,
            _ => rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_stands_in_the_frame_header() {
        for (stream, bits) in [
            (&b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xFF\xC1\0\x11\x0C"[..], Some(12)),
            (b"\xFF\xD8\xFF\xC4\0\x03\x0C\xFF\xC0\0\x11\x08\0\0", Some(8)),
            (b"\xFF\xD8\xFF\xDA\0\x04ab", None),
            (b"\xFF\xD8\xFF\xE0\xFF\xFFab", None),
            (b"\xFF", None),
            (b"", None),
        ] {
            assert_eq!(precision(stream), bits, "{stream:02x?}");
        }
    }
}
