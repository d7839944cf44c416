//! Writes one file by every call of the real disk, for the tests of the fault shim: `disk-writer DIRECTORY`.

use std::io::{self, IoSlice, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use outrigger_runtime::{Disk, RealDisk};

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return ExitCode::from(2);
    };
    match write(&RealDisk, &directory.join("inner")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit status says it too.
            match writeln!(io::stderr(), "{error}") {
                Ok(()) | Err(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn write(disk: &dyn Disk, directory: &std::path::Path) -> io::Result<()> {
    let (draft, name) = (directory.join("draft"), directory.join("name"));
    disk.create_directory(directory)?;
    let file = disk.create(&draft)?;
    file.allocate(4096)?;
    file.write_at(&[IoSlice::new(b"first "), IoSlice::new(b"second")], 0)?;
    file.set_length(12)?;
    file.sync_data()?;
    disk.rename(&draft, &name)?;
    disk.sync_directory(directory)?;
    disk.remove(&name)
}
