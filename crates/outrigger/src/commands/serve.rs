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
    let (file, text) = read_config(&args.config)?;
    let config = config::read_node(&file, &text, &RealDisk).map_err(Failure::Configuration)?;
    logging::start(config.base.log);
    super::runtime()?.block_on(serve::run(config, &file, args.accept_loss.clone()))?;
    Ok(Finished::Good)
}
