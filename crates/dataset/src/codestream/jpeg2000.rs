//! JPEG 2000 (ITU-T T.800): reversible, DICOM's .90, and to look at also what has lost something, .91.
//!
//! Decoding is `hayro-jpeg2000`'s: no unsafe code, and its floats hold every integer that the reversible transforms of
//! samples of up to 16 bits can reach. What it does not check of untrusted streams, sizes and memory, is checked here.

mod header;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::cursor::Cursor;
use super::error::{CodestreamError, damaged};
use super::samples::Samples;
use crate::pixel::{Representation, Shape};
use header::Header;

/// Start of a codestream: SOC, SIZ.
const CODESTREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
/// The box of a codestream in a JP2 file (annex I.5.4), `jp2c`.
const CODESTREAM_BOX: u32 = 0x6A70_3263;

/// What becomes of streams that have lost something of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// They are refused.
    Refused,
    /// They are decoded, as near to the original as they are.
    Taken,
}

/// Decodes one frame.
pub(super) fn decode(frame: &[u8], shape: &Shape, loss: Loss) -> Result<Samples, CodestreamError> {
    let stream = unboxed(frame)?;
    let header = Header::read(stream, shape, loss)?;
    // The library indexes freely. A panic of one frame must not end the process, and nothing outlives the call.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_components(stream, header, shape, loss)));
    let values = decoded.unwrap_or(Err(CodestreamError::DecoderFailed))?;
    Ok(Samples { precision: header.precision, representation: header.representation, values })
}

fn decode_components(
    stream: &[u8],
    header: Header,
    shape: &Shape,
    loss: Loss,
) -> Result<Vec<u16>, CodestreamError> {
    // Strict: what is missing must be an error, never a guess.
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(stream, &settings).map_err(CodestreamError::Jpeg2000)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(CodestreamError::Jpeg2000)?;
    let count = usize::from(shape.samples);
    let mut values = vec![0_u16; shape.samples_a_frame()];
    if decoded.components().len() != count {
        return Err(damaged("components are missing"));
    }
    for (slot, component) in decoded.components().iter().enumerate() {
        if component.samples().len() * count != values.len() {
            return Err(damaged("samples are missing"));
        }
        for (value, sample) in values.iter_mut().skip(slot).step_by(count).zip(component.samples()) {
            *value = header.value(*sample, loss)?;
        }
    }
    Ok(values)
}

/// The codestream of a frame: as it is, or out of the JP2 boxes that some writers leave around it.
fn unboxed(frame: &[u8]) -> Result<&[u8], CodestreamError> {
    if frame.starts_with(&CODESTREAM) {
        return Ok(frame);
    }
    let mut boxes = Cursor::new(frame);
    loop {
        let length = usize::try_from(boxes.u32()?).unwrap_or(usize::MAX);
        let kind = boxes.u32()?;
        let body = if length == 0 { boxes.rest() } else { boxes.take(length.saturating_sub(8))? };
        if kind == CODESTREAM_BOX {
            return Some(body)
                .filter(|body| body.starts_with(&CODESTREAM))
                .ok_or(damaged("it does not start with SOC and SIZ"));
        }
    }
}

impl Header {
    /// The value of a decoded sample, which the library gives shifted to be positive even if it is signed.
    fn value(self, sample: f32, loss: Loss) -> Result<u16, CodestreamError> {
        let largest = f32::from(u16::MAX >> (16 - self.precision));
        let sample = match loss {
            Loss::Refused if !(0.0..=largest).contains(&sample) => {
                return Err(CodestreamError::Lossy { what: "samples lie outside their precision" });
            }
            Loss::Refused => sample,
            // What overshoots at an edge is as dark or as bright as can be (T.800 section G.1.2).
            Loss::Taken => sample.round().clamp(0.0, largest),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        let value = sample as u16;
        Ok(match self.representation {
            Representation::Unsigned => value,
            Representation::Signed => value.wrapping_sub(1 << (self.precision - 1)),
        })
    }
}
