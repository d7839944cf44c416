//! The tree as it is.

use xtask::tidy::packages::{Package, packages, unlicensed};
use xtask::tidy::{Finding, RULES, Workspace, root};

#[test]
fn every_rule_holds() {
    let workspace = Workspace::read(&root()).unwrap();
    let findings: Vec<Finding> = RULES.iter().flat_map(|(_, rule)| rule(&workspace)).collect();
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_licence_is_allowed_and_another_would_be_found() {
    let workspace = Workspace::read(&root()).unwrap();
    let mut packages = packages().unwrap();
    assert_eq!(unlicensed(&workspace, &packages), []);
    packages.push(Package { name: "x".to_owned(), license: Some("SSPL-1.0".to_owned()) });
    packages.push(Package { name: "y".to_owned(), license: None });
    assert_eq!(unlicensed(&workspace, &packages).len(), 2);
}
