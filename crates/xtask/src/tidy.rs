//! The rules of the sources that no compiler knows, each a pure function from what was read to findings.

pub mod arrows;
pub mod bans;
pub mod functions;
pub mod packages;
pub mod reached;
pub mod sizes;
pub mod sources;
pub mod words;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use sources::{Kind, SourceError, SourceFile, Workspace};

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub path: PathBuf,
    /// Its line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Which rule, and what to do.
    pub what: String,
}

impl Finding {
    /// A finding about a line of a file.
    pub fn at(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Why the tree is not tidy.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// The sources could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The dependencies could not be asked for.
    #[error("cannot tell the licences of the dependencies")]
    Metadata(#[from] packages::MetadataError),
    /// Rules are broken.
    #[error("{}", lines(.0))]
    Found(Vec<Finding>),
}

fn lines(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    format!("{}\n{} findings", lines.join("\n"), findings.len())
}

/// A rule: its name, and what it finds.
pub type Rule = (&'static str, fn(&Workspace) -> Vec<Finding>);

/// Every rule that needs nothing but our own files.
pub const RULES: &[Rule] = &[
    ("arrows between crates only point downward", arrows::upward),
    ("every crate stands in ARCHITECTURE.md", arrows::undescribed),
    ("files are short", sizes::long_files),
    ("functions are short", functions::long),
    ("functions are flat", functions::deep),
    ("the tree as a whole is flat", sizes::deep_lines),
    ("expect is rare", functions::expects),
    ("every source file belongs to a crate", reached::orphans),
    ("modules are named by what they are", bans::bag_modules),
    ("clock and files are reached through runtime", bans::outside_runtime),
    ("lints are turned off for a reason, and some never", bans::allowed_lints),
    ("no test is left out, no work is left open", bans::left_open),
    ("errors are types, not texts", bans::string_errors),
    ("sources are ASCII", words::non_ascii),
    ("nothing names a machine or a registry", words::places),
    ("examples are tests, and not of rustdoc", words::examples),
    ("dependencies are few, from the registry, and none is banned", packages::unwanted),
];

/// Checks every rule.
pub fn check() -> Result<(), TidyError> {
    let workspace = Workspace::read(&root())?;
    let mut findings: Vec<_> = RULES.iter().flat_map(|(_, rule)| rule(&workspace)).collect();
    findings.extend(packages::unlicensed(&workspace, &packages::packages()?));
    if findings.is_empty() { Ok(()) } else { Err(TidyError::Found(findings)) }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Tells the person at the terminal.
pub fn say(text: &str) {
    // Nothing can be said any more when standard error is closed.
    match writeln!(io::stderr(), "xtask: {text}") {
        Ok(()) | Err(_) => {}
    }
}
