//! A TOML text with its places, and the mistakes found in it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

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

/// A TOML text that collects mistakes.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    found: RefCell<Vec<Mistake>>,
}

impl<'t> Document<'t> {
    /// A text and the file it is from.
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, found: RefCell::default() }
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
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        self.found.borrow_mut().push(Mistake {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            wrong: wrong.into(),
            right: right.into(),
        });
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
