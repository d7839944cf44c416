//! Lossless JPEG-LS (ITU-T T.87), DICOM's .80.
//!
//! Ours, since the C++ library needs CMake and can bring the process down, and the Rust ones known to us decode one
//! component or line interleave only, while DICOM's colour images come in every interleave.

mod bits;
mod context;
mod scan;

use super::cursor::Cursor;
use super::error::{CodestreamError, agree, damaged, unsupported};
use super::marker::{self, DRI, EOI, SOS, Segment};
use super::samples::Samples;
use crate::pixel::{Representation, Shape};
use context::Coding;
use scan::Interleave;

const SOF_LS: u8 = 0xF7;
const LSE: u8 = 0xF8;
const APP8: u8 = 0xE8;

/// Decodes one frame.
pub(super) fn decode(stream: &[u8], shape: &Shape) -> Result<Samples, CodestreamError> {
    let mut cursor = Cursor::new(stream);
    marker::start(&mut cursor)?;
    let mut preset = Preset::default();
    let mut frame = None;
    loop {
        let Segment { marker, body } = marker::next(&mut cursor)?;
        match marker {
            SOF_LS => frame = Some(Frame::read(body, shape)?),
            LSE => preset = Preset::read(body)?,
            DRI => return Err(unsupported("a restart interval")),
            APP8 if is_colour_transform(body.rest()) => return Err(unsupported("an HP colour transform")),
            SOS => {
                let frame = frame.as_mut().ok_or(damaged("a scan before its frame header"))?;
                let rest = frame.decode_scan(body, preset, cursor.rest())?;
                if frame.missing.is_empty() {
                    return Ok(Samples {
                        precision: frame.precision,
                        representation: Representation::Unsigned,
                        values: std::mem::take(&mut frame.values),
                    });
                }
                cursor.resume(rest);
            }
            EOI => return Err(damaged("it ends before every component was decoded")),
            _ => {}
        }
    }
}

/// Whether an APP8 segment asks for one of the colour transforms that the standard does not have.
fn is_colour_transform(body: &[u8]) -> bool {
    matches!(body, [b'm', b'r', b'f', b'x', transform, ..] if *transform != 0)
}

/// Coding parameters that a stream may set (T.87 section C.2.4.1.1); zero means the default.
#[derive(Debug, Clone, Copy, Default)]
struct Preset {
    max_value: u16,
    thresholds: [u16; 3],
    reset: u16,
}

impl Preset {
    fn read(mut body: Cursor<'_>) -> Result<Self, CodestreamError> {
        match body.u8()? {
            1 => Ok(Self {
                max_value: body.u16()?,
                thresholds: [body.u16()?, body.u16()?, body.u16()?],
                reset: body.u16()?,
            }),
            2 | 3 => Err(unsupported("a mapping table")),
            4 => Err(unsupported("an image of more than 65535 rows or columns")),
            _ => Err(damaged("an unknown kind of parameters")),
        }
    }
}

struct Frame {
    precision: u8,
    columns: usize,
    count: usize,
    /// Components not yet decoded: identifier and place in a pixel.
    missing: Vec<(u8, usize)>,
    values: Vec<u16>,
}

impl Frame {
    fn read(mut body: Cursor<'_>, shape: &Shape) -> Result<Self, CodestreamError> {
        let precision = body.u8()?;
        let rows = body.u16()?;
        let columns = body.u16()?;
        let count = body.u8()?;
        if !(2..=16).contains(&precision) {
            return Err(damaged("a precision outside 2 to 16 bits"));
        }
        agree("rows", rows.into(), shape.rows.into())?;
        agree("columns", columns.into(), shape.columns.into())?;
        agree("components", count.into(), shape.samples.into())?;
        let mut missing = Vec::new();
        for slot in 0..usize::from(count) {
            let identifier = body.u8()?;
            let sampling = body.u8()?;
            body.u8()?;
            if count > 1 && sampling != 0x11 {
                return Err(unsupported("subsampling of a component"));
            }
            missing.push((identifier, slot));
        }
        let values = vec![0; shape.samples_a_frame()];
        Ok(Self { precision, columns: usize::from(columns), count: usize::from(count), missing, values })
    }

    /// Decodes a scan; gives what lies behind it.
    fn decode_scan<'s>(
        &mut self,
        mut header: Cursor<'_>,
        preset: Preset,
        data: &'s [u8],
    ) -> Result<&'s [u8], CodestreamError> {
        let mut slots = Vec::new();
        for _ in 0..header.u8()? {
            let identifier = header.u8()?;
            if header.u8()? != 0 {
                return Err(unsupported("a mapping table"));
            }
            let found = self.missing.iter().position(|(missing, _)| *missing == identifier);
            let place = found.ok_or(damaged("a scan of a component that is not there or was decoded"))?;
            slots.push(self.missing.remove(place).1);
        }
        if header.u8()? != 0 {
            return Err(CodestreamError::Lossy { what: "it is near-lossless JPEG-LS" });
        }
        let interleave = match (header.u8()?, slots.len()) {
            (_, 0) => return Err(damaged("a scan of no component")),
            (0..=2, 1) => Interleave::None,
            (1, _) => Interleave::Line,
            (2, _) => Interleave::Sample,
            _ => return Err(damaged("an interleave mode")),
        };
        if header.u8()? & 0x0F != 0 {
            return Err(CodestreamError::Lossy { what: "it shifts samples by a point transform" });
        }
        let coding = Coding::new(self.precision, preset.max_value, preset.thresholds, preset.reset)?;
        let mut scan = scan::Scan::new(coding, self.columns, slots.len(), data);
        for row in self.values.chunks_exact_mut((self.columns * self.count).max(1)) {
            scan.decode_row(interleave)?;
            for (line, slot) in scan.lines().zip(&slots) {
                let samples = row.iter_mut().skip(*slot).step_by(self.count.max(1));
                samples.zip(line).for_each(|(sample, value)| *sample = *value);
            }
        }
        Ok(scan.rest())
    }
}
