//! What a person or a script sees: data on stdout, everything else on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place where the command line writes")]

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::{Failure, with_causes};

/// Set with the first line that could not be written: stdout is one for the whole process.
static LOST: AtomicBool = AtomicBool::new(false);

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
        // Said once, however many lines follow; the command goes on to its end, since others may depend on what it does.
        if !LOST.swap(true, Ordering::Relaxed) {
            eprintln!("outrigger: the output could not be written: {error}");
        }
    }
}

/// Whether a line of data could not be written: then the command has failed, whatever it found.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
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

/// A column of a table by its heading: what it holds says to which side its cells go, whatever they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column<'h> {
    /// Words, names, times: to the left.
    Text(&'h str),
    /// Counts: to the right.
    Count(&'h str),
}

impl Column<'_> {
    fn heading(&self) -> &str {
        match self {
            Self::Text(heading) | Self::Count(heading) => heading,
        }
    }

    fn padded(&self, cell: &str, width: usize) -> String {
        match self {
            Self::Text(_) => format!("{cell:<width$}"),
            Self::Count(_) => format!("{cell:>width$}"),
        }
    }
}

/// A table: a heading and rows of cells, columns as wide as they must be.
pub(crate) fn table(columns: &[Column<'_>], rows: &[Vec<String>]) {
    for row in rows_of(columns, rows) {
        line(&row);
    }
}

fn rows_of(columns: &[Column<'_>], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = columns.iter().map(|column| column.heading().to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let row = |row: &&Vec<String>| {
        let places = columns.iter().zip(&widths);
        let cells = row.iter().zip(places).map(|(cell, (column, width))| column.padded(cell, *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(row).collect()
}

/// A number and what is counted, in the singular where it is one.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Units of a size, each 1024 times the one before.
const SIZES: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/// A size as people read it, to a tenth of its unit and never more than there is.
pub(crate) fn size(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10);
    let mut units = SIZES.iter();
    let mut unit = units.next().unwrap_or(&"bytes");
    while tenths >= 10 * 1024
        && let Some(larger) = units.next()
    {
        tenths /= 1024;
        unit = larger;
    }
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        tenth => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_holds_says_to_which_side_its_cells_go() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let columns = [Column::Text("uid"), Column::Count("owed"), Column::Text("state")];
        let shown = rows_of(&columns, &[row(["31", "5", "up"]), row(["1.2.3", "-", "held"])]);
        assert_eq!(shown, ["uid    owed  state", "31        5  up", "1.2.3     -  held"]);
    }

    #[test]
    fn one_is_singular_and_sizes_have_units() {
        let postings = |count| counted(count, "posting", "postings");
        assert_eq!([0, 1, 2].map(postings), ["0 postings", "1 posting", "2 postings"]);
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1_600_000, "1.5 MiB"),
            (50 << 30, "50 GiB"),
            (3 << 50, "3072 TiB"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
    }
}
