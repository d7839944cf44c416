//! Where the files of a journal are.

use std::path::{Path, PathBuf};

use crate::sqlite::names::{self, Named};

/// What the names of later copies begin with.
const LATER_COPY: &str = "copy-";

/// Where the files of a copy are.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) directory: PathBuf,
    pub(crate) segments: PathBuf,
    pub(crate) objects: PathBuf,
    pub(crate) spool: PathBuf,
}

/// What a name in the directory of segments stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentName {
    /// A segment, by its first number.
    Segment(u32),
    /// A segment being carried forward, not yet in force.
    Unfinished,
    /// Not ours.
    Other,
}

/// What names one version of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentKey {
    pub(crate) number: u32,
    pub(crate) rewrites: u32,
}

impl Paths {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            segments: directory.join("segments"),
            objects: directory.join("objects"),
            spool: directory.join("spool"),
        }
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.directory.join("head")
    }

    pub(crate) fn reserve(&self) -> PathBuf {
        self.directory.join("reserve")
    }

    pub(crate) fn segment(&self, number: u32) -> PathBuf {
        self.segments.join(format!("{number:010}.segment"))
    }

    pub(crate) fn unfinished(&self, number: u32) -> PathBuf {
        self.segments.join(format!("{number:010}.unfinished"))
    }

    pub(crate) fn object(&self, name: u128) -> PathBuf {
        self.objects.join(format!("{name:032x}.object"))
    }
}

/// The lock file of a place, whichever copies are in it.
pub(crate) fn lock(place: &Path) -> PathBuf {
    place.join("lock")
}

/// Where a copy is made that comes after the first in a place.
pub(crate) fn later_copy(place: &Path, name: &str) -> PathBuf {
    place.join(format!("{LATER_COPY}{name}"))
}

/// Whether a directory in a place is one of [`later_copy`].
pub(crate) fn is_later_copy(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(LATER_COPY))
}

/// What a file in the directory of segments is.
pub(crate) fn segment_name(path: &Path) -> SegmentName {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match (path.extension().and_then(|extension| extension.to_str()), stem.parse()) {
        (Some("segment"), Ok(number)) => SegmentName::Segment(number),
        (Some("unfinished"), Ok(_)) => SegmentName::Unfinished,
        _ => SegmentName::Other,
    }
}

/// Whether a file is a segment of either engine.
pub(crate) fn is_segment(path: &Path) -> bool {
    matches!(segment_name(path), SegmentName::Segment(_)) || matches!(names::named(path), Named::Database(_))
}

/// The name of an object's file, if it is one.
pub(crate) fn object_name(path: &Path) -> Option<u128> {
    let stem = path.file_stem()?.to_str()?;
    let is_object = path.extension().is_some_and(|extension| extension == "object");
    (is_object && stem.len() == 32).then(|| u128::from_str_radix(stem, 16).ok()).flatten()
}
