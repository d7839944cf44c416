//! `docs/queries.md`, made from the table.

use std::fmt::Write as _;

use super::table::{Row, Table};

/// The page as it must be.
pub(crate) fn page(table: &Table, archives: &[(&str, &str)]) -> String {
    let mut page = String::from(HEAD);
    for section in &table.sections {
        write!(page, "\n## {}\n\n", section.heading).unwrap();
        page.push_str("| level | keys | character set | agreed on | answer | archives that differ |\n|---|---|---|---|---|---|\n");
        for row in &section.rows {
            page.push_str(&line(row, archives));
        }
    }
    page.push_str("\n## Why archives differ\n\n| reason | what the archive does |\n|---|---|\n");
    for (word, why) in &table.reasons {
        writeln!(page, "| {word} | {why} |").unwrap();
    }
    page
}

fn line(row: &Row, archives: &[(&str, &str)]) -> String {
    let title = |name: &str| archives.iter().find(|(word, _)| *word == name).map_or("?", |(_, title)| title);
    let named = |name: &str| match name.strip_prefix(super::ASKING) {
        Some(archive) => format!("front door asking {}", title(archive)),
        None => title(name).to_owned(),
    };
    let differs: Vec<String> =
        row.differs.iter().map(|(archive, reason)| format!("{}: {reason}", named(archive))).collect();
    let charset = if row.charset.is_empty() { String::new() } else { code(row.charset) };
    format!(
        "| {:?} Root, {:?} | {} | {charset} | {} | {} | {} |\n",
        row.root,
        row.level,
        code(row.text),
        row.rules.join(", "),
        entities(row.expected),
        differs.join("; ")
    )
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", entities(text))
}

/// The text in ASCII, without characters that mean something in a page.
fn entities(text: &str) -> String {
    let mut written = String::new();
    for character in text.chars() {
        match character {
            'a'..='z'
            | 'A'..='Z'
            | '0'..='9'
            | ' '
            | '='
            | '.'
            | ','
            | '-'
            | '('
            | ')'
            | '{'
            | '}'
            | '?'
            | '^'
            | ';' => {
                written.push(character);
            }
            other => write!(written, "&#{};", u32::from(other)).unwrap(),
        }
    }
    written
}

const HEAD: &str = "\
# Queries and their answers

Made from `crates/outrigger/tests/queries/table.txt` and held against it by a test. Each query is put to each archive
directly, to a front door before it that answers from its catalogue, and to one that asks the archive too; the answer in the table is
that of both front doors, unless it is named beside it, and follows PS3.4 section C.2.2.2. Archives that answer otherwise are named with a reason, explained at the end.

A study is called by a letter, its series have a number behind it, their instances another; patients are called by their IDs. In a
key, `{a1}` stands for the UID of what is called so. Keys in the item of a sequence stand as `Sequence.Attribute`, and
items that were answered as JSON by tag. Values that were looked at stand in parentheses. `-` is no answer. `FF01`
says that a key is not supported: it neither restricts the answer nor has a value in it. `A900` refuses the query, with words and
the offending key.

A key matches no entity whose value is not known. PS3.4 section C.2.2.1.2 would count it as a match; few archives do, and a search by
accession number that also gives every study without one would show other patients' images. With matching of empty values
agreed on, `\"\"` finds them.
";
