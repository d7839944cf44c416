//! The commands, one file each.

mod archive;
mod balance;
mod check;
mod demo;
mod expedite;
mod member;
mod rebuild;
mod reference;
mod reload;
mod resend;
mod scrub;
mod serve;
mod status;
mod suspense;
mod why;

use std::path::Path;

use outrigger_runtime::RealDisk;
use outrigger_runtime::disk;

use crate::cli::Command;
use crate::process::{Failure, Finished};

/// A configuration larger than this is something else.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// Carries out a command.
pub(crate) fn run(command: Command) -> Result<Finished, Failure> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Archive(args) => archive::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Scrub(args) => scrub::run(&args),
        Command::Balance(args) => balance::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Suspense(args) => suspense::run(&args),
        Command::Member(args) => member::run(&args),
        Command::Resend(args) => resend::run(&args),
        Command::Expedite(args) => expedite::run(&args),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Reference => Ok(reference::run()),
    }
}

/// Reads a configuration file: its name and its text.
pub(crate) fn read_config(path: &Path) -> Result<(String, String), Failure> {
    let shown = path.display().to_string();
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| Failure::Argument {
        what: format!("the configuration {shown} cannot be read: {error}"),
        instead: "a readable TOML file is expected".to_owned(),
    };
    let bytes =
        disk::read_small(&RealDisk, path, CONFIG_BYTES_MAX).map_err(|error| wrong(Box::new(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(Box::new(error)))?;
    Ok((shown, text))
}

/// The asynchronous runtime of a process that serves.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("the runtime cannot be started", error))
}
