//! RLE lossless (PS3.5 annex G), both ways.

use super::error::{CodestreamError, agree, damaged, unsupported};
use crate::pixel::Shape;

/// Segments that the header of a frame has room for.
const SEGMENTS_MAX: usize = 15;
/// Bytes of the header of a frame: sixteen 32-bit numbers.
const HEADER_BYTES: usize = 64;
/// Longest run or literal of one code.
const RUN_MAX: usize = 128;

/// Decodes one frame to cells of Bits Allocated, little endian, interleaved.
pub(super) fn decode(frame: &[u8], shape: &Shape) -> Result<Vec<u8>, CodestreamError> {
    let (numbers, _) =
        frame.split_at_checked(HEADER_BYTES).ok_or(CodestreamError::Truncated { at: frame.len() })?;
    let mut numbers = numbers.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let cell = cell_bytes(shape).ok_or(unsupported("more than 15 segments, or a cell of broken bytes,"))?;
    let segments = cell * usize::from(shape.samples);
    agree("segments", numbers.next().unwrap_or(0), u32::try_from(segments).unwrap_or(u32::MAX))?;
    let offsets: Vec<usize> =
        numbers.take(segments).filter_map(|offset| usize::try_from(offset).ok()).collect();
    let ends = offsets.iter().skip(1).copied().chain([frame.len()]);
    let mut cells = vec![0; shape.samples_a_frame() * cell];
    for (place, (start, end)) in offsets.iter().zip(ends).enumerate() {
        let segment = frame.get(*start..end).ok_or(damaged("segments out of order or beyond its end"))?;
        // The most significant byte of each sample comes first, cells are little endian.
        let first = place - place % cell + (cell - 1 - place % cell);
        unpack(segment, cells.iter_mut().skip(first).step_by(segments))?;
    }
    Ok(cells)
}

/// Bytes of a cell, where the bytes of a pixel are few enough for a segment each.
fn cell_bytes(shape: &Shape) -> Option<usize> {
    let cell = usize::from(shape.bits_allocated / 8);
    let fits = shape.bits_allocated.is_multiple_of(8) && cell * usize::from(shape.samples) <= SEGMENTS_MAX;
    (fits && cell > 0).then_some(cell)
}

fn unpack<'a>(segment: &[u8], mut out: impl Iterator<Item = &'a mut u8>) -> Result<(), CodestreamError> {
    let early = || CodestreamError::Truncated { at: segment.len() };
    let mut rest = segment;
    let mut next = out.next();
    while let Some(first) = next.take() {
        let (code, behind) = rest.split_first().ok_or_else(early)?;
        let (run, behind) = match *code {
            128 => {
                next = Some(first);
                rest = behind;
                continue;
            }
            0..128 => {
                let (literal, behind) = behind.split_at_checked(usize::from(*code) + 1).ok_or_else(early)?;
                (Run::Literal(literal), behind)
            }
            129.. => {
                let (value, behind) = behind.split_first().ok_or_else(early)?;
                (Run::Repeat(*value, 257 - usize::from(*code)), behind)
            }
        };
        // A run that reaches beyond the last pixel is padding that some writers leave.
        let places = std::iter::once(first).chain(&mut out);
        match run {
            Run::Literal(bytes) => bytes.iter().zip(places).for_each(|(byte, place)| *place = *byte),
            Run::Repeat(byte, times) => places.take(times).for_each(|place| *place = byte),
        }
        rest = behind;
        next = out.next();
    }
    Ok(())
}

enum Run<'a> {
    Literal(&'a [u8]),
    Repeat(u8, usize),
}

/// Encodes one frame of interleaved little-endian cells to an even number of bytes; `None` when the cells are broken
/// bytes, or a pixel has more of them than there are segments.
pub(crate) fn encode(cells: &[u8], shape: &Shape) -> Option<Vec<u8>> {
    let cell = cell_bytes(shape)?;
    let segments = cell * usize::from(shape.samples);
    let mut header = vec![u32::try_from(segments).unwrap_or(u32::MAX)];
    let mut body = Vec::new();
    for place in 0..segments {
        header.push(u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX));
        let first = place - place % cell + (cell - 1 - place % cell);
        let plane: Vec<u8> = cells.iter().skip(first).step_by(segments).copied().collect();
        // No run crosses the end of a row (annex G.3.1).
        for row in plane.chunks(usize::from(shape.columns).max(1)) {
            pack(row, &mut body);
        }
        if body.len() % 2 == 1 {
            body.push(0);
        }
    }
    header.resize(HEADER_BYTES / 4, 0);
    let mut out: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    out.append(&mut body);
    Some(out)
}

/// Packs a row: runs of three and more become a repeat, all else literals.
fn pack(row: &[u8], out: &mut Vec<u8>) {
    let mut literal_start = row;
    let mut literal = 0;
    let mut rest = row;
    while let Some(first) = rest.first() {
        let run = rest.iter().take(RUN_MAX).take_while(|byte| *byte == first).count();
        if run >= 3 {
            flush(literal_start, literal, out);
            out.extend([u8::try_from(257 - run).unwrap_or(u8::MAX), *first]);
            rest = rest.split_at(run).1;
            (literal_start, literal) = (rest, 0);
        } else {
            literal += run;
            rest = rest.split_at(run).1;
        }
    }
    flush(literal_start, literal, out);
}

fn flush(start: &[u8], length: usize, out: &mut Vec<u8>) {
    let (literal, _) = start.split_at(length);
    for piece in literal.chunks(RUN_MAX) {
        out.push(u8::try_from(piece.len() - 1).unwrap_or(u8::MAX));
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixel::Photometric;

    fn shape(rows: u16, columns: u16, samples: u16, bits_allocated: u16) -> Shape {
        Shape { rows, columns, samples, bits_allocated, ..Shape::gray(Photometric::Monochrome2) }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(
            rows in 1..9_u16,
            columns in 1..300_u16,
            (samples, bits) in prop::sample::select(vec![(1, 8), (1, 16), (3, 8), (3, 16), (3, 32), (1, 64)]),
            seed in prop::collection::vec((any::<u8>(), 1..200_usize), 1..20),
        ) {
            let shape = shape(rows, columns, samples, bits);
            let runs = seed.iter().flat_map(|(byte, times)| std::iter::repeat_n(*byte, *times));
            let length = shape.samples_a_frame() * usize::from(bits / 8);
            let cells: Vec<u8> = runs.collect::<Vec<_>>().into_iter().cycle().take(length).collect();
            let frame = encode(&cells, &shape).unwrap();
            prop_assert_eq!(frame.len() % 2, 0);
            prop_assert_eq!(decode(&frame, &shape).unwrap(), cells);
        }

        #[test]
        fn any_bytes_are_an_image_or_an_error(frame in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut started = vec![1, 0, 0, 0, 64, 0, 0, 0];
            started.extend(frame);
            if let Ok(cells) = decode(&started, &shape(4, 4, 1, 8)) {
                prop_assert_eq!(cells.len(), 16);
            }
        }
    }

    #[test]
    fn runs_are_packed_as_the_standard_says() {
        let mut out = Vec::new();
        pack(&[1, 2, 2, 3, 3, 3, 4], &mut out);
        assert_eq!(out, [2, 1, 2, 2, 254, 3, 0, 4]);
        out.clear();
        pack(&[7; 130], &mut out);
        assert_eq!(out, [129, 7, 1, 7, 7]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(encode(&[], &shape(1, 1, 1, 1)), None);
        assert_eq!(encode(&[], &shape(1, 1, 4, 32)), None);
        let wrong = decode(&[0; 64], &shape(1, 1, 3, 8));
        assert_eq!(wrong, Err(CodestreamError::Contradiction { what: "segments", stream: 0, attributes: 3 }));
        let mut short = vec![1, 0, 0, 0, 64, 0, 0, 0];
        short.resize(64, 0);
        short.extend([3, 1, 2]);
        assert_eq!(decode(&short, &shape(1, 4, 1, 8)), Err(CodestreamError::Truncated { at: 3 }));
    }
}
