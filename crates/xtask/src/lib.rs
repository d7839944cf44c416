//! Checks, benches and soaks of the workspace.

pub mod bench;
pub mod ci;
pub mod tidy;
