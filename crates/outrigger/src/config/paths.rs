//! Paths and files that a configuration names: what stands there now, and whether it can be used.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use outrigger_runtime::Disk;
use outrigger_runtime::disk::{self, Access};

use super::claims::Claim;
use super::section::{Key, Section};

/// A file that is read whole is at most this long: a bundle of every public authority is a fifth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    Directory,
    File,
    Nothing,
    /// Something above it is a file.
    BelowFile,
}

fn here(disk: &dyn Disk, path: &Path) -> Here {
    match disk.list(path) {
        Ok(_) => Here::Directory,
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            match disk.open(path, Access::Read).map_err(|error| error.kind()) {
                Err(ErrorKind::NotADirectory) => Here::BelowFile,
                _ => Here::File,
            }
        }
        // Not ours to list: what stands there shows when it is used.
        Err(_) => Here::Nothing,
    }
}

impl Section<'_> {
    /// Takes a directory of ours for a key, made at the start if it is missing; says whether it can be one.
    pub(crate) fn take_directory(&self, key: &Key, claim: Claim) -> bool {
        if let Claim::Home(path) | Claim::Place(path) = &claim {
            let wrong = match here(self.disk(), path) {
                Here::Directory | Here::Nothing => None,
                Here::File => Some("is a file"),
                Here::BelowFile => Some("lies below a file"),
            };
            if let Some(wrong) = wrong {
                let right = "a directory, or a path where one can be made, is expected";
                self.wrong_as(key, format!("{} {wrong}", path.display()), right);
                return false;
            }
        }
        self.claim(key, claim);
        true
    }

    /// Takes a file of ours for a key, made at the start if it is missing; so is its directory where that is `made`.
    pub(crate) fn take_file(&self, key: &Key, path: &Path, made: Option<&Path>) {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let wrong = match here(self.disk(), path) {
            Here::Directory => Some(format!("{} is a directory", path.display())),
            Here::BelowFile => Some(format!("{} lies below a file", path.display())),
            Here::File => None,
            Here::Nothing if made.is_some_and(|made| made.starts_with(directory)) => None,
            Here::Nothing => match self.disk().list(directory) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Some(format!("its directory {} does not exist", directory.display()))
                }
                _ => None,
            },
        };
        if let Some(wrong) = wrong {
            let right = "a file in an existing directory, or a path where one can be made, is expected";
            return self.wrong_as(key, wrong, right);
        }
        self.claim(key, Claim::Place(path.to_owned()));
    }

    /// A file that must be readable, and its content; `None` where the key is left out, and after a mistake.
    pub(crate) fn readable(&self, key: &Key) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.optional(key).map(PathBuf::from)?;
        match disk::read_small(self.disk(), &path, FILE_BYTES_MAX) {
            Ok(content) => Some((path, content)),
            Err(error) => {
                self.wrong(key, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }
}
