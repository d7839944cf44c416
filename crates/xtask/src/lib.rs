//! Checks, benches and soaks of the workspace.

pub mod ci;
pub mod tidy;
