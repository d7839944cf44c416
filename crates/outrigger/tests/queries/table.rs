//! The table of queries as data: `table.txt`, read.

use std::collections::BTreeMap;

use outrigger_dataset::dictionary;
use outrigger_model::{Level, QueryRoot, Tag};

const TABLE: &str = include_str!("table.txt");

/// The whole table.
pub(crate) struct Table {
    pub(crate) sections: Vec<Section>,
    /// Why archives differ, by the word that stands for the reason in a row.
    pub(crate) reasons: BTreeMap<&'static str, &'static str>,
}

/// Queries of one kind.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// One query and what it is answered.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) root: QueryRoot,
    pub(crate) level: Level,
    pub(crate) keys: Vec<Key>,
    pub(crate) charset: &'static str,
    pub(crate) rules: Vec<&'static str>,
    /// What the front door answers: names of entities with the values that are looked at, or a status.
    pub(crate) expected: &'static str,
    /// Reasons by archive.
    pub(crate) differs: BTreeMap<&'static str, &'static str>,
    pub(crate) text: &'static str,
}

/// A key, and whether its value in the answers is looked at.
pub(crate) struct Key {
    pub(crate) tag: Tag,
    /// The attribute of the item that is meant, of a sequence.
    pub(crate) within: Option<Tag>,
    pub(crate) value: &'static str,
    pub(crate) looked_at: bool,
}

impl Table {
    pub(crate) fn read() -> Self {
        let mut table = Self { sections: Vec::new(), reasons: BTreeMap::new() };
        // Read once by each test: what the rows borrow from stays.
        let text: &'static str = unescaped(TABLE).leak();
        for (line, text) in (1..).zip(text.lines()) {
            if let Some(heading) = text.strip_prefix("## ") {
                table.sections.push(Section { heading, rows: Vec::new() });
            } else if let Some(reason) = text.strip_prefix("because ") {
                let (word, why) = reason.split_once(": ").unwrap();
                table.reasons.insert(word, why);
            } else if !text.is_empty() && !text.starts_with('#') {
                table.sections.last_mut().unwrap().rows.push(Row::read(line, text));
            }
        }
        table
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }
}

/// The text with the characters that stand as `\\u{...}`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut unescaped = parts.next().unwrap().to_owned();
    for part in parts {
        match part.split_once('}').map(|(code, rest)| (u32::from_str_radix(code, 16), rest)) {
            Some((Ok(code), rest)) => {
                unescaped.push(char::from_u32(code).unwrap());
                unescaped.push_str(rest);
            }
            _ => unescaped.push_str(part),
        }
    }
    unescaped
}

impl Row {
    fn read(line: usize, text: &'static str) -> Self {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        let [at, keys, charset, rules, expected, differs] = cells[..] else { panic!("line {line}: {text}") };
        let (root, level) = match at {
            "P PATIENT" => (QueryRoot::Patient, Level::Patient),
            "P STUDY" => (QueryRoot::Patient, Level::Study),
            "P SERIES" => (QueryRoot::Patient, Level::Series),
            "P IMAGE" => (QueryRoot::Patient, Level::Image),
            "S PATIENT" => (QueryRoot::Study, Level::Patient),
            "S STUDY" => (QueryRoot::Study, Level::Study),
            "S SERIES" => (QueryRoot::Study, Level::Series),
            "S IMAGE" => (QueryRoot::Study, Level::Image),
            _ => panic!("line {line}: `{at}` is no level"),
        };
        let differs = differs.split_whitespace().map(|entry| entry.split_once(':').unwrap()).collect();
        Self {
            line,
            root,
            level,
            keys: keys.split(" & ").filter(|key| !key.is_empty()).map(Key::read).collect(),
            charset,
            rules: rules.split_whitespace().collect(),
            expected,
            differs,
            text: keys,
        }
    }
}

impl Key {
    /// `Keyword=value`, or `Keyword?` where the value of the answers is looked at; `Sequence.Keyword` in the item of a sequence.
    fn read(text: &'static str) -> Self {
        let (keyword, value, looked_at) = match (text.split_once('='), text.strip_suffix('?')) {
            (Some((keyword, value)), _) => (keyword, value, false),
            (None, Some(keyword)) => (keyword, "", true),
            (None, None) => (text, "", false),
        };
        let named =
            |keyword| dictionary::by_keyword(keyword).unwrap_or_else(|| panic!("`{keyword}` is no keyword"));
        let (tag, within) = match keyword.split_once('.') {
            Some((sequence, within)) => (named(sequence), Some(named(within))),
            None => (named(keyword), None),
        };
        Self { tag, within, value, looked_at }
    }
}
