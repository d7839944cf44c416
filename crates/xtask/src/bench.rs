//! `cargo xtask bench`: the programs behind the figures in docs/, built for release and run one at a time.

use std::io;
use std::process::Command;

use clap::ValueEnum;

use crate::tidy;

/// A bench, by the name it has in docs/.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// The journal's layout: frames or files, room made in advance, number of files (docs/journal-layout.md)
    Layout,
    /// The figures of docs/benchmarks.md: Outrigger beside DCMTK and Orthanc; a row's name follows
    Figures,
}

impl Bench {
    /// The package and the example that measure it.
    fn example(self) -> (&'static str, &'static str) {
        match self {
            Self::Layout => ("outrigger-journal", "layout"),
            Self::Figures => ("outrigger", "figures"),
        }
    }
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// The build or the bench failed; its own output says why.
    #[error("the bench failed")]
    Failed,
}

/// Runs a bench with the arguments that follow its name.
pub fn run(bench: Bench, arguments: &[String]) -> Result<(), BenchError> {
    let (package, example) = bench.example();
    if bench == Bench::Figures {
        // What is measured is the program itself, which the example starts.
        cargo(&["build", "--release", "--locked", "--package", package, "--bins"], &[])?;
    }
    cargo(&["run", "--release", "--locked", "--package", package, "--example", example, "--"], arguments)
}

fn cargo(verb: &[&str], arguments: &[String]) -> Result<(), BenchError> {
    let status = Command::new(env!("CARGO"))
        .current_dir(tidy::root())
        .args(verb)
        .args(arguments)
        .status()
        .map_err(BenchError::Start)?;
    if status.success() { Ok(()) } else { Err(BenchError::Failed) }
}
