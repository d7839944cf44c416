//! The walk from element to element.

use outrigger_model::{Oddity, Tag};

use super::gather::{Gather, Want};
use super::nesting::{Deep, Edge, Kind, Nesting};
use super::{ScanError, Scanned};
use crate::element::Vr;
use crate::form::{
    Form, Header, ITEM, ITEM_END, ITEM_GROUP, Length, PIXEL_VALUES, SEQUENCE_END, holds_fragments,
};

/// Longest header of an element, in bytes.
const HEADER_BYTES_MAX: usize = 12;
/// Bytes of the first element its form is guessed from.
const GUESS_BYTES: usize = 6;
/// Values from here on are called huge: many readers hold lengths in signed 32-bit numbers.
const HUGE_BYTES: u32 = 1 << 31;
const FILE_META_GROUP: u16 = 0x0002;

/// What bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Elements.
    Elements,
    /// The value of pixel data at the top level.
    Pixels,
}

/// Where the scan stands.
pub(crate) struct Walk {
    form: Option<Form>,
    part: Part,
    step: Step,
    /// Bytes behind the walk.
    position: u64,
    /// A header that was cut, as far as it came.
    cut: Cut,
    nesting: Nesting,
    deep: Option<Deep>,
    /// The last tag at the top level.
    last: Tag,
    /// The last tag at all.
    latest: Tag,
    gather: Gather,
    oddities: Vec<Oddity>,
}

/// What comes next.
enum Step {
    Header,
    Skip {
        tag: Tag,
        left: u64,
    },
    Keep {
        tag: Tag,
        left: u64,
    },
    /// Look for the end of a sequence: so many bytes of its delimiter were met.
    Resync {
        matched: usize,
    },
    /// Zeros behind the last element.
    Padding,
    Failed(ScanError),
}

#[derive(Default)]
struct Cut {
    bytes: [u8; HEADER_BYTES_MAX],
    length: usize,
}

impl Walk {
    /// Begins at the top level; without a form it is guessed from the first element.
    pub(crate) fn new(form: Option<Form>) -> Self {
        Self {
            form,
            part: Part::Elements,
            step: Step::Header,
            position: 0,
            cut: Cut::default(),
            nesting: Nesting::default(),
            deep: None,
            last: Tag(0, 0),
            latest: Tag(0, 0),
            gather: Gather::default(),
            oddities: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }

    /// Walks on; `tap` gets what is walked over, but of headers of pixel data the element number
    /// alone, and no zeros behind the last element.
    pub(crate) fn push(&mut self, mut bytes: &[u8], tap: &mut impl FnMut(Part, &[u8])) {
        while !bytes.is_empty() {
            match &mut self.step {
                Step::Header => {
                    if let Some(header) = self.header(&mut bytes) {
                        let is_top = self.nesting.is_top_level();
                        self.element(header);
                        match self.part {
                            Part::Pixels if is_top => tap(self.part, &header.tag.1.to_be_bytes()),
                            part => tap(part, self.cut.bytes.get(..header.size).unwrap_or_default()),
                        }
                    }
                }
                Step::Skip { left, .. } => {
                    let skipped = split(&mut bytes, *left);
                    *left -= skipped.len() as u64;
                    tap(self.part, skipped);
                    self.moved(skipped.len() as u64);
                }
                Step::Keep { left, .. } => {
                    let kept = split(&mut bytes, *left);
                    *left -= kept.len() as u64;
                    self.gather.append(kept);
                    tap(self.part, kept);
                    self.moved(kept.len() as u64);
                }
                Step::Resync { .. } => self.resync(&mut bytes),
                Step::Padding if bytes.iter().all(|byte| *byte == 0) => return,
                Step::Padding => self.fail(ScanError::Misplaced { tag: Tag(0, 0) }),
                Step::Failed(_) => return,
            }
        }
    }

    /// The form of the elements at the top level, as far as it is known.
    pub(crate) fn form(&self) -> Option<Form> {
        self.form
    }

    /// Whether everything so far was what it said it was: nothing was skipped to find the way again.
    pub(crate) fn is_sound(&self) -> bool {
        let lost = [Oddity::BadInnerLength, Oddity::TooDeep];
        !matches!(self.step, Step::Failed(_)) && !self.oddities.iter().any(|oddity| lost.contains(oddity))
    }

    pub(crate) fn finish(mut self) -> Result<Scanned, ScanError> {
        self.settle();
        match self.step {
            Step::Failed(error) => return Err(error),
            Step::Skip { tag, left } | Step::Keep { tag, left } => {
                return Err(ScanError::Truncated { tag, missing: left });
            }
            Step::Resync { .. } => return Err(ScanError::Unfinished { tag: self.latest }),
            Step::Header | Step::Padding => {}
        }
        let form = self.form.unwrap_or(Form::ImplicitLittle);
        if self.deep.is_some() || !self.nesting.is_top_level() || !self.cut.is_padding(form) {
            return Err(ScanError::Unfinished { tag: self.latest });
        }
        if self.cut.length > 0 {
            self.note(Oddity::TrailingBytes);
        }
        let gather = std::mem::take(&mut self.gather);
        let header = gather.header(form, |oddity| self.note(oddity))?;
        self.oddities.sort_by_key(|oddity| *oddity as u8);
        Ok(Scanned { header, oddities: self.oddities })
    }

    /// Bytes held, whatever came.
    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        self.gather.bytes_held() + self.nesting.bytes_held()
    }

    fn moved(&mut self, bytes: u64) {
        self.position += bytes;
        if let Step::Skip { left: 0, .. } | Step::Keep { left: 0, .. } = self.step {
            self.step = Step::Header;
        }
    }

    fn fail(&mut self, error: ScanError) {
        self.step = Step::Failed(error);
    }

    /// Leaves what ends here.
    fn settle(&mut self) {
        if self.nesting.bound().is_none_or(|bound| self.position < bound) {
            return;
        }
        let was_deep = self.deep.take().is_some();
        if !self.nesting.settle(self.position) || was_deep {
            self.note(Oddity::BadInnerLength);
        }
    }

    /// Bytes left where the scan stands: to the end of what encloses it.
    fn room(&self) -> u64 {
        self.nesting.bound().map_or(u64::MAX, |bound| bound.saturating_sub(self.position))
    }

    /// Takes the next header; `None` when the bytes do not suffice, which are kept then.
    fn header(&mut self, bytes: &mut &[u8]) -> Option<Header> {
        self.settle();
        let limit = usize::try_from(self.room()).unwrap_or(usize::MAX).min(HEADER_BYTES_MAX);
        let before = self.cut.length;
        self.cut.fill(bytes, limit);
        let start = self.cut.bytes();
        if self.deep.is_none() && self.form.is_none() && start.len() >= GUESS_BYTES {
            self.form = Some(Form::guess(start));
        }
        let form = self.deep.map(|deep| deep.form()).or(self.nesting.form()).or(self.form);
        if let Some(header) = form.and_then(|form| form.header(start)) {
            self.cut.length = 0;
            self.position += header.size as u64;
            split(bytes, header.size.saturating_sub(before) as u64);
            return Some(header);
        }
        split(bytes, (start.len() - before) as u64);
        if start.len() == limit {
            self.note(Oddity::BadInnerLength);
            self.cut.length = 0;
            self.position += limit as u64;
        }
        None
    }

    fn element(&mut self, header: Header) {
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
                self.value(header);
            }
        }
    }

    fn sequence_element(&mut self, header: Header) {
        match (header.tag, header.length) {
            (ITEM, length) => {
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

    fn resync(&mut self, bytes: &mut &[u8]) {
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

impl Cut {
    /// Copies from `bytes` behind what is kept, up to `limit` in all.
    fn fill(&mut self, bytes: &[u8], limit: usize) {
        let room = self.bytes.get_mut(self.length..limit).unwrap_or_default();
        let copied = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.length += copied;
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Whether what is left behind the last element is padding: nothing, or zeros that no tag begins with.
    fn is_padding(&self, form: Form) -> bool {
        let least = if form == Form::ExplicitBig { 2 } else { 1 };
        self.length == 0 || self.length >= least && self.bytes().iter().all(|byte| *byte == 0)
    }
}

/// Takes up to `length` bytes off the front.
fn split<'a>(bytes: &mut &'a [u8], length: u64) -> &'a [u8] {
    let length = usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()));
    let (front, back) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    *bytes = back;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQUENCE_START: &[u8] = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff";
    const ITEM_START: &[u8] = b"\xfe\xff\0\xe0\xff\xff\xff\xff";

    /// Goal: whatever comes, little is held. The control is what the same bytes would take if they were kept.
    #[test]
    fn holds_little_whatever_comes() {
        let long_value = [&b"\x10\0\x10\0UT\0\0\xff\xff\xff\x7f"[..], &vec![b'A'; 100_000]].concat();
        let values: Vec<u8> = (0..60_000u16)
            .flat_map(|i| [0x10, 0, i.to_le_bytes()[0], 0, b'L', b'O', 2, 0, b'A', b' '])
            .collect();
        let deep = [SEQUENCE_START, ITEM_START].concat().repeat(100_000);
        let items = [SEQUENCE_START, &b"\xfe\xff\0\xe0\0\0\0\0".repeat(100_000)].concat();
        for bytes in [long_value, values, deep, items] {
            let mut walk = Walk::new(Some(Form::ExplicitLittle));
            for piece in bytes.chunks(16_384) {
                walk.push(piece, &mut |_, _| {});
                assert!(walk.bytes_held() < 32 * 1024, "{} bytes held", walk.bytes_held());
            }
        }
    }
}
