//! Colour images (PS3.3 section C.7.6.3.1.2).

use image::{DynamicImage, RgbImage};
use outrigger_dataset::pixel::{Photometric, Shape};
use outrigger_dataset::survey::{Found, Place, Survey};
use outrigger_model::Tag;

use super::RenderError;

/// Descriptors and data of the palettes of red, green and blue.
const PALETTES: [(Tag, Tag); 3] = [
    (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
    (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
    (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
];

/// Most bytes of the data of a palette: 65,536 entries of two.
const PALETTE_BYTES_MAX: u64 = 2 << 16;

/// The palettes that a survey passed over, which rendering needs to have read: large ones in binary.
pub fn missing_palettes(survey: &Survey) -> Vec<(Tag, Place)> {
    let missing = PALETTES.iter().filter_map(|(_, data)| match survey.get(*data)?.value {
        Found::There(place) if place.length <= PALETTE_BYTES_MAX => Some((*data, place)),
        _ => None,
    });
    missing.collect()
}

/// Makes a picture of three samples a pixel.
pub(super) fn picture(cells: &[u8], shape: &Shape) -> Result<DynamicImage, RenderError> {
    let bytes = match shape.bits_allocated {
        8 => cells.to_vec(),
        16 => cells.as_chunks().0.iter().map(|cell| high_byte(u16::from_le_bytes(*cell), shape)).collect(),
        bits => return Err(unsupported(format!("colour of {bits} bits a sample"))),
    };
    let rgb = match &shape.photometric {
        Photometric::Rgb => bytes,
        // Decoders of JPEG 2000 turn the irreversible colour transform back, as they do the reversible one.
        Photometric::Other(term) if term == "YBR_ICT" => bytes,
        Photometric::YbrFull => bytes.as_chunks().0.iter().flat_map(|pixel| rgb(*pixel)).collect(),
        // Two luminances share their colour differences.
        Photometric::YbrFull422 => bytes
            .as_chunks()
            .0
            .iter()
            .flat_map(|[one, two, blue, red]| [rgb([*one, *blue, *red]), rgb([*two, *blue, *red])])
            .flatten()
            .collect(),
        other => return Err(unsupported(format!("colour of {}", other.term()))),
    };
    whole(rgb, shape)
}

/// Makes a picture of indices into palettes.
pub(super) fn palette(cells: &[u8], shape: &Shape, survey: &Survey) -> Result<DynamicImage, RenderError> {
    let tables = PALETTES.map(|(descriptor, data)| Table::read(survey, descriptor, data));
    let [Some(red), Some(green), Some(blue)] = tables else {
        return Err(unsupported("a palette that is missing, segmented or large".to_owned()));
    };
    let cell = usize::from(shape.bits_allocated.div_ceil(8));
    let index = |cell: &[u8]| cell.iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    let rgb = cells.chunks_exact(cell).flat_map(|cell| {
        let index = index(cell);
        [red.level(index), green.level(index), blue.level(index)]
    });
    whole(rgb.collect(), shape)
}

/// A palette of one colour.
struct Table {
    first: usize,
    levels: Vec<u8>,
}

impl Table {
    fn read(survey: &Survey, descriptor: Tag, data: Tag) -> Option<Self> {
        let value = |tag| match &survey.get(tag)?.value {
            Found::Here(bytes) => Some(bytes.clone()),
            Found::There(_) | Found::Items(_) | Found::Fragments(_) => None,
        };
        let descriptor = value(descriptor)?;
        let numbers: Vec<u16> =
            descriptor.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        let [entries, first, bits] = *numbers.as_slice() else { return None };
        let entries = if entries == 0 { 1 << 16 } else { usize::from(entries) };
        let data = value(data)?;
        let levels: Vec<u8> = match bits {
            // Entries of eight bits stand one or two in a word.
            8 if data.len() < entries * 2 => data.iter().copied().take(entries).collect(),
            8 => data.as_chunks().0.iter().map(|[low, _]| *low).take(entries).collect(),
            16 => data.as_chunks().0.iter().map(|[_, high]| *high).take(entries).collect(),
            _ => return None,
        };
        (levels.len() == entries).then_some(Self { first: first.into(), levels })
    }

    /// What lies before or behind the palette is its first or last entry (PS3.3 section C.7.6.3.1.5).
    fn level(&self, index: usize) -> u8 {
        let place = index.saturating_sub(self.first).min(self.levels.len() - 1);
        self.levels.get(place).copied().unwrap_or(0)
    }
}

fn high_byte(sample: u16, shape: &Shape) -> u8 {
    let value = u32::from(sample) >> (shape.high_bit + 1 - shape.bits_stored);
    let byte = if shape.bits_stored > 8 { value >> (shape.bits_stored - 8) } else { value };
    u8::try_from(byte & 0xFF).unwrap_or(u8::MAX)
}

/// ITU-R BT.601, full range (PS3.3 section C.7.6.3.1.2).
fn rgb([luminance, blue, red]: [u8; 3]) -> [u8; 3] {
    let (luminance, blue, red) = (f64::from(luminance), f64::from(blue) - 128.0, f64::from(red) - 128.0);
    let levels =
        [luminance + 1.402 * red, luminance - 0.344_136 * blue - 0.714_136 * red, luminance + 1.772 * blue];
    levels.map(|level| super::gray::to_byte(level / 255.0))
}

fn whole(rgb: Vec<u8>, shape: &Shape) -> Result<DynamicImage, RenderError> {
    RgbImage::from_raw(shape.columns.into(), shape.rows.into(), rgb)
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(|| unsupported("a frame of too few pixels".to_owned()))
}

fn unsupported(what: String) -> RenderError {
    RenderError::Unsupported { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luminance_and_colour_differences_become_colours() {
        for (ybr, expected) in [
            ([255, 128, 128], [255, 255, 255]),
            ([0, 128, 128], [0, 0, 0]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(rgb(ybr), expected);
        }
    }

    #[test]
    fn indices_outside_a_palette_take_its_ends() {
        let table = Table { first: 10, levels: vec![1, 2, 3] };
        let levels: Vec<u8> =
            [0, 10, 11, 12, 13, 60_000].into_iter().map(|index| table.level(index)).collect();
        assert_eq!(levels, [1, 1, 2, 3, 3, 3]);
    }
}
