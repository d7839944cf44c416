//! A picture, cut and scaled to a viewport, and written.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, Frame, GenericImageView};

use super::RenderError;
use super::wishes::{Viewport, Wishes};

/// A picture as it fits the viewport.
pub(super) fn fitted(picture: DynamicImage, wishes: &Wishes) -> Result<DynamicImage, RenderError> {
    match wishes.viewport {
        Some(viewport) => Ok(fit(&region(picture, viewport)?, viewport)),
        None => Ok(picture),
    }
}

/// Writes a picture as the media type.
pub(super) fn write(picture: &DynamicImage, wishes: &Wishes, media: &str) -> Result<Vec<u8>, RenderError> {
    let mut out = Vec::new();
    match media {
        "image/png" => picture.write_with_encoder(PngEncoder::new(&mut out))?,
        "image/gif" => GifEncoder::new(&mut out).encode_frame(Frame::new(picture.to_rgba8()))?,
        _ => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, wishes.quality))?,
    }
    Ok(out)
}

/// Cuts the region of a viewport out; negative sizes mirror it.
fn region(picture: DynamicImage, viewport: Viewport) -> Result<DynamicImage, RenderError> {
    let Some([x, y, width, height]) = viewport.region else { return Ok(picture) };
    let (columns, rows) = picture.dimensions();
    let (left, across) = inside(x, width, columns).ok_or(RenderError::Outside)?;
    let (top, down) = inside(y, height, rows).ok_or(RenderError::Outside)?;
    let mut cut = picture.crop_imm(left, top, across, down);
    if width < 0.0 {
        cut = cut.fliph();
    }
    if height < 0.0 {
        cut = cut.flipv();
    }
    Ok(cut)
}

/// The part of a side that lies inside it: where it begins and how long it is, at least one pixel.
fn inside(from: f64, size: f64, side: u32) -> Option<(u32, u32)> {
    let from = from.floor();
    let to = (from + size.abs().ceil()).min(side.into());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both lie inside the side")]
    let part = (from as u32, (to - from) as u32);
    (from >= 0.0 && from < to).then_some(part)
}

/// Scales a picture to fit a viewport, its proportions kept.
fn fit(picture: &DynamicImage, viewport: Viewport) -> DynamicImage {
    if picture.dimensions() == (viewport.width, viewport.height) {
        return picture.clone();
    }
    picture.resize(viewport.width, viewport.height, FilterType::Triangle)
}
