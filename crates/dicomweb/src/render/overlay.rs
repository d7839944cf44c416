//! Overlay planes (PS3.3 section C.9.2): graphics are burnt in, in white.

use image::{DynamicImage, Luma, Rgb};
use outrigger_dataset::element::DataSet;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::survey::{ElementPath, Found, Survey};
use outrigger_model::Tag;

use super::Frame;

/// The repeating groups of overlays.
const GROUPS: [u16; 16] = [
    0x6000, 0x6002, 0x6004, 0x6006, 0x6008, 0x600A, 0x600C, 0x600E, 0x6010, 0x6012, 0x6014, 0x6016, 0x6018,
    0x601A, 0x601C, 0x601E,
];
const ROWS: u16 = 0x0010;
const COLUMNS: u16 = 0x0011;
const FRAMES: u16 = 0x0015;
const TYPE: u16 = 0x0040;
const ORIGIN: u16 = 0x0050;
const FRAME_ORIGIN: u16 = 0x0051;
const BIT_POSITION: u16 = 0x0102;
const DATA: u16 = 0x3000;
/// Most bytes of the planes of an overlay, of all frames: those of the largest image rendered.
const PLANE_BYTES_MAX: u64 = super::RENDERED_SAMPLES_MAX / 8;

/// The planes of all overlays, with the most bytes that are read of each.
pub(super) fn wanted() -> impl Iterator<Item = (ElementPath, u64)> {
    GROUPS.into_iter().map(|group| (Tag(group, DATA).into(), PLANE_BYTES_MAX))
}

/// Burns the graphics of a frame into its picture; `cells` are those of the frame, whose unused bits may hold a plane in
/// older images.
pub(super) fn burn(picture: &mut DynamicImage, frame: &Frame<'_>, cells: &[u8], shape: &Shape) {
    let described = frame.survey.described();
    for group in GROUPS {
        let Some(overlay) = Overlay::read(&described, group) else { continue };
        let is_set: Box<dyn Fn(usize) -> bool> = match plane(frame.survey, group) {
            Some(bytes) => {
                let Some(start) = overlay.start(frame.number) else { continue };
                Box::new(move |bit| is_bit(bytes, start + bit))
            }
            None if overlay.lies_in(shape) => {
                let size = usize::from(shape.bits_allocated / 8);
                let (byte, bit_of_byte) = (usize::from(overlay.position / 8), overlay.position % 8);
                Box::new(move |cell| {
                    cells.get(cell * size + byte).is_some_and(|byte| byte >> bit_of_byte & 1 == 1)
                })
            }
            None => continue,
        };
        overlay.draw(picture, &*is_set);
    }
}

/// What says how a plane lies over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Overlay {
    rows: u16,
    columns: u16,
    /// Row and column of its first pixel, from 0; it may begin outside.
    origin: (i32, i32),
    /// How many frames it has, and which of the image is the first; `None` for one that lies over all.
    frames: Option<(u32, u32)>,
    /// The bit of the cells that holds it, where it has no plane of its own.
    position: u16,
}

impl Overlay {
    /// Reads one that is graphics; regions of interest are not for the eye.
    fn read(described: &DataSet, group: u16) -> Option<Self> {
        let short = |element| described.unsigned_short(Tag(group, element));
        if described.plain(Tag(group, TYPE)) != Some("G") {
            return None;
        }
        let origin = described.bytes(Tag(group, ORIGIN)).map(|bytes| bytes.as_chunks::<2>().0);
        let origin = match origin {
            Some([row, column, ..]) => {
                (i32::from(i16::from_le_bytes(*row)) - 1, i32::from(i16::from_le_bytes(*column)) - 1)
            }
            _ => (0, 0),
        };
        let frames = described.plain(Tag(group, FRAMES)).and_then(|text| text.trim().parse().ok());
        let first = short(FRAME_ORIGIN).map_or(1, u32::from);
        Some(Self {
            rows: short(ROWS)?,
            columns: short(COLUMNS)?,
            origin,
            frames: frames.map(|frames| (frames, first)),
            position: short(BIT_POSITION).unwrap_or(0),
        })
    }

    /// The first bit of the plane for a frame.
    fn start(&self, frame: u32) -> Option<usize> {
        let Some((frames, first)) = self.frames else { return Some(0) };
        let index = frame.checked_sub(first).filter(|index| *index < frames)?;
        let size = usize::from(self.rows) * usize::from(self.columns);
        usize::try_from(index).ok()?.checked_mul(size)
    }

    /// Whether it can lie in the bits of the cells that values leave free (retired in 2004, and still met).
    fn lies_in(&self, shape: &Shape) -> bool {
        let values = (shape.high_bit + 1 - shape.bits_stored)..=shape.high_bit;
        shape.samples == 1
            && shape.bits_allocated >= 8
            && self.position < shape.bits_allocated
            && !values.contains(&self.position)
            && (self.rows, self.columns) == (shape.rows, shape.columns)
    }

    fn draw(&self, picture: &mut DynamicImage, is_set: &dyn Fn(usize) -> bool) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                let bit = usize::from(row) * usize::from(self.columns) + usize::from(column);
                if is_set(bit) {
                    whiten(picture, self.origin.1 + i32::from(column), self.origin.0 + i32::from(row));
                }
            }
        }
    }
}

fn plane(survey: &Survey, group: u16) -> Option<&[u8]> {
    match &survey.get(Tag(group, DATA))?.value {
        Found::Here(bytes) => Some(bytes),
        Found::There(_) | Found::Items(_) | Found::Fragments(_) => None,
    }
}

/// Planes are packed from the lowest bit on (PS3.5 section 8.1.2).
fn is_bit(bytes: &[u8], bit: usize) -> bool {
    bytes.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

fn whiten(picture: &mut DynamicImage, column: i32, row: i32) {
    let (Ok(column), Ok(row)) = (u32::try_from(column), u32::try_from(row)) else { return };
    match picture {
        DynamicImage::ImageLuma8(gray) => {
            gray.get_pixel_mut_checked(column, row).into_iter().for_each(|pixel| *pixel = Luma([u8::MAX]));
        }
        DynamicImage::ImageRgb8(rgb) => {
            rgb.get_pixel_mut_checked(column, row).into_iter().for_each(|pixel| *pixel = Rgb([u8::MAX; 3]));
        }
        // Pictures are made as one of the two.
        _ => {}
    }
}
