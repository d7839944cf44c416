//! From element to element, values passed over or read.

use bytes::Bytes;
use outrigger_model::Tag;

use super::window::Window;
use super::{BINARY_BYTES_MAX, Found, HELD_BYTES_MAX, Place, Survey, SurveyError, Surveyed, TEXT_BYTES_MAX};
use crate::dictionary;
use crate::element::Vr;
use crate::form::{
    Form, Header, ITEM, ITEM_END, ITEM_GROUP, Length, PIXEL_VALUES, SEQUENCE_END, holds_fragments,
};
use crate::read::{DEPTH_MAX, ReadError};

const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
/// Memory that a list takes beside what is in it: what the allocator keeps of it.
const BESIDE_LIST: usize = 16;
/// Memory that a value takes beside its bytes: what the allocator keeps, and the count of those who share it.
const BESIDE_VALUE: usize = 48;
/// Memory that a byte of a data set stands for at most: an element of one byte in a list that grows, which is held twice then.
const HELD_A_BYTE: u64 = 32;
/// What is held of a data set however short it is.
const HELD_AT_LEAST: u64 = 4 * 1024;

/// Looks a data set of `length` bytes over; `read` gives bytes from a position on, at least one where there is one.
///
/// Values come as they are written, so the form is a little-endian one; others are transcoded first.
pub fn survey<R, E>(form: Form, length: u64, read: R) -> Result<Survey, SurveyError<E>>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    survey_within(HELD_BYTES_MAX, form, length, read).map(|(survey, _)| survey)
}

/// Looks a data set over as [`survey`] does and takes no more than so much memory for it; says how much the survey takes.
pub fn survey_within<R, E>(
    most: u64,
    form: Form,
    length: u64,
    read: R,
) -> Result<(Survey, u64), SurveyError<E>>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    let most = usize::try_from(most.min(HELD_BYTES_MAX)).unwrap_or(usize::MAX);
    let mut look = Look { window: Window::new(read), position: 0, held: 0, most };
    let survey = look.elements(&Around { form, end: length, depth: 0, signed: false }, Ending::AllRead)?;
    Ok((survey, look.held as u64))
}

/// Memory that the survey of a data set of so many bytes takes at most, while it is made and after.
pub fn held_at_most(length: u64) -> u64 {
    length.saturating_mul(HELD_A_BYTE).saturating_add(HELD_AT_LEAST).min(HELD_BYTES_MAX)
}

/// What encloses the place looked at.
#[derive(Clone, Copy)]
struct Around {
    form: Form,
    /// Position that may not be passed.
    end: u64,
    depth: usize,
    /// What Pixel Representation says so far: items inherit it.
    signed: bool,
}

/// What ends a list of elements or of items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    AllRead,
    Delimiter,
}

struct Look<R> {
    window: Window<R>,
    position: u64,
    /// Memory taken.
    held: usize,
    /// Most of it.
    most: usize,
}

impl<R, E> Look<R>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    fn elements(&mut self, around: &Around, ending: Ending) -> Result<Survey, SurveyError<E>> {
        let mut around = *around;
        let mut elements = Vec::new();
        while self.position < around.end {
            if around.depth == 0 && !elements.is_empty() && self.is_padding(around.end)? {
                break;
            }
            let header = self.header(&around, ITEM_END)?;
            if header.tag == ITEM_END && ending == Ending::Delimiter {
                return Ok(Survey { elements: self.ended(elements) });
            }
            if header.tag.0 == ITEM_GROUP {
                return Err(misplaced(header.tag));
            }
            let element = self.element(&around, header)?;
            if let (PIXEL_REPRESENTATION, Found::Here(bytes)) = (element.tag, &element.value) {
                around.signed = bytes.first() == Some(&1);
            }
            self.push(&mut elements, element)?;
        }
        match ending {
            Ending::AllRead => Ok(Survey { elements: self.ended(elements) }),
            Ending::Delimiter => Err(truncated(ITEM_END, 0)),
        }
    }

    /// Whether the next header is eight zeros or fewer to the end, which some writers leave behind the last element.
    fn is_padding(&mut self, end: u64) -> Result<bool, SurveyError<E>> {
        let next = self.window.copy(self.position, end.min(self.position.saturating_add(8)))?;
        Ok(next.iter().all(|byte| *byte == 0))
    }

    fn header(&mut self, around: &Around, expected: Tag) -> Result<Header, SurveyError<E>> {
        let header = self.window.header(around.form, self.position, around.end, expected)?;
        self.position += header.size as u64;
        Ok(header)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), SurveyError<E>> {
        self.held = self.held.saturating_add(bytes);
        if self.held > self.most { Err(SurveyError::TooLarge) } else { Ok(()) }
    }

    /// Puts one more into a list. One that grows may be held twice for a moment: as it was, and as it becomes.
    fn push<T>(&mut self, list: &mut Vec<T>, value: T) -> Result<(), SurveyError<E>> {
        let before = list.capacity();
        if list.len() == before {
            let after = (before * 2).max(1);
            self.hold(size_of_list::<T>(after))?;
            list.reserve_exact(after - before);
            self.held = self.held.saturating_sub(size_of_list::<T>(before));
        }
        list.push(value);
        Ok(())
    }

    /// A list to which nothing comes any more, without the room it has left.
    fn ended<T>(&mut self, mut list: Vec<T>) -> Vec<T> {
        let left = list.capacity() - list.len();
        list.shrink_to_fit();
        self.held = self.held.saturating_sub(left * size_of::<T>());
        list
    }

    fn element(&mut self, around: &Around, header: Header) -> Result<Surveyed, SurveyError<E>> {
        let Header { tag, mut vr, length, .. } = header;
        if around.signed && vr == Vr::US && dictionary::follows_pixel_representation(tag) {
            vr = Vr::SS;
        }
        let value = match length {
            Length::Undefined if holds_fragments(tag, vr) => Found::Fragments(self.fragments(around)?),
            Length::Undefined if !matches!(vr, Vr::SQ | Vr::UN) => {
                return Err(SurveyError::Read(ReadError::BadLength { tag }));
            }
            Length::Undefined => {
                // PS3.5 section 6.2.2: inside UN of undefined length everything is implicit VR, little endian.
                let form = if vr == Vr::UN { Form::ImplicitLittle } else { around.form };
                vr = Vr::SQ;
                Found::Items(self.items(&Around { form, ..*around }, tag, Ending::Delimiter)?)
            }
            Length::Defined(length) => {
                let end = self.end(around, tag, length)?;
                if vr == Vr::SQ {
                    Found::Items(self.items(&Around { end, ..*around }, tag, Ending::AllRead)?)
                } else {
                    self.value(tag, vr, end)?
                }
            }
        };
        Ok(Surveyed { tag, vr, value })
    }

    fn end(&self, around: &Around, tag: Tag, length: u32) -> Result<u64, SurveyError<E>> {
        let end = self.position + u64::from(length);
        if end > around.end { Err(truncated(tag, around.end - self.position)) } else { Ok(end) }
    }

    fn value(&mut self, tag: Tag, vr: Vr, end: u64) -> Result<Found, SurveyError<E>> {
        let place = Place { offset: self.position, length: end - self.position };
        self.position = end;
        if place.length > most_held(tag, vr) {
            return Ok(Found::There(place));
        }
        let bytes = self.window.copy(place.offset, end)?;
        if (bytes.len() as u64) < place.length {
            return Err(truncated(tag, bytes.len() as u64));
        }
        self.hold(size_of_value(bytes.len()))?;
        Ok(Found::Here(bytes))
    }

    fn items(&mut self, around: &Around, tag: Tag, ending: Ending) -> Result<Vec<Survey>, SurveyError<E>> {
        if around.depth >= DEPTH_MAX {
            return Err(SurveyError::Read(ReadError::TooDeep { tag }));
        }
        let inside = Around { depth: around.depth + 1, ..*around };
        let mut items = Vec::new();
        while self.position < around.end {
            let header = self.header(around, SEQUENCE_END)?;
            let item = match (header.tag, header.length) {
                (SEQUENCE_END, _) if ending == Ending::Delimiter => return Ok(self.ended(items)),
                (ITEM, Length::Undefined) => self.elements(&inside, Ending::Delimiter)?,
                (ITEM, Length::Defined(length)) => {
                    let end = self.end(around, ITEM, length)?;
                    self.elements(&Around { end, ..inside }, Ending::AllRead)?
                }
                (tag, _) => return Err(misplaced(tag)),
            };
            self.push(&mut items, item)?;
        }
        match ending {
            Ending::AllRead => Ok(self.ended(items)),
            Ending::Delimiter => Err(truncated(SEQUENCE_END, 0)),
        }
    }

    fn fragments(&mut self, around: &Around) -> Result<Vec<Place>, SurveyError<E>> {
        let mut fragments = Vec::new();
        loop {
            let header = self.header(around, SEQUENCE_END)?;
            match (header.tag, header.length) {
                (SEQUENCE_END, _) => return Ok(self.ended(fragments)),
                (ITEM, Length::Defined(length)) => {
                    let end = self.end(around, ITEM, length)?;
                    let place = Place { offset: self.position, length: length.into() };
                    self.push(&mut fragments, place)?;
                    self.position = end;
                }
                (tag, _) => return Err(misplaced(tag)),
            }
        }
    }
}

/// Memory that a list takes with room for so many.
fn size_of_list<T>(capacity: usize) -> usize {
    if capacity == 0 { 0 } else { capacity.saturating_mul(size_of::<T>()).saturating_add(BESIDE_LIST) }
}

/// Memory that a value of so many bytes takes beside its element.
fn size_of_value(length: usize) -> usize {
    if length == 0 { 0 } else { length.saturating_add(BESIDE_VALUE) }
}

fn misplaced<E: std::error::Error>(tag: Tag) -> SurveyError<E> {
    SurveyError::Read(ReadError::Misplaced { tag })
}

fn truncated<E: std::error::Error>(tag: Tag, left: u64) -> SurveyError<E> {
    SurveyError::Read(ReadError::Truncated { tag, left: usize::try_from(left).unwrap_or(usize::MAX) })
}

/// Most bytes of a value that is read.
fn most_held(tag: Tag, vr: Vr) -> u64 {
    match vr {
        _ if PIXEL_VALUES.contains(&tag) => 0,
        Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW | Vr::UN => BINARY_BYTES_MAX,
        _ => TEXT_BYTES_MAX,
    }
}
