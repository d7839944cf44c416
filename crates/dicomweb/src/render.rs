//! One frame as a picture to look at (PS3.18 sections 8.7.2, 8.3.5 and 10.4.1.1.3): decoded, windowed, cut and scaled.

mod animation;
mod colour;
mod gray;
mod lossy;
mod lut;
mod overlay;
mod picture;
mod scope;
mod window;
mod wishes;

use image::DynamicImage;
use outrigger_dataset::codestream::CodestreamError;
use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::pixel::{Photometric, PixelError, Shape, ShapeError, show_frame};
use outrigger_dataset::survey::Survey;
use outrigger_model::{Tag, TransferSyntaxUid};

pub use animation::{Animated, animate};
pub use scope::missing_values;
pub use wishes::{Viewport, WishError, Wishes};

/// Most samples of a frame that is rendered: twice a mammogram of 4,700 by 5,900 pixels; decoding, windowing and
/// scaling take a dozen bytes for each.
pub const RENDERED_SAMPLES_MAX: u64 = 64 * 1024 * 1024;

/// A frame and what describes it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The data set it stands in.
    pub survey: &'a Survey,
    /// Its number, from 1.
    pub number: u32,
    /// Its encoding.
    pub transfer_syntax: &'a TransferSyntaxUid,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Why a frame cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The attributes do not describe it.
    #[error("the frame is not described by the attributes")]
    Shape(#[from] ShapeError),
    /// It is larger than what is rendered.
    #[error("the frame has {samples} samples, more than the {RENDERED_SAMPLES_MAX} that are rendered")]
    TooLarge {
        /// Its samples.
        samples: u64,
    },
    /// All frames together are.
    #[error(
        "all {frames} frames have {pixels} pixels, more than the {RENDERED_SAMPLES_MAX} that one animation shows"
    )]
    TooLong {
        /// How many frames.
        frames: u32,
        /// Pixels of all of them.
        pixels: u64,
    },
    /// It cannot be decoded.
    #[error("the frame cannot be decoded")]
    Pixels(#[from] PixelError),
    /// A stream that may be lossy cannot be decoded.
    #[error("the frame cannot be decoded")]
    Image(#[from] image::ImageError),
    /// A stream that may be lossy lacks data.
    #[error("the frame cannot be decoded: {0}")]
    Torn(#[from] CodestreamError),
    /// No decoder, or no way to show such pixels.
    #[error("{what} cannot be rendered here")]
    Unsupported {
        /// What.
        what: String,
    },
    /// The region asked for lies outside the image.
    #[error("the region asked for lies outside the image")]
    Outside,
}

/// Renders a frame as a JPEG, PNG or GIF image.
pub fn render(frame: &Frame<'_>, wishes: &Wishes, media: &str) -> Result<Vec<u8>, RenderError> {
    picture::write(&picture(frame, wishes)?, wishes, media)
}

fn picture(frame: &Frame<'_>, wishes: &Wishes) -> Result<DynamicImage, RenderError> {
    let mut described = frame.survey.described();
    described.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "1"));
    let mut shape = Shape::read(&described)?;
    let samples = u64::from(shape.rows) * u64::from(shape.columns) * u64::from(shape.samples);
    if samples > RENDERED_SAMPLES_MAX {
        return Err(RenderError::TooLarge { samples });
    }
    let cells = match show_frame(frame.transfer_syntax, &shape, frame.bytes)? {
        Some(cells) => {
            let is_encapsulated = outrigger_dataset::codestream::Family::of(frame.transfer_syntax).is_some();
            if is_encapsulated {
                shape.photometric = shape.photometric.decoded();
            }
            cells
        }
        None => lossy::decode(frame, &mut shape)?,
    };
    let mut picture = match (&shape.photometric, shape.samples) {
        (Photometric::Monochrome1 | Photometric::Monochrome2, 1) => {
            gray::picture(&cells, &shape, frame, wishes.window)?
        }
        (Photometric::PaletteColor, 1) => colour::palette(&cells, &shape, frame.survey)?,
        (_, 3) => colour::picture(&cells, &shape)?,
        (photometric, samples) => {
            let what = format!("{samples} samples a pixel of {}", photometric.term());
            return Err(RenderError::Unsupported { what });
        }
    };
    overlay::burn(&mut picture, frame, &cells, &shape);
    picture::fitted(picture, wishes)
}
