//! A TOML text with its places, and the mistakes found in it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use outrigger_runtime::Disk;

use super::claims::{Claim, Claimed};

/// Something wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file.
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// The key, with its table.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) wrong: String,
    /// What would be right.
    pub(crate) right: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.wrong)?;
        if self.right.is_empty() { Ok(()) } else { write!(f, "; {}", self.right) }
    }
}

/// Every mistake of one file, in the order of its lines.
#[derive(Debug, thiserror::Error)]
#[error("{}", joined(.0))]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

fn joined(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
}

/// A TOML text that collects mistakes, and the disk that holds the files it names.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    disk: &'t dyn Disk,
    found: RefCell<Vec<Mistake>>,
    claimed: RefCell<Vec<Claimed>>,
}

impl<'t> Document<'t> {
    /// A text, the file it is from, and the disk that its own files are on.
    pub(crate) fn new(file: &'t str, text: &'t str, disk: &'t dyn Disk) -> Self {
        Self { file, text, disk, found: RefCell::default(), claimed: RefCell::default() }
    }

    /// Where the files it names are.
    pub(crate) fn disk(&self) -> &'t dyn Disk {
        self.disk
    }

    /// The text.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// Notes a mistake at a place in the text.
    pub(crate) fn mistake(
        &self,
        span: &Range<usize>,
        key: &str,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        self.found.borrow_mut().push(Mistake {
            file: self.file.to_owned(),
            line: self.line(span),
            key: key.to_owned(),
            wrong: wrong.into(),
            right: right.into(),
        });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.bytes().filter(|byte| *byte == b'\n').count()
    }

    /// Takes something for a key, at its place or by its default; where another key has it already, that is a mistake of
    /// the later line.
    pub(crate) fn claim(&self, place: Option<Range<usize>>, key: &str, claim: Claim) {
        let fresh = Claimed { line: place.map(|span| self.line(&span)), key: key.to_owned(), claim };
        // One is enough: the others follow from the same line.
        if let Some(other) = self.claimed.borrow().iter().find(|other| other.claim.clashes(&fresh.claim)) {
            let (earlier, later) = if other.line <= fresh.line { (other, &fresh) } else { (&fresh, other) };
            self.found.borrow_mut().push(Mistake {
                file: self.file.to_owned(),
                line: later.line.unwrap_or(1),
                key: later.key.clone(),
                wrong: later.claim.wrong(earlier),
                right: later.claim.right(earlier).to_owned(),
            });
        }
        self.claimed.borrow_mut().push(fresh);
    }

    /// Gives the value if nothing was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Mistakes> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|mistake| mistake.line);
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(Mistakes(found)),
        }
    }
}
