//! Grey images: stored values, rescaled, windowed (PS3.4 section N.2).

use image::{DynamicImage, GrayImage};
use outrigger_dataset::pixel::{Photometric, Representation, Shape};
use outrigger_model::Tag;

use super::window::{Window, rescale};
use super::{Frame, RenderError};

const PRESENTATION_LUT_SHAPE: Tag = Tag(0x2050, 0x0020);
/// Stored values of so many bits are looked up, each level worked out once.
const TABLE_BITS_MAX: u16 = 16;

/// Makes a picture of the cells of a grey frame.
pub(super) fn picture(
    cells: &[u8],
    shape: &Shape,
    frame: &Frame<'_>,
    window: Option<Window>,
) -> Result<DynamicImage, RenderError> {
    let stored = Stored::of(shape);
    let (slope, intercept) = rescale(frame.survey, frame.number);
    let modality = |value: i64| {
        #[expect(clippy::cast_precision_loss, reason = "of more than 53 bits the lowest do not show")]
        let value = value as f64;
        value * slope + intercept
    };
    let window = window.unwrap_or_else(|| {
        let (least, most) = stored
            .values(cells)
            .fold((i64::MAX, i64::MIN), |(least, most), value| (least.min(value), most.max(value)));
        let (one, other) = (modality(least), modality(most));
        Window::around(one.min(other), one.max(other))
    });
    let is_inverse = (shape.photometric == Photometric::Monochrome1)
        != (frame.survey.described().plain(PRESENTATION_LUT_SHAPE) == Some("INVERSE")
            && shape.photometric == Photometric::Monochrome2);
    let level = |value: i64| {
        let level = window.level(modality(value));
        to_byte(if is_inverse { 1.0 - level } else { level })
    };
    let levels: Vec<u8> = match stored.table(level) {
        Some(table) => stored.raw(cells).map(|raw| table.get(raw).copied().unwrap_or(0)).collect(),
        None => stored.values(cells).map(level).collect(),
    };
    GrayImage::from_raw(shape.columns.into(), shape.rows.into(), levels)
        .map(DynamicImage::ImageLuma8)
        .ok_or_else(|| RenderError::Unsupported { what: "a frame of too few pixels".to_owned() })
}

/// A level from 0 to 1 as a byte.
pub(super) fn to_byte(level: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
    let byte = (level.clamp(0.0, 1.0) * 255.0).round() as u8;
    byte
}

/// How stored values lie in cells.
struct Stored {
    /// Bytes of a cell.
    cell: usize,
    /// Bits below the value.
    low: u32,
    bits: u16,
    representation: Representation,
}

impl Stored {
    fn of(shape: &Shape) -> Self {
        // Single bits were unpacked to bytes.
        Self {
            cell: usize::from(shape.bits_allocated.div_ceil(8)),
            low: u32::from(shape.high_bit + 1 - shape.bits_stored),
            bits: shape.bits_stored,
            representation: shape.representation,
        }
    }

    /// The stored bits of each cell.
    fn bits_of<'a>(&self, cells: &'a [u8]) -> impl Iterator<Item = u64> + use<'a> {
        let (low, mask) = (self.low, u64::MAX >> (64 - u32::from(self.bits)));
        cells.chunks_exact(self.cell).map(move |cell| {
            cell.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)) >> low & mask
        })
    }

    fn raw<'a>(&self, cells: &'a [u8]) -> impl Iterator<Item = usize> + use<'a> {
        self.bits_of(cells).map(|raw| usize::try_from(raw).unwrap_or(usize::MAX))
    }

    fn value(&self, raw: u64) -> i64 {
        let unused = 64 - u32::from(self.bits);
        match self.representation {
            Representation::Unsigned => raw.cast_signed(),
            Representation::Signed => (raw << unused).cast_signed() >> unused,
        }
    }

    fn values<'a>(&'a self, cells: &'a [u8]) -> impl Iterator<Item = i64> + 'a {
        self.bits_of(cells).map(|raw| self.value(raw))
    }

    /// The level of every stored value, where these are few enough.
    fn table(&self, level: impl Fn(i64) -> u8) -> Option<Vec<u8>> {
        (self.bits <= TABLE_BITS_MAX)
            .then(|| (0..1_u64 << self.bits).map(|raw| level(self.value(raw))).collect())
    }
}
