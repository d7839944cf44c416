//! Colour images (PS3.3 section C.7.6.3.1.2).

use image::{DynamicImage, RgbImage};
use outrigger_dataset::pixel::{Photometric, Shape};
use outrigger_dataset::survey::Survey;
use outrigger_model::Tag;

use super::RenderError;
use super::lut::Table;

/// Descriptors and data of the palettes of red, green and blue.
pub(super) const PALETTES: [(Tag, Tag); 3] = [
    (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
    (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
    (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
];

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
    let tables = PALETTES.each_ref().map(|(descriptor, data)| Table::read(survey, *descriptor, *data));
    let [Some(red), Some(green), Some(blue)] = tables else {
        return Err(unsupported("a palette that is missing, segmented or large".to_owned()));
    };
    let cell = usize::from(shape.bits_allocated.div_ceil(8));
    let index = |cell: &[u8]| cell.iter().rev().fold(0_i64, |value, byte| value << 8 | i64::from(*byte));
    let rgb = cells.chunks_exact(cell).flat_map(|cell| {
        let index = index(cell);
        [red.byte(index), green.byte(index), blue.byte(index)]
    });
    whole(rgb.collect(), shape)
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
}
