//! `cargo xtask ci`: every check in turn, all of them also when one fails.

use std::io;
use std::process::Command;

use crate::tidy;

/// Each check by its name and the cargo command line that makes it, the quick ones first.
#[rustfmt::skip]
const CHECKS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"]),
    ("licences, bans and sources", &["deny", "--locked", "--log-level", "error", "check", "licenses", "bans", "sources"]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--locked", "--quiet"]),
    ("tests", &["nextest", "run", "--workspace", "--locked"]),
];

/// The checks that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{}", summary(failed, not_run))]
pub struct CiError {
    failed: Vec<&'static str>,
    not_run: Vec<&'static str>,
}

fn summary(failed: &[&str], not_run: &[&str]) -> String {
    let mut text = String::new();
    for name in not_run {
        text.push_str("NOT CHECKED: ");
        text.push_str(name);
        text.push_str(" (install cargo-deny and cargo-nextest with `cargo install --locked`)\n");
    }
    text.push_str("failed: ");
    text.push_str(if failed.is_empty() { "nothing that ran" } else { "" });
    text.push_str(&failed.join(", "));
    text
}

/// Runs all checks; one whose tool is not installed counts as not held.
pub fn run() -> Result<(), CiError> {
    let mut found = CiError { failed: Vec::new(), not_run: Vec::new() };
    if let Err(error) = tidy::check() {
        tidy::say(&error.to_string());
        found.failed.push("tidy");
    }
    for (name, arguments) in CHECKS {
        tidy::say(&format!("{name}: cargo {}", arguments.join(" ")));
        match held(arguments) {
            Ok(Held::Yes) => {}
            Ok(Held::No) => found.failed.push(name),
            Ok(Held::NoTool) => found.not_run.push(name),
            Err(error) => {
                tidy::say(&format!("cannot start cargo: {error}"));
                found.failed.push(name);
            }
        }
    }
    if found.failed.is_empty() && found.not_run.is_empty() { Ok(()) } else { Err(found) }
}

enum Held {
    Yes,
    No,
    NoTool,
}

fn held(arguments: &[&str]) -> io::Result<Held> {
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(tidy::root()).env("RUSTDOCFLAGS", "--deny warnings");
        cargo
    };
    if let Some(tool @ ("deny" | "nextest")) = arguments.first().copied()
        && !cargo().args([tool, "--version"]).output()?.status.success()
    {
        return Ok(Held::NoTool);
    }
    Ok(if cargo().args(arguments).status()?.success() { Held::Yes } else { Held::No })
}
