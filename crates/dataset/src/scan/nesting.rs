//! What the scan stands inside of.

use outrigger_model::Tag;

use crate::form::Form;

/// Sequences that are looked into; what is nested deeper is skipped to its end.
const DEPTH_MAX: usize = 64;

/// What encloses the place of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sequence,
    Item,
    Fragments,
}

/// One enclosure.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    form: Form,
    /// The position behind it, if its length is defined.
    end: Option<u64>,
    /// The innermost position that may not be passed: its own end or that of an enclosure.
    bound: Option<u64>,
    /// The last tag read in it.
    last: Tag,
}

/// The enclosures of a place, the innermost last: at most a sequence and an item for each level.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    frames: Vec<Frame>,
}

impl Nesting {
    pub(super) fn kind(&self) -> Option<Kind> {
        self.frames.last().map(|frame| frame.kind)
    }

    pub(super) fn form(&self) -> Option<Form> {
        self.frames.last().map(|frame| frame.form)
    }

    /// The innermost position that may not be passed.
    pub(super) fn bound(&self) -> Option<u64> {
        self.frames.last().and_then(|frame| frame.bound)
    }

    /// How many sequences and items enclose the place.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn is_top_level(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the innermost enclosure of the kind ends by a delimiter.
    pub(super) fn is_delimited(&self, kind: Kind) -> bool {
        self.frames.iter().rfind(|frame| frame.kind == kind).is_some_and(|frame| frame.end.is_none())
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>()
    }

    /// Whether one more sequence would be deeper than is looked into.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= 2 * DEPTH_MAX
    }

    pub(super) fn enter(&mut self, kind: Kind, form: Form, end: Option<u64>) {
        let bound = end.or_else(|| self.bound());
        self.frames.push(Frame { kind, form, end, bound, last: Tag(0, 0) });
    }

    /// Leaves everything down to, and with, the innermost enclosure of the kind.
    pub(super) fn leave(&mut self, kind: Kind) {
        while self.frames.pop().is_some_and(|frame| frame.kind != kind) {}
    }

    /// Notes the tag of an element inside; whether it follows the one before it.
    pub(super) fn advance(&mut self, tag: Tag) -> bool {
        self.frames.last_mut().is_none_or(|frame| std::mem::replace(&mut frame.last, tag) < tag)
    }

    /// Leaves every enclosure that ends at `position`; whether each was closed by then.
    pub(super) fn settle(&mut self, position: u64) -> bool {
        let Some(first) = self.frames.iter().position(|frame| frame.end.is_some_and(|end| end <= position))
        else {
            return true;
        };
        let closed = self.frames.iter().skip(first).all(|frame| frame.end.is_some());
        self.frames.truncate(first);
        closed
    }
}

/// A place nested deeper than is looked into: sequences and items of undefined length are counted until they end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deep {
    /// How many are open: odd inside a sequence, even inside an item.
    levels: u64,
    form: Form,
    /// Where implicit form began: inside UN of undefined length (PS3.5 section 6.2.2).
    implicit: Option<Outside>,
}

/// What holds again behind a UN of undefined length.
#[derive(Debug, Clone, Copy)]
struct Outside {
    levels: u64,
    form: Form,
}

/// An event inside a deep place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    ItemStart,
    ItemEnd,
    /// In another form than around it.
    SequenceStart(Form),
    /// In the form around it.
    SequenceContinued,
    SequenceEnd,
}

impl Deep {
    /// Inside a sequence of undefined length.
    pub(super) fn new(form: Form) -> Self {
        Self { levels: 1, form, implicit: None }
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Counts; whether the place is still deep.
    pub(super) fn pass(&mut self, edge: Edge) -> bool {
        let in_item = self.levels.is_multiple_of(2);
        match edge {
            Edge::ItemStart | Edge::SequenceContinued => self.levels += 1,
            Edge::ItemEnd if in_item => self.levels -= 1,
            Edge::ItemEnd => {}
            Edge::SequenceStart(form) => {
                if form != self.form {
                    self.implicit = Some(Outside { levels: self.levels, form: self.form });
                    self.form = form;
                }
                self.levels += 1;
            }
            // Behind an item whose end is missing, the sequence's own end closes both.
            Edge::SequenceEnd => self.levels -= if in_item { 2 } else { 1 },
        }
        if let Some(outside) = self.implicit.filter(|outside| self.levels <= outside.levels) {
            self.form = outside.form;
            self.implicit = None;
        }
        self.levels > 0
    }
}
