//! The tree as it is.

use xtask::tidy::{Finding, RULES, Workspace, root};

#[test]
fn every_rule_holds() {
    let workspace = Workspace::read(&root()).unwrap();
    let findings: Vec<Finding> = RULES.iter().flat_map(|(_, rule)| rule(&workspace)).collect();
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", lines.join("\n"));
}
