//! The walk from element to element.

mod cut;
mod elements;

use outrigger_model::{InstanceHeader, Oddity, Tag};

use super::gather::Gather;
use super::nesting::{Deep, Nesting};
use super::{ScanError, Scanned};
use crate::form::{Form, Header};
use cut::{Cut, HEADER_BYTES_MAX, split};

/// Bytes of the first element its form is guessed from.
const GUESS_BYTES: usize = 6;

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

    /// Walks on; `tap` gets what is walked over, but of headers of pixel data the element number alone, and no zeros
    /// behind the last element.
    pub(crate) fn push(&mut self, mut bytes: &[u8], tap: &mut impl FnMut(Part, &[u8])) {
        while !bytes.is_empty() {
            self.step(&mut bytes, tap);
        }
    }

    /// Takes some of the bytes, at least one.
    fn step(&mut self, bytes: &mut &[u8], tap: &mut impl FnMut(Part, &[u8])) {
        match &mut self.step {
            Step::Header => {
                let Some(header) = self.header(bytes) else { return };
                let is_top = self.nesting.is_top_level();
                self.element(header);
                match self.part {
                    Part::Pixels if is_top => tap(self.part, &header.tag.1.to_be_bytes()),
                    part => tap(part, self.cut.last(header.size)),
                }
            }
            Step::Skip { left, .. } => {
                let skipped = split(bytes, *left);
                *left -= skipped.len() as u64;
                tap(self.part, skipped);
                self.moved(skipped.len() as u64);
            }
            Step::Keep { left, .. } => {
                let kept = split(bytes, *left);
                *left -= kept.len() as u64;
                self.gather.append(kept);
                tap(self.part, kept);
                self.moved(kept.len() as u64);
            }
            Step::Resync { .. } => self.resync(bytes),
            Step::Padding => {
                let zeros = std::mem::take(bytes).iter().all(|byte| *byte == 0);
                if !zeros {
                    self.fail(ScanError::Misplaced { tag: Tag(0, 0) });
                }
            }
            Step::Failed(_) => *bytes = &[],
        }
    }

    /// The form of the elements at the top level, as far as it is known.
    pub(crate) fn form(&self) -> Option<Form> {
        self.form
    }

    /// Ends the walk; whether everything was what it said it was: nothing was skipped to find the way again.
    pub(crate) fn ends_soundly(mut self) -> bool {
        let lost = [Oddity::BadInnerLength, Oddity::TooDeep];
        self.close().is_ok() && !self.oddities.iter().any(|oddity| lost.contains(oddity))
    }

    /// Ends the walk with what it found.
    pub(crate) fn finish(mut self) -> Result<Scanned, ScanError> {
        self.close()?;
        let gather = std::mem::take(&mut self.gather);
        let form = self.form.unwrap_or(Form::ImplicitLittle);
        let header = gather.header(form, |oddity| self.note(oddity))?;
        self.oddities.sort_by_key(|oddity| *oddity as u8);
        Ok(Scanned { header, oddities: self.oddities })
    }

    /// The identifying attributes seen so far, if they suffice.
    pub(crate) fn so_far(self) -> Option<InstanceHeader> {
        self.gather.header(self.form.unwrap_or(Form::ImplicitLittle), |_| {}).ok()
    }

    /// Nothing more comes.
    fn close(&mut self) -> Result<(), ScanError> {
        self.settle();
        match std::mem::replace(&mut self.step, Step::Header) {
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
        if !self.cut.bytes().is_empty() {
            self.note(Oddity::TrailingBytes);
        }
        Ok(())
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
        let before = self.cut.bytes().len();
        self.cut.fill(bytes, limit);
        let start = self.cut.bytes();
        if self.deep.is_none() && self.form.is_none() && start.len() >= GUESS_BYTES {
            self.form = Some(Form::guess(start));
        }
        let form = self.deep.map(|deep| deep.form()).or(self.nesting.form()).or(self.form);
        if let Some(header) = form.and_then(|form| form.header(start)) {
            self.cut.clear();
            self.position += header.size as u64;
            split(bytes, header.size.saturating_sub(before) as u64);
            return Some(header);
        }
        let length = start.len();
        split(bytes, (length - before) as u64);
        if length == limit {
            self.note(Oddity::BadInnerLength);
            self.cut.clear();
            self.position += limit as u64;
        }
        None
    }
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
