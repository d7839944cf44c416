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
    let (numbers, _) = frame
        .split_at_checked(HEADER_BYTES)
        .ok_or(CodestreamError::Truncated { at: frame.len() })?;
    let mut numbers = numbers.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let cell = cell_bytes(shape)?;
    let segments = cell * usize::from(shape.samples);
    agree("segments", numbers.next().unwrap_or(0), u32::try_from(segments).unwrap_or(u32::MAX))?;
    let offsets: Vec<usize> = numbers.take(segments).filter_map(|offset| usize::try_from(offset).ok()).collect();
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

fn cell_bytes(shape: &Shape) -> Result<usize, CodestreamError> {
    let cell = usize::from(shape.bits_allocated / 8);
    let fits = shape.bits_allocated.is_multiple_of(8) && cell * usize::from(shape.samples) <= SEGMENTS_MAX;
    if fits && cell > 0 { Ok(cell) } else { Err(unsupported("more than 15 segments, or cells of broken bytes,")) }
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

/// Encodes one frame of interleaved little-endian cells; the length of what comes out is even.
pub(crate) fn encode(cells: &[u8], shape: &Shape) -> Result<Vec<u8>, CodestreamError> {
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
    Ok(out)
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
