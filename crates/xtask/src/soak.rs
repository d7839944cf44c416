//! `cargo xtask soak`: the fault tests of the whole program, many times over.

use std::io;
use std::process::Command;

use crate::tidy;

/// How many times the counts of `scripts/test`: 2,000 kills in all.
pub const TIMES: u32 = 20;

/// Why the soak did not pass.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// Cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// A test failed; its own output says why, with the seed that repeats it.
    #[error("a fault test failed")]
    Failed,
}

/// Runs the fault tests `times` over, one after another, with further arguments for nextest.
pub fn run(times: u32, arguments: &[String]) -> Result<(), SoakError> {
    let status = Command::new(env!("CARGO"))
        .current_dir(tidy::root())
        .args(["nextest", "run", "--locked", "--package", "outrigger", "--profile", "soak"])
        .args(arguments)
        .env("OUTRIGGER_SOAK", times.to_string())
        .status()
        .map_err(SoakError::Start)?;
    if status.success() { Ok(()) } else { Err(SoakError::Failed) }
}
