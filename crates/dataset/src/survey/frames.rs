//! Where each frame of the pixel data lies.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use outrigger_model::{Tag, TransferSyntaxUid};

use super::window::Window;
use super::{Found, Place, Survey, SurveyError};
use crate::codestream::{Family, FramesError, split};
use crate::element::{DataSet, Element, Fragments, Vr};
use crate::pixel::{EXTENDED_OFFSET_TABLE, Shape, ShapeError, frame_count};

/// Most bytes of encapsulated pixel data that are searched for the borders of frames, where no table names them: they
/// are held in memory for it.
const SEARCHED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const FLOAT_PIXEL_DATA: Tag = Tag(0x7FE0, 0x0008);
const DOUBLE_FLOAT_PIXEL_DATA: Tag = Tag(0x7FE0, 0x0009);

/// Where each frame lies.
#[derive(Debug)]
pub struct FrameIndex {
    count: u32,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    /// One behind the other, so many bits each.
    Native {
        start: u64,
        bits: u64,
    },
    Encapsulated(Vec<Vec<Place>>),
}

/// The bytes of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where they lie, in order.
    pub places: Vec<Place>,
    /// The bits of those bytes that belong to the frame, where it does not begin and end with a byte.
    pub bits: Option<Range<u64>>,
}

/// Why frames cannot be had one by one.
#[derive(Debug, thiserror::Error)]
pub enum FrameError<E: std::error::Error + 'static> {
    /// There are no pixel data.
    #[error("the instance has no pixel data")]
    NoPixels,
    /// The attributes do not describe them.
    #[error("the pixel data are not described by the attributes")]
    Shape(#[from] ShapeError),
    /// Native pixel data of too few bytes.
    #[error("the pixel data have {found} bytes, fewer than {frames} frames take")]
    Short {
        /// Frames by the attributes.
        frames: u32,
        /// Bytes there are.
        found: u64,
    },
    /// One stream for all frames.
    #[error("the frames are one video stream, which cannot be taken apart")]
    Video,
    /// Fragments cannot be told apart by frame.
    #[error("the frames of the pixel data cannot be told apart")]
    Frames(#[from] FramesError),
    /// The offset tables or fragments cannot be read.
    #[error("the pixel data cannot be read")]
    Unread(#[from] SurveyError<E>),
}

impl FrameIndex {
    /// Finds the frames of a data set that was looked over, whose bytes `read` gives.
    pub fn new<R, E>(
        survey: &Survey,
        transfer_syntax: &TransferSyntaxUid,
        read: R,
    ) -> Result<Self, FrameError<E>>
    where
        R: FnMut(u64) -> Result<Bytes, E>,
        E: std::error::Error + 'static,
    {
        let element = survey.pixel_data().ok_or(FrameError::NoPixels)?;
        let described = survey.described();
        let count = frame_count(&described)?;
        let layout = match &element.value {
            Found::There(place) => native(described, element.tag, *place, count)?,
            Found::Fragments(fragments) => {
                let family = Family::of(transfer_syntax).ok_or(FrameError::NoPixels)?;
                let mut search = Search { window: Window::new(read), survey, fragments, family };
                Layout::Encapsulated(search.frames(count)?)
            }
            Found::Here(_) | Found::Items(_) => return Err(FrameError::NoPixels),
        };
        Ok(Self { count, layout })
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The bytes of a frame, by its number from 1; `None` beyond the last.
    pub fn frame(&self, number: u32) -> Option<Span> {
        let index = number.checked_sub(1).filter(|index| *index < self.count)?;
        match &self.layout {
            Layout::Encapsulated(frames) => {
                let places = frames.get(usize::try_from(index).ok()?)?.clone();
                Some(Span { places, bits: None })
            }
            Layout::Native { start, bits } => {
                let (from, to) = (bits * u64::from(index), bits * (u64::from(index) + 1));
                let offset = from / 8;
                let place = Place { offset: start + offset, length: to.div_ceil(8) - offset };
                let is_whole = from.is_multiple_of(8) && to.is_multiple_of(8);
                let bits = (!is_whole).then(|| from - offset * 8..to - offset * 8);
                Some(Span { places: vec![place], bits })
            }
        }
    }
}

fn native<E: std::error::Error>(
    mut described: DataSet,
    tag: Tag,
    place: Place,
    count: u32,
) -> Result<Layout, FrameError<E>> {
    // The bound on pixel data is held against one frame: no more is in memory at once.
    described.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "1"));
    let shape = match tag {
        FLOAT_PIXEL_DATA => Shape::read_float(&described, 32)?,
        DOUBLE_FLOAT_PIXEL_DATA => Shape::read_float(&described, 64)?,
        _ => Shape::read(&described)?,
    };
    let bits = shape.native_samples_a_frame() as u64 * u64::from(shape.bits_allocated);
    let needed = bits.saturating_mul(count.into()).div_ceil(8);
    if needed > place.length {
        return Err(FrameError::Short { frames: count, found: place.length });
    }
    Ok(Layout::Native { start: place.offset, bits })
}

/// The bits of a frame that shares bytes with its neighbours, moved to begin with a byte, zeros behind them.
pub fn aligned(bytes: &[u8], bits: &Range<u64>) -> Vec<u8> {
    let skip = usize::try_from(bits.start).unwrap_or(usize::MAX);
    let count = usize::try_from(bits.end.saturating_sub(bits.start)).unwrap_or(usize::MAX);
    let singles = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    let singles: Vec<u8> = singles.skip(skip).take(count).collect();
    singles.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | bit)).collect()
}

/// Looks for the frames among fragments.
struct Search<'a, R> {
    window: Window<R>,
    survey: &'a Survey,
    /// The offset table and the fragments.
    fragments: &'a [Place],
    family: Family,
}

impl<R, E> Search<'_, R>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    fn frames(&mut self, count: u32) -> Result<Vec<Vec<Place>>, FrameError<E>> {
        let (table, fragments) = self.fragments.split_first().ok_or(FrameError::NoPixels)?;
        // Whatever number of them it gives, one too.
        if self.family == Family::Video {
            return Err(FrameError::Video);
        }
        if count == 1 && !fragments.is_empty() {
            return Ok(vec![fragments.to_vec()]);
        }
        // Each frame begins with a fragment where a table is of use, so tables are no longer than what is held already.
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        if wanted <= fragments.len() {
            for offsets in [self.extended(wanted)?, self.basic(*table, wanted)?].into_iter().flatten() {
                if let Some(frames) = by_offsets(fragments, &offsets) {
                    return Ok(frames);
                }
            }
        }
        if fragments.len() == wanted {
            return Ok(fragments.iter().map(|fragment| vec![*fragment]).collect());
        }
        self.by_markers(fragments, count)
    }

    fn extended(&mut self, count: usize) -> Result<Option<Vec<u64>>, FrameError<E>> {
        let bytes = match self.survey.get(EXTENDED_OFFSET_TABLE).map(|element| &element.value) {
            Some(Found::Here(bytes)) => bytes.clone(),
            Some(Found::There(place)) if place.length == 8 * count as u64 => self.bytes(*place)?,
            _ => return Ok(None),
        };
        let offsets: Vec<u64> = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Ok((offsets.len() == count).then_some(offsets))
    }

    fn basic(&mut self, table: Place, count: usize) -> Result<Option<Vec<u64>>, FrameError<E>> {
        if table.length != 4 * count as u64 {
            return Ok(None);
        }
        let bytes = self.bytes(table)?;
        Ok(Some(bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes).into()).collect()))
    }

    fn bytes(&mut self, place: Place) -> Result<Bytes, FrameError<E>> {
        Ok(self.window.copy(place.offset, place.offset + place.length)?)
    }

    /// By what stands at the borders of frames, in memory.
    fn by_markers(&mut self, places: &[Place], count: u32) -> Result<Vec<Vec<Place>>, FrameError<E>> {
        let total: u64 = places.iter().map(|place| place.length).sum();
        if total > SEARCHED_BYTES_MAX {
            return Err(FrameError::Frames(FramesError { fragments: places.len(), frames: count }));
        }
        let mut whole = BytesMut::new();
        for place in places {
            whole.extend_from_slice(&self.bytes(*place)?);
        }
        let mut rest = whole.freeze();
        let length = |place: &Place| usize::try_from(place.length).unwrap_or(usize::MAX);
        let fragments = places.iter().map(|place| rest.split_to(length(place).min(rest.len()))).collect();
        let encapsulated = Fragments { offset_table: Bytes::new(), fragments };
        let frames = split(self.family, &encapsulated, &[], count)?;
        let mut from = 0;
        Ok(frames
            .iter()
            .map(|frame| {
                let to = from + frame.len() as u64;
                let cut = cut(places, from..to);
                from = to;
                cut
            })
            .collect())
    }
}

/// Groups fragments by the offset of the first of each frame; `None` when an offset is not the start of a fragment.
fn by_offsets(fragments: &[Place], offsets: &[u64]) -> Option<Vec<Vec<Place>>> {
    // Offsets count from the first byte behind the table: the item header of the first fragment.
    let first = fragments.first()?.offset;
    let mut starts = offsets.iter().peekable();
    let mut frames: Vec<Vec<Place>> = Vec::new();
    for fragment in fragments {
        if starts.next_if(|start| fragment.offset - first == **start).is_some() {
            frames.push(Vec::new());
        }
        frames.last_mut()?.push(*fragment);
    }
    starts.next().is_none().then_some(frames)
}

/// Where a range of all fragments in a row lies.
fn cut(places: &[Place], range: Range<u64>) -> Vec<Place> {
    let mut behind = 0;
    let mut parts = Vec::new();
    for place in places {
        let (from, to) = (range.start.max(behind), range.end.min(behind + place.length));
        if from < to {
            parts.push(Place { offset: place.offset + (from - behind), length: to - from });
        }
        behind += place.length;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_across_fragments() {
        let place = |offset, length| Place { offset, length };
        let places = [place(100, 10), place(200, 5), place(300, 10)];
        assert_eq!(cut(&places, 0..10), [place(100, 10)]);
        assert_eq!(cut(&places, 8..17), [place(108, 2), place(200, 5), place(300, 2)]);
        assert_eq!(cut(&places, 25..25), []);
    }

    #[test]
    fn bits_are_moved_to_the_border_of_a_byte() {
        assert_eq!(aligned(&[0b1011_0010, 0b1111_0101], &(6..12)), [0b01_0110]);
        assert_eq!(aligned(&[0b1011_0010, 0b1111_0101], &(0..9)), [0b1011_0010, 1]);
        assert_eq!(aligned(&[0xFF], &(3..3)), b"");
    }
}
