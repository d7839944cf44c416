//! What a person or a script sees: data on stdout, everything else on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place where the command line writes")]

use std::io::{self, IsTerminal, Write};

use crate::process::{Failure, with_causes};

/// A failure with its causes, in one line.
pub(crate) fn failure(failure: &Failure) {
    eprintln!("outrigger: {}", with_causes(failure));
}

/// A line of data; a reader that went away ends the output quietly.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever read has enough, as `head` does.
            std::process::exit(0);
        }
        note(&format!("the output could not be written: {error}"));
    }
}

/// A line of data that somebody waits for, at once.
pub(crate) fn announce(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// A line for the person at the terminal.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Whether a person looks at stdout and wants colour (`NO_COLOR`, no-color.org).
pub(crate) fn coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A table: a heading and rows of cells, columns as wide as they must be, numbers to the right.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(heading.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn padded(cell: &str, width: usize) -> String {
    let is_number = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}
