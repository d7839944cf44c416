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

/// Looks a data set of `length` bytes over; `read` gives bytes from a position on, at least one where there is one.
///
/// Values come as they are written, so the form is a little-endian one; others are transcoded first.
pub fn survey<R, E>(form: Form, length: u64, read: R) -> Result<Survey, SurveyError<E>>
where
    R: FnMut(u64) -> Result<Bytes, E>,
    E: std::error::Error + 'static,
{
    let mut look = Look { window: Window::new(read), position: 0, held: 0 };
    look.elements(&Around { form, end: length, depth: 0, signed: false }, Ending::AllRead)
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
                return Ok(Survey { elements });
            }
            if header.tag.0 == ITEM_GROUP {
                return Err(misplaced(header.tag));
            }
            let element = self.element(&around, header)?;
            if let (PIXEL_REPRESENTATION, Found::Here(bytes)) = (element.tag, &element.value) {
                around.signed = bytes.first() == Some(&1);
            }
            elements.push(element);
        }
        match ending {
            Ending::AllRead => Ok(Survey { elements }),
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
        if self.held > HELD_BYTES_MAX { Err(SurveyError::TooLarge) } else { Ok(()) }
    }

    fn element(&mut self, around: &Around, header: Header) -> Result<Surveyed, SurveyError<E>> {
        let Header { tag, mut vr, length, .. } = header;
        self.hold(size_of::<Surveyed>())?;
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
        self.hold(bytes.len())?;
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
            self.hold(size_of::<Survey>())?;
            match (header.tag, header.length) {
                (SEQUENCE_END, _) if ending == Ending::Delimiter => return Ok(items),
                (ITEM, Length::Undefined) => items.push(self.elements(&inside, Ending::Delimiter)?),
                (ITEM, Length::Defined(length)) => {
                    let end = self.end(around, ITEM, length)?;
                    items.push(self.elements(&Around { end, ..inside }, Ending::AllRead)?);
                }
                (tag, _) => return Err(misplaced(tag)),
            }
        }
        match ending {
            Ending::AllRead => Ok(items),
            Ending::Delimiter => Err(truncated(SEQUENCE_END, 0)),
        }
    }

    fn fragments(&mut self, around: &Around) -> Result<Vec<Place>, SurveyError<E>> {
        let mut fragments = Vec::new();
        loop {
            let header = self.header(around, SEQUENCE_END)?;
            self.hold(size_of::<Place>())?;
            match (header.tag, header.length) {
                (SEQUENCE_END, _) => return Ok(fragments),
                (ITEM, Length::Defined(length)) => {
                    let end = self.end(around, ITEM, length)?;
                    fragments.push(Place { offset: self.position, length: length.into() });
                    self.position = end;
                }
                (tag, _) => return Err(misplaced(tag)),
            }
        }
    }
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
