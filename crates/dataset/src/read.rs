//! Reads a whole data set into a tree.
//!
//! Every length is held against the bytes that are there before anything is taken, and nesting against a limit, so the
//! cost is a small multiple of the bytes given. Values share memory with the input, except those of big-endian form.
//! The readers at hand recurse without a limit and allocate what a length announces, which is why this is not theirs.

use bytes::{Buf, Bytes, BytesMut};
use outrigger_model::transfer_syntax::{Encoding, traits};
use outrigger_model::{Tag, TransferSyntaxUid};

use crate::dictionary;
use crate::element::{DataSet, Element, Fragments, Value, Vr, swap, width};
use crate::form::{Form, Header, ITEM, ITEM_END, ITEM_GROUP, Length, SEQUENCE_END, holds_fragments};
pub use crate::inflate::InflateError;
use crate::inflate::Inflater;

/// Deepest nesting of sequences that is read; real objects stay far below.
pub const DEPTH_MAX: usize = 64;

/// Most bytes a deflated data set may inflate to when it is read as a whole: it is held in memory.
const INFLATED_BYTES_MAX: u64 = 512 * 1024 * 1024;

const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);

/// Why a data set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// An element needs more bytes than are left where it stands.
    #[error("the data set ends inside {tag}: {left} bytes are left, more are declared")]
    Truncated {
        /// The element, or the item or delimiter that is missing.
        tag: Tag,
        /// Bytes left.
        left: usize,
    },
    /// Sequences nested too deeply.
    #[error("{tag} is nested deeper than {DEPTH_MAX} sequences")]
    TooDeep {
        /// The innermost sequence looked at.
        tag: Tag,
    },
    /// An item or delimiter where none can stand, or something else where an item must.
    #[error("{tag} stands where it cannot")]
    Misplaced {
        /// What stands there.
        tag: Tag,
    },
    /// An undefined length where the value cannot have one.
    #[error("{tag} has an undefined length and is neither a sequence nor encapsulated")]
    BadLength {
        /// The element.
        tag: Tag,
    },
    /// The transfer syntax is private or unknown, so there is no telling how elements are written.
    #[error("the transfer syntax {transfer_syntax} is not known, so the data set is not read")]
    UnknownSyntax {
        /// The transfer syntax given.
        transfer_syntax: TransferSyntaxUid,
    },
    /// It is deflated and cannot be inflated.
    #[error("the data set cannot be inflated")]
    Inflate(#[source] InflateError),
}

/// Reads a data set of a transfer syntax; deflated ones are inflated first, into memory of its own.
pub fn read(transfer_syntax: &TransferSyntaxUid, bytes: Bytes) -> Result<DataSet, ReadError> {
    match traits(transfer_syntax).encoding {
        Encoding::ImplicitLittle => read_form(Form::ImplicitLittle, bytes),
        Encoding::ExplicitLittle => read_form(Form::ExplicitLittle, bytes),
        Encoding::ExplicitBig => read_form(Form::ExplicitBig, bytes),
        Encoding::Deflated => read_form(Form::ExplicitLittle, inflate(&bytes).map_err(ReadError::Inflate)?),
        Encoding::Unknown => Err(ReadError::UnknownSyntax { transfer_syntax: transfer_syntax.clone() }),
    }
}

/// Reads a data set written in a form.
pub fn read_form(form: Form, mut bytes: Bytes) -> Result<DataSet, ReadError> {
    elements(&Place { form, depth: 0, signed: Signed::No }, &mut bytes, Ending::AllRead)
}

/// Reads bytes that are items and nothing else.
pub(crate) fn read_items(form: Form, mut bytes: Bytes) -> Result<Vec<DataSet>, ReadError> {
    items(&Place { form, depth: 0, signed: Signed::No }, ITEM, &mut bytes, Ending::AllRead)
}

fn inflate(bytes: &[u8]) -> Result<Bytes, InflateError> {
    let mut inflater = Inflater::new(INFLATED_BYTES_MAX);
    let mut out = BytesMut::new();
    inflater.push(bytes, |piece| out.extend_from_slice(piece))?;
    inflater.finish()?;
    Ok(out.freeze())
}

/// Where elements stand.
#[derive(Clone, Copy)]
struct Place {
    form: Form,
    /// Sequences around.
    depth: usize,
    signed: Signed,
}

/// What Pixel Representation says so far: items inherit it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
}

/// What ends a list of elements or of items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All its bytes are read.
    AllRead,
    /// A delimiter.
    Delimiter,
}

fn elements(place: &Place, input: &mut Bytes, ending: Ending) -> Result<DataSet, ReadError> {
    let mut place = *place;
    let mut elements = Vec::new();
    while !input.is_empty() {
        let at_end = place.depth == 0 && !elements.is_empty() && is_padding(input);
        if at_end {
            break;
        }
        let header = take_header(place.form, input, ITEM_END)?;
        if header.tag == ITEM_END && ending == Ending::Delimiter {
            return Ok(DataSet { elements });
        }
        if header.tag.0 == ITEM_GROUP {
            return Err(ReadError::Misplaced { tag: header.tag });
        }
        let element = element(&place, header, input)?;
        if let (PIXEL_REPRESENTATION, Value::Bytes(bytes)) = (element.tag, &element.value) {
            place.signed = if bytes.first() == Some(&1) { Signed::Yes } else { Signed::No };
        }
        elements.push(element);
    }
    match ending {
        Ending::AllRead => Ok(DataSet { elements }),
        Ending::Delimiter => Err(ReadError::Truncated { tag: ITEM_END, left: 0 }),
    }
}

/// Whether nothing but zeros is left, which some writers leave behind the last element.
fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

fn take_header(form: Form, input: &mut Bytes, expected: Tag) -> Result<Header, ReadError> {
    let header = form.header(input).ok_or(ReadError::Truncated { tag: expected, left: input.len() })?;
    input.advance(header.size);
    Ok(header)
}

fn take(tag: Tag, length: u32, input: &mut Bytes) -> Result<Bytes, ReadError> {
    match usize::try_from(length) {
        Ok(length) if length <= input.len() => Ok(input.split_to(length)),
        _ => Err(ReadError::Truncated { tag, left: input.len() }),
    }
}

fn element(place: &Place, header: Header, input: &mut Bytes) -> Result<Element, ReadError> {
    let Header { tag, mut vr, length, .. } = header;
    if place.signed == Signed::Yes && vr == Vr::US && dictionary::follows_pixel_representation(tag) {
        vr = Vr::SS;
    }
    let value = match length {
        Length::Undefined if holds_fragments(tag, vr) => Value::Fragments(fragments(place.form, input)?),
        Length::Undefined if !matches!(vr, Vr::SQ | Vr::UN) => return Err(ReadError::BadLength { tag }),
        Length::Undefined => {
            // PS3.5 section 6.2.2: inside UN of undefined length everything is implicit VR, little endian.
            let form = if vr == Vr::UN { Form::ImplicitLittle } else { place.form };
            Value::Sequence(items(&Place { form, ..*place }, tag, input, Ending::Delimiter)?)
        }
        Length::Defined(length) => {
            let mut bytes = take(tag, length, input)?;
            if vr == Vr::SQ {
                Value::Sequence(items(place, tag, &mut bytes, Ending::AllRead)?)
            } else {
                Value::Bytes(little_endian(place.form, vr, bytes))
            }
        }
    };
    Ok(Element { tag, vr, value })
}

fn little_endian(form: Form, vr: Vr, bytes: Bytes) -> Bytes {
    if form != Form::ExplicitBig || width(vr) == 1 {
        return bytes;
    }
    let mut bytes = BytesMut::from(bytes);
    swap(vr, &mut bytes);
    bytes.freeze()
}

fn items(place: &Place, tag: Tag, input: &mut Bytes, ending: Ending) -> Result<Vec<DataSet>, ReadError> {
    if place.depth >= DEPTH_MAX {
        return Err(ReadError::TooDeep { tag });
    }
    let inside = Place { depth: place.depth + 1, ..*place };
    let mut items = Vec::new();
    while !input.is_empty() {
        let header = take_header(place.form, input, SEQUENCE_END)?;
        match (header.tag, header.length) {
            (SEQUENCE_END, _) if ending == Ending::Delimiter => return Ok(items),
            (ITEM, Length::Undefined) => items.push(elements(&inside, input, Ending::Delimiter)?),
            (ITEM, Length::Defined(length)) => {
                let mut bytes = take(ITEM, length, input)?;
                items.push(elements(&inside, &mut bytes, Ending::AllRead)?);
            }
            (tag, _) => return Err(ReadError::Misplaced { tag }),
        }
    }
    match ending {
        Ending::AllRead => Ok(items),
        Ending::Delimiter => Err(ReadError::Truncated { tag: SEQUENCE_END, left: 0 }),
    }
}

fn fragments(form: Form, input: &mut Bytes) -> Result<Fragments, ReadError> {
    let mut fragments = Vec::new();
    loop {
        let header = take_header(form, input, SEQUENCE_END)?;
        match (header.tag, header.length) {
            (SEQUENCE_END, _) => break,
            (ITEM, Length::Defined(length)) => fragments.push(take(ITEM, length, input)?),
            (tag, _) => return Err(ReadError::Misplaced { tag }),
        }
    }
    let offset_table = if fragments.is_empty() { Bytes::new() } else { fragments.remove(0) };
    Ok(Fragments { offset_table, fragments })
}
