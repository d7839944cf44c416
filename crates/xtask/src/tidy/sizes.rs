//! How long files are, and how far lines are indented.

use super::{Finding, Kind, SourceFile, Workspace};

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 600;
/// Longest lib.rs: it is a table of contents.
const LIB_LINES_MAX: usize = 60;
/// Columns of indentation at which a line counts as deep: six levels.
const DEEP_COLUMNS: usize = 24;
/// Most deep lines in a thousand, over the whole tree.
const DEEP_PER_THOUSAND_MAX: usize = 15;

/// Files that are too long.
pub fn long_files(workspace: &Workspace) -> Vec<Finding> {
    let too_long = |file: &SourceFile| {
        let lines = file.text.lines().count();
        let is_contents = file.kind == Kind::Source && file.path.ends_with("src/lib.rs");
        let most = if is_contents { LIB_LINES_MAX } else { FILE_LINES_MAX };
        let what = format!("{lines} lines, more than {most}: split it by noun or verb");
        (lines > most).then(|| Finding::at(&file.path, 0, what))
    };
    workspace.rust().filter_map(|(file, _)| too_long(file)).collect()
}

/// Too large a share of deep lines outside tests.
pub fn deep_lines(workspace: &Workspace) -> Vec<Finding> {
    let sources = workspace.files.iter().filter(|file| file.kind == Kind::Source);
    let (mut all, mut deep) = (0, 0);
    for line in sources.flat_map(|file| before_tests(&file.text)) {
        all += 1;
        deep += usize::from(line.len() - line.trim_start().len() >= DEEP_COLUMNS);
    }
    if deep * 1000 <= all * DEEP_PER_THOUSAND_MAX {
        return Vec::new();
    }
    let what = format!("{deep} of {all} lines are indented by {DEEP_COLUMNS} columns or more: return early");
    vec![Finding { path: "crates".into(), line: 0, what }]
}

/// The lines with code, up to the unit tests at the end of a file.
fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim().is_empty())
}
