//! Which fragments make a frame (PS3.5 section A.4).

use bytes::{Bytes, BytesMut};

use super::family::Family;
use crate::element::Fragments;

/// Bytes before each fragment: item tag and length.
const ITEM_HEADER: u64 = 8;
/// Last bytes of a JPEG or JPEG 2000 stream: EOI, EOC.
const END: [u8; 2] = [0xFF, 0xD9];

/// Why fragments cannot be told apart by frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fragments} fragments with no usable offset table cannot be split into {frames} frames")]
pub struct FramesError {
    /// Fragments there are.
    pub fragments: usize,
    /// Frames there should be.
    pub frames: u32,
}

/// The stream of each frame, by the first of these that gives the right number of them: all fragments as one, the
/// Extended or Basic Offset Table, a fragment each, the markers at the ends of fragments, the markers inside them.
pub(crate) fn split(
    family: Family,
    encapsulated: &Fragments,
    extended_offsets: &[u8],
    frames: u32,
) -> Result<Vec<Bytes>, FramesError> {
    let fragments = &encapsulated.fragments;
    let count = usize::try_from(frames).unwrap_or(usize::MAX);
    if !fragments.is_empty() && (count == 1 || family == Family::Video) {
        return Ok(vec![join(fragments)]);
    }
    let extended = extended_offsets.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let basic = encapsulated.offset_table.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes).into());
    let by_tables = [extended, basic.collect::<Vec<u64>>()]
        .into_iter()
        .filter(|offsets| offsets.len() == count)
        .find_map(|offsets| by_offsets(fragments, &offsets));
    by_tables
        .or_else(|| (fragments.len() == count).then(|| fragments.clone()))
        .or_else(|| family.start().and_then(|start| by_markers(fragments, start, count)))
        .ok_or(FramesError { fragments: fragments.len(), frames })
}

fn join(fragments: &[Bytes]) -> Bytes {
    match fragments {
        [only] => only.clone(),
        _ => fragments
            .iter()
            .fold(BytesMut::new(), |mut all, fragment| {
                all.extend_from_slice(fragment);
                all
            })
            .freeze(),
    }
}

/// Groups fragments by the offset of the first of each frame; `None` when an offset is not the start of a fragment.
fn by_offsets(fragments: &[Bytes], offsets: &[u64]) -> Option<Vec<Bytes>> {
    let mut starts = offsets.iter().peekable();
    let mut groups: Vec<Vec<Bytes>> = Vec::new();
    let mut place = 0;
    for fragment in fragments {
        if starts.next_if(|start| **start == place).is_some() {
            groups.push(Vec::new());
        }
        groups.last_mut()?.push(fragment.clone());
        place += ITEM_HEADER + fragment.len() as u64;
    }
    starts.next().is_none().then(|| groups.iter().map(|group| join(group)).collect())
}

/// Splits where an end marker, perhaps padded, is followed by a start marker.
fn by_markers(fragments: &[Bytes], start: &[u8], count: usize) -> Option<Vec<Bytes>> {
    let mut groups: Vec<Vec<Bytes>> = Vec::new();
    for fragment in fragments {
        let begins = fragment.starts_with(start)
            && groups.last().and_then(|group| group.last()).is_none_or(|before| has_ended(before));
        match groups.last_mut() {
            Some(group) if !begins => group.push(fragment.clone()),
            _ => groups.push(vec![fragment.clone()]),
        }
    }
    if groups.len() == count {
        return Some(groups.iter().map(|group| join(group)).collect());
    }
    let whole = join(fragments);
    let starts: Vec<usize> = whole
        .windows(start.len())
        .enumerate()
        .filter(|(place, window)| *window == start && whole.get(..*place).is_some_and(has_ended))
        .map(|(place, _)| place)
        .collect();
    let ends = starts.iter().copied().chain([whole.len()]);
    let bounds = std::iter::once(0).chain(starts.iter().copied()).zip(ends);
    (starts.len() + 1 == count).then(|| bounds.map(|(from, to)| whole.slice(from..to)).collect())
}

fn has_ended(stream: &[u8]) -> bool {
    unpadded(stream).ends_with(&END)
}

/// A stream without the zeros behind its end.
fn unpadded(stream: &[u8]) -> &[u8] {
    let zeros = stream.iter().rev().take_while(|byte| **byte == 0).count();
    stream.get(..stream.len() - zeros).unwrap_or(stream)
}

/// A frame's stream as it is compared, in two parts: without padding where its end shows, else with padding to even
/// length. Some writers pad before the end, with bytes FF that may stand before any marker (T.81 section B.1.1.2).
pub(super) fn comparable(family: Family, frame: &[u8]) -> (&[u8], &'static [u8]) {
    match unpadded(frame).strip_suffix(&END).filter(|_| family.start().is_some()) {
        Some(stream) => {
            let fill = stream.iter().rev().take_while(|byte| **byte == 0xFF).count();
            (stream.get(..stream.len() - fill).unwrap_or(stream), &END)
        }
        None => (frame, if frame.len() % 2 == 1 { &[0] } else { &[] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        family: Family,
        table: &[u32],
        extended: &[u64],
        fragments: &[&[u8]],
        expected: Option<&[&[u8]]>,
    ) {
        let encapsulated = Fragments {
            offset_table: table.iter().flat_map(|offset| offset.to_le_bytes()).collect(),
            fragments: fragments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect(),
        };
        let extended: Vec<u8> = extended.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let frames = u32::try_from(expected.map_or(2, <[_]>::len)).unwrap();
        let got = split(family, &encapsulated, &extended, frames).ok();
        let expected = expected
            .map(|frames| frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect::<Vec<_>>());
        assert_eq!(got, expected);
    }

    const A: &[u8] = b"\xFF\xD8\xFFaa\xFF\xD9\0";
    const B: &[u8] = b"\xFF\xD8\xFFbbb\xFF\xD9";

    #[test]
    fn tables_are_followed_where_they_fit() {
        check(Family::Rle, &[0, 20], &[], &[b"aa", b"aa", b"bb"], Some(&[b"aaaa", b"bb"]));
        check(Family::Rle, &[], &[0, 10], &[b"aa", b"bb", b"bb"], Some(&[b"aa", b"bbbb"]));
        check(Family::Rle, &[0, 11], &[], &[b"aa", b"bb"], Some(&[b"aa", b"bb"]));
        check(Family::Rle, &[0, 11], &[], &[b"aa", b"bb", b"bb"], None);
        check(Family::Rle, &[0], &[], &[b"aa", b"bb", b"bb"], None);
        check(Family::Rle, &[], &[], &[], None);
    }

    #[test]
    fn markers_are_followed_where_tables_are_missing() {
        let (head, tail) = A.split_at(4);
        check(Family::Jpeg, &[], &[], &[head, tail, B], Some(&[A, B]));
        check(Family::Jpeg, &[], &[], &[&[A, B].concat()], Some(&[A, B]));
        check(Family::Jpeg, &[], &[], &[A, B, A], None);
        check(Family::Video, &[], &[], &[b"aa", b"bb"], Some(&[b"aabb"]));
        check(Family::Jpeg, &[], &[], &[head, tail], Some(&[A]));
    }

    #[test]
    fn padding_is_not_compared() {
        assert_eq!(comparable(Family::Jpeg, A), (&A[..5], &END[..]));
        assert_eq!(comparable(Family::JpegLs, b"a\xFF\xFF\xD9"), (&b"a"[..], &END[..]));
        assert_eq!(comparable(Family::Rle, b"ab\0"), (&b"ab\0"[..], &[0][..]));
        assert_eq!(comparable(Family::Jpeg, b"ab\0\0"), (&b"ab\0\0"[..], &[][..]));
    }
}
