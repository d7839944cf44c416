//! Grey images: stored values, rescaled, windowed (PS3.4 section N.2).

use image::{DynamicImage, GrayImage};
use outrigger_dataset::pixel::{Photometric, Representation, Shape};
use outrigger_dataset::survey::Survey;
use outrigger_model::Tag;

use super::lut::{LUT_DATA, LUT_DESCRIPTOR, Table};
use super::scope::scopes;
use super::window::{Voi, Window, first};
use super::{Frame, RenderError};

pub(super) const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
const PIXEL_VALUE_TRANSFORMATION: Tag = Tag(0x0028, 0x9145);
const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
const PIXEL_PADDING_VALUE: Tag = Tag(0x0028, 0x0120);
const PIXEL_PADDING_RANGE_LIMIT: Tag = Tag(0x0028, 0x0121);
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
    let modality = Modality::of(frame.survey, frame.number);
    let voi = window.map(Voi::Window).or_else(|| Voi::of(frame.survey, frame.number));
    let voi = voi.unwrap_or_else(|| Voi::Window(whole_range(cells, &stored, &modality, frame.survey)));
    let is_inverse = (shape.photometric == Photometric::Monochrome1)
        != (frame.survey.described().plain(PRESENTATION_LUT_SHAPE) == Some("INVERSE")
            && shape.photometric == Photometric::Monochrome2);
    let level = |value: i64| {
        let level = voi.level(modality.value(value));
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

/// From stored values to those of the modality (PS3.3 section C.11.1).
enum Modality {
    Rescale { slope: f64, intercept: f64 },
    Table(Table),
}

impl Modality {
    fn of(survey: &Survey, frame: u32) -> Self {
        let table = survey.item(&[(MODALITY_LUT, 1)]);
        if let Some(table) = table.and_then(|table| Table::read(table, LUT_DESCRIPTOR, LUT_DATA)) {
            return Self::Table(table);
        }
        let number = |tag| {
            let ways = scopes(frame, PIXEL_VALUE_TRANSFORMATION);
            ways.iter().find_map(|way| first(&survey.item(way)?.described(), tag))
        };
        let slope = number(RESCALE_SLOPE).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        Self::Rescale { slope, intercept: number(RESCALE_INTERCEPT).unwrap_or(0.0) }
    }

    fn value(&self, stored: i64) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "of more than 53 bits the lowest do not show")]
            Self::Rescale { slope, intercept } => stored as f64 * slope + intercept,
            Self::Table(table) => table.entry(stored).into(),
        }
    }
}

/// A window over all values of a frame but those that only fill it up (PS3.3 section C.7.5.1.1.2).
fn whole_range(cells: &[u8], stored: &Stored, modality: &Modality, survey: &Survey) -> Window {
    let described = survey.described();
    let padding = |tag| described.unsigned_short(tag).map(|raw| stored.value(raw.into()));
    let padding = padding(PIXEL_PADDING_VALUE).map(|one| {
        let other = padding(PIXEL_PADDING_RANGE_LIMIT).unwrap_or(one);
        one.min(other)..=one.max(other)
    });
    let is_shown = |value: &i64| padding.as_ref().is_none_or(|padding| !padding.contains(value));
    let range = |values: &mut dyn Iterator<Item = i64>| {
        values.fold(None, |range: Option<(i64, i64)>, value| {
            let (least, most) = range.unwrap_or((value, value));
            Some((least.min(value), most.max(value)))
        })
    };
    let shown = range(&mut stored.values(cells).filter(is_shown));
    let (least, most) = shown.or_else(|| range(&mut stored.values(cells))).unwrap_or((0, 0));
    let (one, other) = (modality.value(least), modality.value(most));
    Window::around(one.min(other), one.max(other))
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
