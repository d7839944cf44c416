//! Checks, benches and soaks of the workspace.

pub mod bench;
pub mod ci;
pub mod soak;
pub mod tidy;
