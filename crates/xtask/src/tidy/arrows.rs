//! Which crate may use which: the layers.

use std::collections::BTreeMap;

use super::{Finding, SourceFile, Workspace};

/// Crates that every other may use.
const GROUND: &[&str] = &["model", "runtime"];

/// What each crate may use beside the ground; its own layer and those above are absent.
#[rustfmt::skip]
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("runtime", &[]),
    ("dimse", &[]),
    ("dataset", &[]),
    ("dicomweb", &["dataset"]),
    ("journal", &[]),
    ("catalogue", &["dataset"]),
    ("front", &["dimse", "dataset", "dicomweb"]),
    ("ledger", &["journal", "catalogue"]),
    ("archive", &["front", "catalogue", "dataset"]),
    ("member", &["dimse", "dataset", "dicomweb"]),
    ("delivery", &["ledger", "member", "journal", "dataset"]),
    ("query", &["ledger", "member", "journal", "catalogue", "dataset"]),
    ("audit", &["journal", "ledger", "member", "catalogue", "dataset"]),
    ("gateway", &["journal", "catalogue", "front", "ledger", "archive", "member", "delivery", "query", "audit", "dataset"]),
    ("outrigger", &["dimse", "dataset", "dicomweb", "journal", "catalogue", "front", "ledger", "archive", "member", "delivery", "query", "audit", "gateway"]),
    ("sim", &["dimse", "dataset", "dicomweb", "journal", "catalogue", "front", "ledger", "archive", "member", "delivery", "query", "audit", "gateway"]),
    ("xtask", &["dimse", "dataset", "dicomweb", "journal", "catalogue", "front", "ledger", "archive", "member", "delivery", "query", "audit", "gateway", "sim"]),
];

/// Of the ground, what these may not use.
const NOT_EVEN: &[(&str, &str, &str)] = &[
    ("journal", "model", "the journal knows no DICOM"),
    ("model", "runtime", "model has no I/O"),
    ("runtime", "model", "runtime knows no DICOM"),
];

/// Who may use `sim` in tests: the crates that speak to peers or database servers; the others stand below what it simulates.
const TESTED_WITH_SIM: &[&str] = &[
    "dimse",
    "catalogue",
    "front",
    "archive",
    "member",
    "delivery",
    "gateway",
    "outrigger",
    "dataset",
    "xtask",
];

/// A dependency of one crate of ours on another.
struct Arrow {
    to: String,
    only_in_tests: bool,
}

fn arrows_of(manifest: &SourceFile) -> Result<Vec<Arrow>, toml::de::Error> {
    let table: toml::Table = manifest.text.parse()?;
    let section = |name: &str, only_in_tests: bool| {
        let names =
            table.get(name).and_then(toml::Value::as_table).into_iter().flat_map(|section| section.keys());
        let ours = names.filter_map(|name| name.strip_prefix("outrigger-"));
        ours.map(|name| Arrow { to: name.to_owned(), only_in_tests }).collect::<Vec<_>>()
    };
    Ok([
        section("dependencies", false),
        section("build-dependencies", false),
        section("dev-dependencies", true),
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// Dependencies that point upward or sideways.
pub fn upward(workspace: &Workspace) -> Vec<Finding> {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut findings = Vec::new();
    for (manifest, name) in workspace.manifests() {
        let mut find = |what: String| findings.push(Finding::at(&manifest.path, 0, what));
        let Some(may_use) = table.get(name) else {
            find(format!("the crate `{name}` has no layer: give it one in the table of this rule"));
            continue;
        };
        match arrows_of(manifest) {
            Ok(arrows) => arrows.iter().filter_map(|arrow| objection(name, may_use, arrow)).for_each(find),
            Err(error) => find(format!("cannot be parsed: {error}")),
        }
    }
    findings
}

fn objection(name: &str, may_use: &[&str], arrow: &Arrow) -> Option<String> {
    let to = arrow.to.as_str();
    if let Some((.., why)) = NOT_EVEN.iter().find(|(from, ground, _)| (*from, *ground) == (name, to)) {
        return Some(format!("`{name}` may not use `{to}`: {why}"));
    }
    if GROUND.contains(&to) || may_use.contains(&to) {
        return None;
    }
    match (to, arrow.only_in_tests) {
        ("sim", true) if TESTED_WITH_SIM.contains(&name) => None,
        ("sim", _) => Some(format!("`{name}` may not use `sim`")),
        (_, true) => Some(format!("the tests of `{name}` may not use `{to}`, a layer above or beside it")),
        (_, false) => Some(format!("`{name}` may not use `{to}`, a layer above or beside it")),
    }
}

/// Crates that ARCHITECTURE.md does not name.
pub fn undescribed(workspace: &Workspace) -> Vec<Finding> {
    let Some(page) = workspace.file("ARCHITECTURE.md") else {
        return vec![Finding { path: "ARCHITECTURE.md".into(), line: 0, what: "the page is missing".into() }];
    };
    let unnamed = workspace.manifests().filter(|(_, name)| !page.text.contains(&format!("`{name}`")));
    unnamed
        .map(|(_, name)| Finding::at(&page.path, 0, format!("the crate `{name}` is not described")))
        .collect()
}
