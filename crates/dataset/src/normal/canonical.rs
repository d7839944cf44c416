//! The canonical value of an element: the same whatever transfer syntax, character set or padding it was written with.

use std::borrow::Cow;

use bytes::Bytes;
use dicom_core::dictionary::VirtualVr;
use outrigger_model::Tag;

use super::decimal;
use crate::dictionary;
use crate::element::{DataSet, Element, Value, Vr, width};
use crate::form::{Form, ITEM};
use crate::read::read_items;
use crate::readable::number;
use crate::text::{CharacterSet, decode};

/// A canonical value.
#[derive(Debug)]
pub(super) enum Canonical<'a> {
    /// Values, under the letter of their kind.
    Values(Kind, Vec<Cow<'a, [u8]>>),
    /// Items.
    Items(Cow<'a, [DataSet]>),
}

/// The kinds of values, by the letter that stands before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Uid,
    Integer,
    Float,
    Tag,
    Bytes,
}

/// What the value of an element depends on besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) charset: CharacterSet,
    /// Whether Pixel Representation says that pixels are signed.
    pub(super) signed: bool,
    /// Whether bytes may still be taken as items.
    pub(super) may_nest: bool,
}

impl Kind {
    pub(super) fn letter(self) -> u8 {
        match self {
            Self::Text => b'T',
            Self::Number => b'N',
            Self::Uid => b'U',
            Self::Integer => b'I',
            Self::Float => b'F',
            Self::Tag => b'A',
            Self::Bytes => b'B',
        }
    }
}

/// The canonical value of an element; `None` where it is empty, which is the same as absent (PS3.5 section 7.4.5).
///
/// The value representation is the dictionary's, since half of the transfer syntaxes do not carry it. What the
/// dictionary does not know, private elements above all, is bytes or items.
pub(super) fn canonical<'a>(element: &'a Element, context: &Context) -> Option<Canonical<'a>> {
    let bytes = match &element.value {
        Value::Sequence(items) if items.is_empty() => return None,
        Value::Sequence(items) => return Some(Canonical::Items(Cow::Borrowed(items))),
        Value::Fragments(fragments) => {
            let fragments = fragments.fragments.iter().map(|fragment| Cow::Borrowed(unpadded(fragment)));
            return Some(Canonical::Values(Kind::Bytes, fragments.collect()));
        }
        Value::Bytes(bytes) => bytes,
    };
    match vr(element.tag, context) {
        None | Some(Vr::SQ | Vr::UN) => unknown(bytes, context),
        Some(vr) => known(vr, bytes, context),
    }
}

/// The value representation a public attribute has whoever wrote it.
fn vr(tag: Tag, context: &Context) -> Option<Vr> {
    let is_public = tag.0.is_multiple_of(2);
    match dictionary::entry(tag).filter(|_| is_public)? {
        VirtualVr::Exact(vr) => Some(vr),
        VirtualVr::Xs if context.signed => Some(Vr::SS),
        VirtualVr::Xs => Some(Vr::US),
        // OB or OW, US or OW: bytes.
        _ => Some(Vr::OW),
    }
}

/// Bytes without the byte that made their length even.
pub(super) fn unpadded(bytes: &[u8]) -> &[u8] {
    match bytes {
        [unpadded @ .., 0] if bytes.len().is_multiple_of(2) => unpadded,
        _ => bytes,
    }
}

fn unknown<'a>(bytes: &'a Bytes, context: &Context) -> Option<Canonical<'a>> {
    if context.may_nest
        && Form::ImplicitLittle.header(bytes).is_some_and(|header| header.tag == ITEM)
        && let Ok(items) = read_items(Form::ImplicitLittle, bytes.clone())
    {
        return Some(Canonical::Items(Cow::Owned(items)));
    }
    let mut rest: &[u8] = bytes;
    while let [shorter @ .., 0 | b' '] = rest {
        rest = shorter;
    }
    (!rest.is_empty()).then(|| Canonical::Values(Kind::Bytes, vec![Cow::Borrowed(rest)]))
}

fn known<'a>(vr: Vr, bytes: &'a [u8], context: &Context) -> Option<Canonical<'a>> {
    if bytes.is_empty() {
        return None;
    }
    match vr {
        Vr::OB | Vr::OW | Vr::OL | Vr::OF | Vr::OD | Vr::OV => {
            Some(Canonical::Values(Kind::Bytes, vec![Cow::Borrowed(unpadded(bytes))]))
        }
        _ if width(vr) > 1 => Some(numbers(vr, bytes)),
        _ => texts(vr, bytes, context),
    }
}

fn numbers(vr: Vr, bytes: &[u8]) -> Canonical<'_> {
    let kind = match vr {
        Vr::AT => Kind::Tag,
        Vr::FL | Vr::FD => Kind::Float,
        _ => Kind::Integer,
    };
    let chunks = bytes.chunks_exact(if vr == Vr::AT { 4 } else { width(vr) });
    let whole = chunks.remainder().is_empty();
    let value = |bytes: &[u8]| match kind {
        Kind::Tag => Some(bytes.chunks(2).flat_map(|part| part.iter().rev()).copied().collect()),
        Kind::Float => Some(bytes.iter().rev().copied().collect()),
        _ => number(vr, bytes).map(String::into_bytes),
    };
    match chunks.map(|bytes| value(bytes).map(Cow::Owned)).collect::<Option<Vec<Cow<[u8]>>>>() {
        Some(values) if whole => Canonical::Values(kind, values),
        _ => Canonical::Values(Kind::Bytes, vec![Cow::Borrowed(bytes)]),
    }
}

fn texts(vr: Vr, bytes: &[u8], context: &Context) -> Option<Canonical<'static>> {
    let decoded = decode(bytes, &context.charset, vr);
    let whole = decoded.text.trim_end_matches([' ', '\0']);
    if whole.is_empty() {
        return None;
    }
    let is_single = matches!(vr, Vr::LT | Vr::ST | Vr::UT | Vr::UR);
    let values: Vec<&str> = if is_single { vec![whole] } else { whole.split('\\').collect() };
    if matches!(vr, Vr::DS | Vr::IS) {
        let is_empty = |value: &str| value.trim_matches([' ', '\0']).is_empty();
        let number =
            |value: &&str| if is_empty(value) { Some(String::new()) } else { decimal::canonical(value) };
        if let Some(numbers) = values.iter().map(number).collect::<Option<Vec<String>>>() {
            return Some(Canonical::Values(Kind::Number, owned(numbers)));
        }
    }
    let kind = if vr == Vr::UI { Kind::Uid } else { Kind::Text };
    let values: Vec<String> = values.into_iter().map(|value| text(vr, value)).collect();
    let is_empty = values.iter().all(String::is_empty);
    (!is_empty).then(|| Canonical::Values(kind, owned(values)))
}

fn owned(texts: impl IntoIterator<Item = String>) -> Vec<Cow<'static, [u8]>> {
    texts.into_iter().map(|text| Cow::Owned(text.into_bytes())).collect()
}

fn text(vr: Vr, value: &str) -> String {
    let value = value.trim_end_matches([' ', '\0']);
    match vr {
        Vr::LT | Vr::ST | Vr::UT | Vr::UC | Vr::UR => value.to_owned(),
        Vr::PN => person_name(value.trim_start_matches(' ')),
        _ => value.trim_start_matches(' ').to_owned(),
    }
}

/// A person name without trailing empty components and groups.
fn person_name(value: &str) -> String {
    let groups: Vec<&str> = value.split('=').map(|group| group.trim_end_matches('^')).collect();
    groups.join("=").trim_end_matches('=').to_owned()
}

/// The tag's private creator, if it has one: the block (gggg,00bb) that (gggg,bbee) lies in.
pub(super) fn creator(data_set: &DataSet, tag: Tag) -> Option<&[u8]> {
    let [block, _] = tag.1.to_be_bytes();
    if block < 0x10 {
        return None;
    }
    let mut creator: &[u8] = data_set.bytes(Tag(tag.0, u16::from(block)))?;
    while let [shorter @ .., 0 | b' '] = creator {
        creator = shorter;
    }
    while let [b' ', shorter @ ..] = creator {
        creator = shorter;
    }
    (!creator.is_empty()).then_some(creator)
}
