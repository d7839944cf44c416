//! What the dependencies bring: how many packages, from where, and under which licence.
//!
//! deny.toml says what is allowed; `cargo deny` reads it too, and knows more, where it is installed.

use std::io;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::{Finding, Workspace, root};

/// Most packages in Cargo.lock; raise it only with a reason in the commit that does.
const PACKAGES_MAX: usize = 440;
/// Whose packages are looked at: those of other systems would only be downloaded for it.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// How a source in Cargo.lock begins that is a registry and no repository.
const REGISTRY: &str = "registry+";

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    source: Option<String>,
}

#[derive(Deserialize, Default)]
struct Settings {
    #[serde(default)]
    licenses: Licences,
    #[serde(default)]
    bans: Bans,
}

#[derive(Deserialize, Default)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

/// Too many packages, banned ones, and ones that no registry keeps.
pub fn unwanted(workspace: &Workspace) -> Vec<Finding> {
    let path = Path::new("Cargo.lock");
    let at = |what: String| Finding::at(path, 0, what);
    let (lock, settings) =
        match (parsed::<Lock>(workspace, "Cargo.lock"), parsed::<Settings>(workspace, "deny.toml")) {
            (Ok(lock), Ok(settings)) => (lock, settings),
            (Err(finding), _) | (_, Err(finding)) => return vec![finding],
        };
    let mut findings = Vec::new();
    let count = lock.package.len();
    if count > PACKAGES_MAX {
        findings.push(at(format!(
            "{count} packages, more than {PACKAGES_MAX}: do without one, or argue for the ceiling"
        )));
    }
    for Locked { name, source } in &lock.package {
        if let Some(ban) = settings.bans.deny.iter().find(|ban| ban.name == *name) {
            findings.push(at(format!("`{name}` is banned: {}", ban.reason)));
        }
        if source.as_ref().is_some_and(|source| !source.starts_with(REGISTRY)) {
            findings.push(at(format!("`{name}` comes from no registry")));
        }
    }
    findings
}

fn parsed<T: for<'de> Deserialize<'de>>(workspace: &Workspace, path: &str) -> Result<T, Finding> {
    let text = workspace.file(path).map_or("", |file| file.text.as_str());
    toml::from_str(text).map_err(|error| Finding::at(Path::new(path), 0, error.to_string()))
}

/// A package as `cargo metadata` tells of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its licence, an SPDX expression; absent if it names only a file.
    pub license: Option<String>,
}

/// Why the licences are not known.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// Its answer is not what it documents.
    #[error("cargo metadata fails, or does not answer in JSON")]
    Answer(#[source] serde_json::Error),
}

/// Every package of the workspace and below it, by asking cargo.
pub fn packages() -> Result<Vec<Package>, MetadataError> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])
        .output()
        .map_err(MetadataError::Start)?;
    let Metadata { packages } = serde_json::from_slice(&output.stdout).map_err(MetadataError::Answer)?;
    Ok(packages)
}

/// Packages whose licence deny.toml does not allow.
pub fn unlicensed(workspace: &Workspace, packages: &[Package]) -> Vec<Finding> {
    let settings: Settings = match parsed(workspace, "deny.toml") {
        Ok(settings) => settings,
        Err(finding) => return vec![finding],
    };
    let allow = &settings.licenses.allow;
    let refused =
        packages.iter().filter(|package| !package.license.as_ref().is_some_and(|text| allows(allow, text)));
    let what = |package: &Package| {
        let licence = package.license.as_deref().unwrap_or("a file of its own");
        Finding::at(
            Path::new("deny.toml"),
            0,
            format!("`{}` is under {licence}, which is not allowed", package.name),
        )
    };
    refused.map(what).collect()
}

/// Whether one alternative of an SPDX expression is allowed in all its parts. An `AND` over a bracket is read
/// without the bracket, which allows less or the same where alternatives stand last.
fn allows(allow: &[String], expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let is_allowed = |part: &str| {
        let licence = part.split(" WITH ").next().unwrap_or(part).trim();
        allow.iter().any(|allowed| allowed == licence)
    };
    plain.split(" OR ").any(|alternative| alternative.split(" AND ").all(is_allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alternative_with_all_its_parts_is_enough() {
        let allow = ["MIT".to_owned(), "Apache-2.0".to_owned()];
        for (expression, allowed) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("MIT/Unlicense", true),
            ("MIT AND GPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
        ] {
            assert_eq!(allows(&allow, expression), allowed, "{expression}");
        }
    }
}
