//! Frames of native pixel data, and the one form in which they are compared.

use std::borrow::Cow;

use super::shape::{Planar, Representation, Shape};

/// The cells of each frame of native pixel data, interleaved by pixel; single bits come as bytes of 0 and 1.
///
/// `data` must hold all frames.
pub(crate) fn native_frames<'a>(data: &'a [u8], shape: &'a Shape) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let samples = shape.native_samples_a_frame();
    let bytes = samples * usize::from(shape.bits_allocated / 8);
    (0..usize::try_from(shape.frames).unwrap_or(usize::MAX)).map(move |frame| {
        if shape.bits_allocated == 1 {
            return Cow::Owned(single_bits(data, frame * samples, samples));
        }
        let cells = data.get(frame * bytes..(frame + 1) * bytes).unwrap_or(&[]);
        match shape.planar {
            Planar::ByPlane => Cow::Owned(by_pixel(cells, shape)),
            Planar::ByPixel => Cow::Borrowed(cells),
        }
    })
}

/// Bytes that all frames of native pixel data take.
pub(crate) fn native_bytes(shape: &Shape) -> u64 {
    let samples = shape.native_samples_a_frame() as u64;
    (samples * u64::from(shape.frames) * u64::from(shape.bits_allocated)).div_ceil(8)
}

/// Frames of single bits do not start at byte borders (PS3.5 section 8.1.1).
fn single_bits(data: &[u8], from: usize, count: usize) -> Vec<u8> {
    let bytes = data.iter().skip(from / 8);
    bytes.flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).skip(from % 8).take(count).collect()
}

fn by_pixel(planes: &[u8], shape: &Shape) -> Vec<u8> {
    let cell = usize::from(shape.bits_allocated / 8);
    let samples = usize::from(shape.samples);
    let mut out = vec![0; planes.len()];
    for (slot, plane) in planes.chunks_exact((shape.pixels_a_frame() * cell).max(1)).enumerate() {
        for (byte, source) in (0..cell).map(|byte| (byte, plane.iter().skip(byte).step_by(cell))) {
            let places = out.iter_mut().skip(slot * cell + byte).step_by(samples * cell);
            places.zip(source).for_each(|(place, value)| *place = *value);
        }
    }
    out
}

/// The cells of a frame as they are compared: only stored bits, shifted down, in as few bytes as hold them, little
/// endian, filled up with the sign where samples are signed.
pub(crate) fn canonical<'a>(cells: Cow<'a, [u8]>, shape: &Shape) -> Cow<'a, [u8]> {
    let cell = usize::from(shape.bits_allocated.div_ceil(8));
    let stored = u32::from(shape.bits_stored);
    if shape.bits_stored == shape.bits_allocated {
        return cells;
    }
    let kept = usize::from(shape.bits_stored.div_ceil(8));
    let low = u32::from(shape.high_bit + 1 - shape.bits_stored);
    let unused = 64 - stored;
    let mut out = Vec::with_capacity(cells.len() / cell * kept);
    for bytes in cells.chunks_exact(cell) {
        let raw = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let top = raw >> low << unused;
        let value = match shape.representation {
            Representation::Unsigned => top >> unused,
            Representation::Signed => (top.cast_signed() >> unused).cast_unsigned(),
        };
        out.extend(value.to_le_bytes().iter().take(kept));
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::super::shape::Photometric;
    use super::*;

    fn shape() -> Shape {
        Shape { columns: 2, ..Shape::gray(Photometric::Monochrome2) }
    }

    #[test]
    fn planes_are_interleaved() {
        let shape = Shape {
            samples: 3,
            planar: Planar::ByPlane,
            bits_allocated: 16,
            bits_stored: 16,
            high_bit: 15,
            frames: 2,
            ..shape()
        };
        let data: Vec<u8> = (0..24).collect();
        let frames: Vec<_> = native_frames(&data, &shape).map(Cow::into_owned).collect();
        assert_eq!(frames[0], [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]);
        assert_eq!(frames[1], [12, 13, 16, 17, 20, 21, 14, 15, 18, 19, 22, 23]);
    }

    #[test]
    fn frames_of_bits_are_unpacked_across_bytes() {
        let shape = Shape { rows: 3, bits_allocated: 1, bits_stored: 1, high_bit: 0, frames: 2, ..shape() };
        let frames: Vec<_> =
            native_frames(&[0b1011_0010, 0b1111_0101], &shape).map(Cow::into_owned).collect();
        assert_eq!(frames, [vec![0, 1, 0, 0, 1, 1], vec![0, 1, 1, 0, 1, 0]]);
        assert_eq!(native_bytes(&shape), 2);
    }

    #[test]
    fn only_stored_bits_count() {
        let shape = |representation, bits_stored, high_bit| Shape {
            bits_allocated: 16,
            bits_stored,
            high_bit,
            representation,
            ..shape()
        };
        let cells = Cow::Borrowed(&[0xFF, 0xAF, 0x01, 0x50][..]);
        for (representation, stored, high, expected) in [
            (Representation::Unsigned, 12, 11, vec![0xFF, 0x0F, 0x01, 0x00]),
            (Representation::Signed, 12, 11, vec![0xFF, 0xFF, 0x01, 0x00]),
            (Representation::Unsigned, 12, 15, vec![0xFF, 0x0A, 0x00, 0x05]),
            (Representation::Unsigned, 8, 7, vec![0xFF, 0x01]),
            (Representation::Signed, 16, 15, vec![0xFF, 0xAF, 0x01, 0x50]),
        ] {
            let shape = shape(representation, stored, high);
            assert_eq!(
                canonical(cells.clone(), &shape).into_owned(),
                expected,
                "{representation:?} {stored} {high}"
            );
        }
    }
}
