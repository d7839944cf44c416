//! `outrigger demo`: a front door and two unlike archives, failures in the middle, and the books afterwards.

mod books;
mod cast;
mod objects;
mod process;
mod sender;
mod story;

use std::path::PathBuf;

use crate::cli::DemoArgs;
use crate::process::{Failure, Finished};

/// Shows the main job; good only if every check in it held.
pub(crate) fn run(args: &DemoArgs) -> Result<Finished, Failure> {
    let layers = cast::Layers::read(&args.layers)?;
    let objects = match &args.input {
        Some(directory) => objects::from_directory(directory)?,
        None => objects::phantoms(),
    };
    let place = Place::new(args.keep.clone())?;
    let held = super::runtime()?.block_on(story::tell(&layers, objects, place.path()))?;
    Ok(if held { Finished::Good } else { Finished::NotHeld })
}

/// Where the demo keeps its files.
enum Place {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

impl Place {
    fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        match keep {
            Some(directory) => {
                let absolute = std::path::absolute(&directory);
                Ok(Self::Kept(absolute.map_err(|error| Failure::of("the directory of --keep", error))?))
            }
            None => tempfile::Builder::new()
                .prefix("outrigger-demo-")
                .tempdir()
                .map(Self::Passing)
                .map_err(|error| Failure::of("no directory for the demo can be made", error)),
        }
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(directory) => directory.path(),
        }
    }
}
