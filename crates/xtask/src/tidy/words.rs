//! What texts may not contain.

use super::{Finding, SourceFile, Workspace};

/// Names of places that mean nothing elsewhere, split so that this file does not find itself.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp/", "team"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("debian", ".org"),
    concat!("index.", "crates"),
    concat!("design", ".md"),
    concat!("interface", ".md"),
    concat!("standards", ".md"),
    concat!("reliability", ".md"),
    concat!("peers", ".md"),
    concat!("dependencies", ".md"),
];

fn is_written_by_us(file: &SourceFile) -> bool {
    !file.path.ends_with("Cargo.lock") && !file.path.starts_with("LICENSE")
}

/// Bytes beyond ASCII in sources, scripts and settings; documents may have them.
pub fn non_ascii(workspace: &Workspace) -> Vec<Finding> {
    let is_document = |file: &SourceFile| file.path.extension().is_some_and(|extension| extension == "md");
    let files = workspace.files.iter().filter(|file| !is_document(file) && is_written_by_us(file));
    each_line(files, |line| {
        let character = line.chars().find(|character| !character.is_ascii())?;
        Some(format!("`{character}` is not ASCII: write it as an escape, or in other words"))
    })
}

/// Machines, registries and documents that a reader of this repository does not have.
pub fn places(workspace: &Workspace) -> Vec<Finding> {
    each_line(workspace.files.iter().filter(|file| is_written_by_us(file)), |line| {
        let place = PLACES.iter().find(|place| line.contains(**place))?;
        Some(format!("`{place}` means nothing on another machine"))
    })
}

fn each_line<'a>(
    files: impl Iterator<Item = &'a SourceFile>,
    rule: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let lines = (1..).zip(file.text.lines());
        findings
            .extend(lines.filter_map(|(number, line)| Some(Finding::at(&file.path, number, rule(line)?))));
    }
    findings
}

/// Examples in documentation that rustdoc would take for tests of its own: no crate has it look for them (`doctest = false`), as it
/// takes a minute to find none.
pub fn examples(workspace: &Workspace) -> Vec<Finding> {
    workspace.rust().flat_map(|(file, _)| examples_of(file)).collect()
}

/// Only `text` is said of a block that is no program; an indented block has no place to say it.
fn examples_of(file: &SourceFile) -> Vec<Finding> {
    let (mut is_open, mut was_empty, mut findings) = (false, false, Vec::new());
    for (at, line) in file.text.lines().map(str::trim_start).enumerate() {
        let Some(said) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            (is_open, was_empty) = (false, false);
            continue;
        };
        let fence = said.trim_start().strip_prefix("```");
        let runs = match fence {
            Some(language) => !is_open && language.trim() != "text",
            None => !is_open && was_empty && said.starts_with("     "),
        };
        if runs {
            let what = "an example that rustdoc would run: make it a test, or a block of `text`";
            findings.push(Finding::at(&file.path, at + 1, what));
        }
        is_open ^= fence.is_some();
        was_empty = said.trim().is_empty();
    }
    findings
}
