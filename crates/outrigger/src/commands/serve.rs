//! `outrigger serve`: a node in the foreground.

use outrigger_runtime::RealDisk;

use crate::cli::ServeArgs;
use crate::commands::read_config;
use crate::config;
use crate::logging;
use crate::process::{Failure, Finished};
use crate::serve;

/// Runs a node until it is told to stop.
pub(crate) fn run(args: &ServeArgs) -> Result<Finished, Failure> {
    if args.accept_loss.is_some() {
        return Err(Failure::Argument {
            what: "--accept-loss is not in this version: the journal has one copy, and without it nothing can be served".to_owned(),
            instead: "leave it out".to_owned(),
        });
    }
    let (file, text) = read_config(&args.config)?;
    let config = config::read_node(&file, &text, &RealDisk).map_err(Failure::Configuration)?;
    logging::start(config.base.log);
    super::runtime()?.block_on(serve::run(config, &file))?;
    Ok(Finished::Good)
}
