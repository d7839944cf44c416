//! Frames whose compression loses something: good enough to look at, never to store.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, Limits};
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
