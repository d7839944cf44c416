//! A node is known by the line it prints when it is ready; here a script stands for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::PeerError;
use tempfile::TempDir;

/// Listens nowhere, and says another port at each start.
const SCRIPT: &str = r#"#!/bin/sh
echo x >> starts
echo "{\"ready\":{\"dimse\":[\"127.0.0.1:$(wc -l < starts)\"],\"web\":[],\"admin\":\"127.0.0.1:9\"}}"
exec sleep 600
"#;

async fn started(script: &str) -> (TempDir, Result<Node, PeerError>) {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let configuration = directory.path().join("outrigger.toml");
    let node = Node::start(&program, Role::Serve, &configuration, directory.path(), Vec::new()).await;
    (directory, node)
}

#[tokio::test]
async fn a_node_says_where_it_listens_after_each_start() {
    let (_directory, node) = started(SCRIPT).await;
    let mut node = node.unwrap();
    let first = node.listening().unwrap();
    assert_eq!(first.dimse, ["127.0.0.1:1".parse().unwrap()]);
    assert_eq!((first.members, first.admin), (None, Some("127.0.0.1:9".parse().unwrap())));
    node.process().restart().await.unwrap();
    assert_eq!(node.listening().unwrap().dimse, ["127.0.0.1:2".parse().unwrap()]);
}

#[tokio::test]
async fn a_node_that_cannot_start_says_why() {
    let (_directory, node) = started("#!/bin/sh\necho 'the journal is locked' >&2\nexit 1\n").await;
    let error = node.unwrap_err().to_string();
    assert!(error.contains("exit status: 1") && error.contains("the journal is locked"), "{error}");
}
