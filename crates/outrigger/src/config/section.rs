//! Reading the keys of one table: each key is declared, read once, and every other key is a mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_model::AeTitle;
use outrigger_runtime::Disk;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::claims::Claim;
use super::document::Document;
use super::near;
use super::units;

/// A key as it is declared: for the parser, for `check` and for the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is expected, in words.
    pub(crate) expects: &'static str,
    /// The default as it would be written; `None` where there is none.
    pub(crate) default: Option<&'static str>,
    /// What it is for.
    pub(crate) doc: &'static str,
}

/// One table of the file being read.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    table: Option<&'d DeTable<'d>>,
    span: Range<usize>,
    seen: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Section<'d> {
    /// A table at a place of the document.
    pub(crate) fn new(document: &'d Document<'d>, path: &str, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self {
            document,
            path: path.to_owned(),
            table: Some(table.get_ref()),
            span: table.span(),
            seen: RefCell::default(),
        }
    }

    fn inner(&self, path: String, table: Option<&'d DeTable<'d>>, span: Range<usize>) -> Self {
        Self { document: self.document, path, table, span, seen: RefCell::default() }
    }

    fn value(&self, key: &Key) -> Option<&'d Spanned<DeValue<'d>>> {
        self.seen.borrow_mut().insert(key.name);
        self.table?.get(key.name)
    }

    /// Where a mistake about a key is shown: at its value, or at the table where it is missing.
    fn place(&self, key: &Key) -> Range<usize> {
        self.table.and_then(|table| table.get(key.name)).map_or(self.span.clone(), Spanned::span)
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Notes a mistake about a key.
    pub(crate) fn wrong(&self, key: &Key, wrong: impl Into<String>) {
        self.wrong_as(key, wrong, &format!("{} is expected", key.expects));
    }

    /// Notes a mistake about a key where more is to be said of what would be right.
    pub(crate) fn wrong_as(&self, key: &Key, wrong: impl Into<String>, right: &str) {
        self.document.mistake(&self.place(key), &self.full(key.name), wrong, right);
    }

    /// Takes something for a key that no other key may have.
    pub(crate) fn claim(&self, key: &Key, claim: Claim) {
        let place = self.table.and_then(|table| table.get(key.name)).map(Spanned::span);
        self.document.claim(place, &self.full(key.name), claim);
    }

    /// The disk that holds the files named.
    pub(crate) fn disk(&self) -> &'d dyn Disk {
        self.document.disk()
    }

    /// Notes that what a key asks for is not in this version.
    pub(crate) fn not_in_this_version(&self, key: &Key, what: &str) {
        let wrong = format!("{what} is not in this version");
        let right = if key.expects.starts_with('`') || key.expects.starts_with("a loopback") {
            format!("{} is expected", key.expects)
        } else {
            "leave it out".to_owned()
        };
        self.document.mistake(&self.place(key), &self.full(key.name), wrong, right);
    }

    /// Whether the table is in the file.
    pub(crate) fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the key is in the file.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.value(key).is_some()
    }

    /// Whether a list has nothing in it, or is not given.
    pub(crate) fn is_empty_list(&self, key: &Key) -> bool {
        match self.value(key).map(Spanned::get_ref) {
            Some(value) => value.as_array().is_some_and(|array| array.is_empty()),
            None => true,
        }
    }

    /// Says of a list that is given with nothing in it what that means, as somebody may think otherwise.
    pub(crate) fn remark_if_emptied(&self, key: &Key, means: &str) -> Option<String> {
        let name = self.full(key.name);
        (self.has(key) && self.is_empty_list(key))
            .then(|| format!("`{name}` is an empty list, and that means {means}"))
    }

    /// A text; the default where it is not given; a mistake and `None` where there is none.
    pub(crate) fn text(&self, key: &Key) -> Option<String> {
        match self.value(key).map(Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            Some(other) => {
                self.wrong(key, format!("{} stands here", a(other.type_str())));
                None
            }
            None if key.default.is_some() => key.default.map(str::to_owned),
            None => {
                self.wrong(key, "it is missing");
                None
            }
        }
    }

    /// A text that may be left out.
    pub(crate) fn optional(&self, key: &Key) -> Option<String> {
        self.value(key).is_some().then(|| self.text(key)).flatten()
    }

    /// A text that is read into something else.
    pub(crate) fn read<T>(&self, key: &Key, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let value = read(&text);
        if value.is_none() {
            self.wrong(key, format!("`{text}` stands here"));
        }
        value
    }

    /// As [`Section::read`], of a key that may be left out.
    pub(crate) fn read_optional<T>(&self, key: &Key, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.has(key).then(|| self.read(key, read)).flatten()
    }

    /// A duration.
    pub(crate) fn duration(&self, key: &Key) -> Option<Duration> {
        self.read(key, units::duration)
    }

    /// A duration above zero.
    pub(crate) fn timer(&self, key: &Key) -> Option<Duration> {
        self.read(key, |text| units::duration(text).filter(|span| !span.is_zero()))
    }

    /// A size above zero, in bytes.
    pub(crate) fn room(&self, key: &Key) -> Option<u64> {
        self.read(key, |text| units::size(text).filter(|size| *size > 0))
    }

    /// An address to listen on, which nothing else may take.
    pub(crate) fn listener(&self, key: &Key) -> Option<SocketAddr> {
        let address: SocketAddr = self.read(key, |text| text.parse().ok())?;
        self.claim(key, Claim::Listener(address));
        Some(address)
    }

    /// A path.
    pub(crate) fn path(&self, key: &Key) -> Option<PathBuf> {
        self.read(key, |text| (!text.is_empty()).then(|| PathBuf::from(text)))
    }

    /// An AE title.
    pub(crate) fn ae_title(&self, key: &Key) -> Option<AeTitle> {
        self.read(key, |text| AeTitle::new(text).ok())
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, key: &Key, bounds: Range<u64>) -> Option<u64> {
        let given = match self.value(key).map(Spanned::get_ref) {
            Some(DeValue::Integer(number)) => number.as_str().replace('_', "").parse().ok(),
            Some(_) => None,
            None => key.default.and_then(|text| text.parse().ok()),
        };
        let good = given.filter(|number| bounds.contains(number));
        if good.is_none() {
            self.wrong(
                key,
                match self.value(key).map(Spanned::get_ref) {
                    Some(DeValue::Integer(number)) => format!("`{}` stands here", number.as_str()),
                    Some(_) => "what stands here is no number".to_owned(),
                    None => "it is missing".to_owned(),
                },
            );
        }
        good
    }

    /// `true` or `false`.
    pub(crate) fn truth(&self, key: &Key) -> Option<bool> {
        match self.value(key).map(Spanned::get_ref) {
            Some(DeValue::Boolean(truth)) => Some(*truth),
            Some(other) => {
                self.wrong(key, format!("{} stands here", a(other.type_str())));
                None
            }
            None => Some(key.default == Some("true")),
        }
    }

    /// A list of texts, each read into something else; empty where it is left out.
    pub(crate) fn list<T>(&self, key: &Key, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, format!("{} stands here", a(value.get_ref().type_str())));
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in array {
            if let Some(good) = item.get_ref().as_str().and_then(&read) {
                all.push(good);
            } else {
                let right = format!("{} is expected", key.expects);
                let found = item.get_ref().as_str().unwrap_or(item.get_ref().type_str());
                self.document.mistake(
                    &item.span(),
                    &self.full(key.name),
                    format!("`{found}` stands here"),
                    right,
                );
            }
        }
        all
    }

    /// A table within this one; reading its keys gives defaults where it is left out.
    pub(crate) fn table(&self, key: &Key) -> Section<'d> {
        let path = self.full(key.name);
        match self.value(key) {
            Some(value) => {
                let table = value.get_ref().as_table();
                if table.is_none() {
                    self.wrong(key, format!("{} stands here", a(value.get_ref().type_str())));
                }
                self.inner(path, table, value.span())
            }
            None => self.inner(path, None, self.span.clone()),
        }
    }

    /// The tables of a list of tables.
    pub(crate) fn tables(&self, key: &Key) -> Vec<Section<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, format!("{} stands here", a(value.get_ref().type_str())));
            return Vec::new();
        };
        let inner = |item: &'d Spanned<DeValue<'d>>| {
            let table = item.get_ref().as_table();
            if table.is_none() {
                self.wrong(key, format!("{} stands in the list", a(item.get_ref().type_str())));
            }
            self.inner(format!("{}[]", self.full(key.name)), table, item.span())
        };
        array.iter().map(inner).collect()
    }

    /// Reads every table of a list of tables, to find the mistakes in all; `None` if one has any.
    pub(crate) fn each<T>(&self, key: &Key, read: impl FnMut(Section<'d>) -> Option<T>) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = self.tables(key).into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// Ends the table: every key that nobody read is a mistake.
    pub(crate) fn end(self) {
        let Some(table) = self.table else { return };
        let seen = self.seen.borrow();
        for (key, _) in table {
            if !seen.contains(key.get_ref().as_ref()) {
                let near = near::nearest(key.get_ref(), seen.iter().copied());
                let known = || seen.iter().copied().collect::<Vec<_>>().join("`, `");
                let right = near.map_or_else(
                    || format!("known here are `{}`", known()),
                    |near| format!("`{near}` is perhaps meant"),
                );
                self.document.mistake(&key.span(), &self.full(key.get_ref()), "the key is unknown", right);
            }
        }
    }
}

/// The name of a kind of value, with its article.
fn a(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}
