//! A disk with a volatile write cache, and its power switch.
//!
//! nbdkit holds the cache: what was written and not flushed is in its memory alone, and goes when it is killed. Above
//! it nbdfuse shows the disk as a file, a loop device makes it a block device, and ext4 lies on that:
//!
//! ```text
//! ext4 - loop device - nbdfuse - nbdkit (cache=writeback) - image
//! ```
//!
//! Needs root, FUSE and loop devices; tests that use it start with `fault_power_`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the disk under test is made of real files and devices, below anything that runtime shows"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::peers::{Launch, PeerError, Process, Ready, ToolRun};

/// A mounted file system whose power can be cut.
#[derive(Debug)]
pub struct VolatileDisk {
    power: Power,
    // Ends before the directory goes.
    cache: Process,
    window: Process,
    directory: TempDir,
}

#[derive(Debug)]
enum Power {
    /// Mounted over the cache, through this loop device.
    On { device: String },
    /// The cache is gone; the file system over it is mounted still, and fails.
    Cut { device: String },
    /// What survived is mounted, straight from the image, through this loop device.
    Back { device: String },
}

impl VolatileDisk {
    /// Makes and mounts an empty file system of this size.
    pub async fn create(mebibytes: u64) -> Result<Self, PeerError> {
        let directory =
            TempDir::with_prefix("outrigger-power-").map_err(PeerError::file(std::env::temp_dir()))?;
        let at = |name: &str| directory.path().join(name);
        File::create(at("image"))
            .and_then(|image| image.set_len(mebibytes * 1024 * 1024))
            .map_err(PeerError::file(at("image")))?;
        for name in ["cache", "window", "mount"] {
            fs::create_dir(at(name)).map_err(PeerError::file(at(name)))?;
        }
        let cache = start_cache(directory.path()).await?;
        let window = start_window(directory.path()).await?;
        let device = attach(&at("window/disk")).await?;
        let disk = Self { power: Power::On { device: device.clone() }, cache, window, directory };
        // Nothing lazy: the file system is whole before anything is tested on it.
        let options = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", &device];
        ToolRun::succeed("mkfs.ext4", options).await?;
        mount(&device, &disk.path()).await?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    /// Cuts the power: from now on every write and sync fails, and what was not flushed is lost.
    ///
    /// Whoever has files open on it is to be ended before it comes back.
    pub fn cut(&mut self) -> Result<(), PeerError> {
        self.cache.kill()?;
        if let Power::On { device } = &self.power {
            self.power = Power::Cut { device: device.clone() };
        }
        Ok(())
    }

    /// Mounts what survived, at the same place, with writes that reach the image.
    pub async fn restore(&mut self) -> Result<(), PeerError> {
        if let Power::On { device } | Power::Cut { device } = &self.power {
            ToolRun::succeed("umount", [self.path()]).await?;
            ToolRun::succeed("losetup", ["--detach", device]).await?;
            self.window.kill()?;
            let device = attach(&self.directory.path().join("image")).await?;
            self.power = Power::Back { device: device.clone() };
            mount(&device, &self.path()).await?;
        }
        Ok(())
    }
}

impl Drop for VolatileDisk {
    fn drop(&mut self) {
        let (Power::On { device } | Power::Cut { device } | Power::Back { device }) = &self.power;
        let (mount, window) = (self.path(), self.directory.path().join("window"));
        let steps: [(&str, &[&str]); 3] = [
            ("umount", &["--lazy", &mount.to_string_lossy()]),
            ("losetup", &["--detach", device]),
            ("umount", &["--lazy", &window.to_string_lossy()]),
        ];
        for (program, arguments) in steps {
            // Each may have been done already, by a restore or by the end of its process.
            let done =
                Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
            if let Err(error) = done {
                tracing::warn!(program, %error, "cannot take a test's disk down");
            }
        }
    }
}

async fn start_cache(directory: &Path) -> Result<Process, PeerError> {
    Process::start(Launch {
        program: "nbdkit".into(),
        arguments: vec![
            "--foreground".into(),
            "--unix".into(),
            directory.join("socket").into(),
            "--filter=cache".into(),
            "file".into(),
            directory.join("image").into(),
            "cache=writeback".into(),
        ],
        variables: vec![("TMPDIR", directory.join("cache").to_string_lossy().into_owned())],
        directory: directory.to_owned(),
        ready: vec![Ready::Path(directory.join("socket"))],
    })
    .await
}

async fn start_window(directory: &Path) -> Result<Process, PeerError> {
    Process::start(Launch {
        program: "nbdfuse".into(),
        arguments: vec![
            directory.join("window/disk").into(),
            "--unix".into(),
            directory.join("socket").into(),
        ],
        variables: Vec::new(),
        directory: directory.to_owned(),
        ready: vec![Ready::Path(directory.join("window/disk"))],
    })
    .await
}

async fn attach(file: &Path) -> Result<String, PeerError> {
    ToolRun::succeed("losetup", ["--find", "--show", &file.to_string_lossy()]).await
}

async fn mount(device: &str, at: &Path) -> Result<(), PeerError> {
    ToolRun::succeed("mount", ["-t", "ext4", device, &at.to_string_lossy()]).await.map(|_| ())
}
