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
#[error("failed: {}", .0.join(", "))]
pub struct CiError(Vec<&'static str>);

/// Runs all checks. cargo-deny is not asked for where it is not installed: tidy knows the most of what it would say.
pub fn run() -> Result<(), CiError> {
    let mut failed = Vec::new();
    if let Err(error) = tidy::check() {
        tidy::say(&error.to_string());
        failed.push("tidy");
    }
    for (name, arguments) in CHECKS {
        tidy::say(&format!("{name}: cargo {}", arguments.join(" ")));
        match held(arguments) {
            Ok(Held::Yes) => {}
            Ok(Held::No) => failed.push(name),
            Ok(Held::NotInstalled) => tidy::say(&format!("NOT CHECKED: {name}: cargo-deny is not installed")),
            Err(error) => {
                tidy::say(&format!("cannot start cargo: {error}"));
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(CiError(failed)) }
}

enum Held {
    Yes,
    No,
    NotInstalled,
}

fn held(arguments: &[&str]) -> io::Result<Held> {
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(tidy::root()).env("RUSTDOCFLAGS", "--deny warnings");
        cargo
    };
    if arguments.first() == Some(&"deny") && !cargo().args(["deny", "--version"]).output()?.status.success() {
        return Ok(Held::NotInstalled);
    }
    Ok(if cargo().args(arguments).status()?.success() { Held::Yes } else { Held::No })
}
