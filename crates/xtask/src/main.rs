//! `cargo xtask`: what a developer and the CI run.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::bench::{self, Bench};
use xtask::{ci, soak, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks, benches and soaks of the workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a commit lands: fmt, tidy, clippy, deny, doc, tests
    Ci,
    /// The figures in docs/: builds one bench for release and runs it
    Bench {
        /// Which
        bench: Bench,
        /// Arguments of the bench itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The fault tests of the whole program, many times over (docs/faults.md)
    Soak {
        /// How many times the counts of scripts/test
        #[arg(long, default_value_t = soak::TIMES)]
        times: u32,
        /// Further arguments of `cargo nextest run`, such as a filter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The rules of the sources that no compiler knows: layers, sizes, names, bans
    Tidy,
}

fn main() -> ExitCode {
    let done: Result<(), Box<dyn Error>> = match Arguments::parse().command {
        Command::Ci => ci::run().map_err(Into::into),
        Command::Bench { bench, arguments } => bench::run(bench, &arguments).map_err(Into::into),
        Command::Soak { times, arguments } => soak::run(times, &arguments).map_err(Into::into),
        Command::Tidy => tidy::check().map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut texts = vec![error.to_string()];
            let mut cause = error.source();
            while let Some(error) = cause {
                texts.push(error.to_string());
                cause = error.source();
            }
            tidy::say(&texts.join(": "));
            ExitCode::FAILURE
        }
    }
}
