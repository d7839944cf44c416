//! Outrigger: two or more unlike archives as one service.
//!
//! `cli` declares the commands, `commands` has one file for each, `serve` and `commands::archive` wire a process front
//! to back, `admin` is the API that the other commands ask.

mod admin;
mod audit;
mod cli;
mod commands;
mod config;
mod logging;
mod moment;
mod output;
mod process;
mod serve;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(_) if output::is_lost() => ExitCode::FAILURE,
        Ok(status) => status.into(),
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}
