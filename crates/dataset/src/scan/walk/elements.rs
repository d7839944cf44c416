//! What an element means where it stands, and where the walk goes from it.

use outrigger_model::{Oddity, Tag};

use super::{Part, Step, Walk};
use crate::element::Vr;
use crate::form::{
    Form, Header, ITEM, ITEM_END, ITEM_GROUP, Length, PIXEL_VALUES, SEQUENCE_END, holds_fragments,
};
use crate::scan::ScanError;
use crate::scan::gather::Want;
use crate::scan::nesting::{Deep, Edge, Kind};

/// Values from here on are called huge: many readers hold lengths in signed 32-bit numbers.
const HUGE_BYTES: u32 = 1 << 31;
const FILE_META_GROUP: u16 = 0x0002;
/// What encloses the attributes of an item of a sequence at the top level: the sequence and the item.
const ITEM_DEPTH: usize = 2;

impl Walk {
    pub(super) fn element(&mut self, header: Header) {
        self.latest = header.tag;
        if header.tag.0 == FILE_META_GROUP {
            self.note(Oddity::FileMetaInside);
        }
        if self.deep.is_some() {
            return self.deep_element(header);
        }
        match self.nesting.kind() {
            None => self.top_element(header),
            Some(Kind::Item) => self.item_element(header),
            Some(Kind::Sequence) => self.sequence_element(header),
            Some(Kind::Fragments) => self.fragment(header),
        }
    }

    fn top_element(&mut self, header: Header) {
        let Header { tag, length, .. } = header;
        self.gather.sequences.leave();
        if tag.0 == ITEM_GROUP {
            return self.fail(ScanError::Misplaced { tag });
        }
        if (tag, length) == (Tag(0, 0), Length::Defined(0)) && self.last > tag {
            self.note(Oddity::TrailingBytes);
            self.step = Step::Padding;
            return;
        }
        self.part = if PIXEL_VALUES.contains(&tag) { Part::Pixels } else { Part::Elements };
        if std::mem::replace(&mut self.last, tag) >= tag && tag != Tag(0, 0) {
            self.note(Oddity::OutOfOrder);
        }
        if let Length::Defined(length) = length {
            match self.gather.wants(tag, length) {
                Want::Value if length > 0 => {
                    self.gather.begin(tag);
                    self.note_odd(length);
                    self.step = Step::Keep { tag, left: u64::from(length) };
                    return;
                }
                Want::Shorter => self.note(Oddity::HugeElement),
                Want::Value | Want::Nothing => {}
            }
        }
        self.value(header);
    }

    fn item_element(&mut self, header: Header) {
        match header.tag {
            ITEM_END if self.nesting.is_delimited(Kind::Item) => self.nesting.leave(Kind::Item),
            // The end of a sequence of undefined length is believed, whatever its item says.
            SEQUENCE_END if self.nesting.is_delimited(Kind::Sequence) => {
                self.note(Oddity::BadInnerLength);
                self.nesting.leave(Kind::Sequence);
            }
            ITEM_END | SEQUENCE_END => self.note(Oddity::BadInnerLength),
            tag if tag.0 == ITEM_GROUP => self.stray(tag),
            tag => {
                if !self.nesting.advance(tag) {
                    self.note(Oddity::OutOfOrder);
                }
                if !self.keeps_in_item(header) {
                    self.value(header);
                }
            }
        }
    }

    /// Begins to keep a value in an item of a sequence at the top level, if it is one to be kept.
    fn keeps_in_item(&mut self, header: Header) -> bool {
        let Header { tag, vr, length: Length::Defined(length @ 1..), .. } = header else { return false };
        if self.nesting.depth() != ITEM_DEPTH || vr == Vr::SQ || !self.gather.begin_in_item(tag, length) {
            return false;
        }
        // Held to what encloses it, as a value that is skipped is.
        self.skip(tag, length);
        if let Step::Skip { tag, left } = self.step {
            self.step = Step::Keep { tag, left };
        }
        true
    }

    fn sequence_element(&mut self, header: Header) {
        match (header.tag, header.length) {
            (ITEM, length) => {
                if self.nesting.depth() == ITEM_DEPTH - 1 {
                    self.gather.sequences.enter_item();
                }
                let end = self.end(length);
                self.enter(Kind::Item, end);
            }
            (SEQUENCE_END, _) if self.nesting.is_delimited(Kind::Sequence) => {
                self.nesting.leave(Kind::Sequence);
            }
            (SEQUENCE_END, _) => self.note(Oddity::BadInnerLength),
            (tag, _) => self.stray(tag),
        }
    }

    fn fragment(&mut self, header: Header) {
        match (header.tag, header.length) {
            (ITEM, Length::Defined(length)) => self.skip(ITEM, length),
            (SEQUENCE_END, _) => self.nesting.leave(Kind::Fragments),
            (tag, _) if self.nesting.bound().is_some() => self.stray(tag),
            (tag, _) => self.fail(ScanError::Misplaced { tag }),
        }
    }

    /// Inside what is nested too deeply only the ends matter.
    fn deep_element(&mut self, header: Header) {
        let edge = match (header.tag, header.length) {
            (ITEM, Length::Undefined) => Edge::ItemStart,
            (ITEM_END, _) => Edge::ItemEnd,
            (SEQUENCE_END, _) => Edge::SequenceEnd,
            (tag, Length::Defined(length)) => return self.skip(tag, length),
            (_, Length::Undefined) if header.vr == Vr::UN => Edge::SequenceStart(Form::ImplicitLittle),
            (_, Length::Undefined) => Edge::SequenceContinued,
        };
        if let Some(deep) = &mut self.deep
            && !deep.pass(edge)
        {
            self.deep = None;
        }
    }

    /// The value of an element.
    fn value(&mut self, header: Header) {
        let Header { tag, vr, length, .. } = header;
        match length {
            Length::Undefined if holds_fragments(tag, vr) => self.enter(Kind::Fragments, None),
            Length::Undefined => {
                if !matches!(vr, Vr::SQ | Vr::UN) {
                    if self.nesting.is_top_level() {
                        return self.fail(ScanError::BadLength { tag });
                    }
                    self.note(Oddity::BadInnerLength);
                }
                self.sequence(header);
            }
            Length::Defined(_) if vr == Vr::SQ => self.sequence(header),
            Length::Defined(length) => self.skip(tag, length),
        }
    }

    fn sequence(&mut self, header: Header) {
        let Header { tag, vr, length, .. } = header;
        // PS3.5 section 6.2.2: inside UN of undefined length everything is implicit VR, little endian.
        let form = if vr == Vr::UN { Form::ImplicitLittle } else { self.form_here() };
        if self.nesting.is_full() {
            self.note(Oddity::TooDeep);
            return match length {
                Length::Defined(length) => self.skip(tag, length),
                Length::Undefined => self.deep = Some(Deep::new(form)),
            };
        }
        if self.nesting.is_top_level() {
            self.gather.sequences.enter(tag);
        }
        let end = self.end(length);
        self.nesting.enter(Kind::Sequence, form, end);
    }

    fn enter(&mut self, kind: Kind, end: Option<u64>) {
        self.nesting.enter(kind, self.form_here(), end);
    }

    fn form_here(&self) -> Form {
        self.nesting.form().or(self.form).unwrap_or(Form::ImplicitLittle)
    }

    /// Where a length ends, held to what encloses it.
    fn end(&mut self, length: Length) -> Option<u64> {
        let Length::Defined(length) = length else { return None };
        self.note_odd(length);
        if u64::from(length) > self.room() {
            self.note(Oddity::BadInnerLength);
        }
        Some(self.position + u64::from(length).min(self.room()))
    }

    fn skip(&mut self, tag: Tag, length: u32) {
        if length >= HUGE_BYTES {
            self.note(Oddity::HugeElement);
        }
        if let Some(end) = self.end(Length::Defined(length)) {
            let left = end - self.position;
            self.step = if left == 0 { Step::Header } else { Step::Skip { tag, left } };
        }
    }

    fn note_odd(&mut self, length: u32) {
        if !length.is_multiple_of(2) {
            self.note(Oddity::OddLength);
        }
    }

    /// Something else than what must stand here: a length before it lied. The end of what encloses it is where it goes
    /// on, or the next end of a sequence.
    fn stray(&mut self, tag: Tag) {
        self.note(Oddity::BadInnerLength);
        self.step = match self.nesting.bound() {
            Some(bound) if bound > self.position => Step::Skip { tag, left: bound - self.position },
            Some(_) => Step::Header,
            None => Step::Resync { matched: 0 },
        };
    }

    /// Looks for the end of a sequence, byte by byte.
    pub(super) fn resync(&mut self, bytes: &mut &[u8]) {
        let Step::Resync { matched } = &mut self.step else { return };
        let little = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
        let big = [0xFF, 0xFE, 0xE0, 0xDD, 0, 0, 0, 0];
        let delimiter = if self.nesting.form() == Some(Form::ExplicitBig) { big } else { little };
        while *matched < delimiter.len() {
            let Some((byte, behind)) = bytes.split_first() else { return };
            // The first byte stands nowhere else in a delimiter, so a mismatch can only begin another.
            let start = delimiter.first() == Some(byte);
            *matched = if delimiter.get(*matched) == Some(byte) { *matched + 1 } else { usize::from(start) };
            *bytes = behind;
            self.position += 1;
        }
        self.nesting.leave(Kind::Sequence);
        self.step = Step::Header;
    }
}
