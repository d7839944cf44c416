//! All frames of an image as one animation: GIF, which every browser shows (PS3.18 table 8.7.4-1).

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame as Shown};
use outrigger_dataset::element::DataSet;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::survey::Survey;
use outrigger_model::{Tag, TransferSyntaxUid};

use super::{Frame, RENDERED_SAMPLES_MAX, RenderError, Wishes, picture};

const FRAME_TIME: Tag = Tag(0x0018, 0x1063);
const CINE_RATE: Tag = Tag(0x0018, 0x0040);
const RECOMMENDED_DISPLAY_FRAME_RATE: Tag = Tag(0x0008, 0x2144);
/// Milliseconds a frame is shown where the image does not say; browsers take the same for a GIF that does not.
const SHOWN_MS: f64 = 100.0;
/// Longest that a frame is shown, in milliseconds: whoever says more means something else.
const SHOWN_MS_MAX: f64 = 10_000.0;
/// Speed of the choice of colours, from 1 to 30: a frame of 640 by 480 takes some ten milliseconds. Grey is exact in any.
const SPEED: i32 = 10;

/// An image of some frames.
#[derive(Debug, Clone, Copy)]
pub struct Animated<'a> {
    /// The data set they stand in.
    pub survey: &'a Survey,
    /// Their encoding.
    pub transfer_syntax: &'a TransferSyntaxUid,
    /// How many there are.
    pub frames: u32,
}

impl Animated<'_> {
    /// Refuses more than one animation holds.
    pub fn check(&self, shape: &Shape) -> Result<(), RenderError> {
        let pixels = u64::from(shape.rows) * u64::from(shape.columns) * u64::from(self.frames);
        if pixels > RENDERED_SAMPLES_MAX {
            return Err(RenderError::TooLong { frames: self.frames, pixels });
        }
        Ok(())
    }
}

/// Renders all frames as a GIF animation; `read` gives the bytes of a frame by its number.
pub fn animate<B, E>(
    animated: &Animated<'_>,
    wishes: &Wishes,
    mut read: impl FnMut(u32) -> Result<B, E>,
) -> Result<Vec<u8>, E>
where
    B: AsRef<[u8]>,
    E: From<RenderError>,
{
    let delay = Delay::from_numer_denom_ms(shown_ms(&animated.survey.described()), 1);
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut out, SPEED);
    encoder.set_repeat(Repeat::Infinite).map_err(RenderError::from)?;
    for number in 1..=animated.frames {
        let bytes = read(number)?;
        let Animated { survey, transfer_syntax, .. } = *animated;
        let picture = picture(&Frame { survey, number, transfer_syntax, bytes: bytes.as_ref() }, wishes)?;
        let shown = Shown::from_parts(picture.into_rgba8(), 0, 0, delay);
        encoder.encode_frame(shown).map_err(RenderError::from)?;
    }
    drop(encoder);
    Ok(out)
}

/// Milliseconds that a frame is shown (PS3.3 section C.7.6.5).
fn shown_ms(described: &DataSet) -> u32 {
    let number = |tag| {
        let text = described.plain(tag)?;
        text.trim().parse().ok().filter(|number: &f64| *number > 0.0)
    };
    let by_rate =
        || number(RECOMMENDED_DISPLAY_FRAME_RATE).or_else(|| number(CINE_RATE)).map(|rate| 1000.0 / rate);
    let shown = number(FRAME_TIME).or_else(by_rate).unwrap_or(SHOWN_MS).clamp(1.0, SHOWN_MS_MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
    let shown = shown.round() as u32;
    shown
}
