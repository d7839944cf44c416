//! What the rules look at: every file that is ours, read once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing we wrote.
const NOT_OURS: &[&str] = &["target", ".git", ".peers", "corpus", "artifacts"];

/// Why the sources cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder.
    #[error("cannot read {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A Rust file that does not parse.
    #[error("cannot parse {path}")]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: syn::Error,
    },
    /// A manifest that does not parse.
    #[error("cannot parse {path}")]
    Manifest {
        /// Which one.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Part of the library or binary of a crate.
    Source,
    /// A test, bench, example or fuzz target.
    Test,
    /// Anything else: documents, manifests, scripts, C.
    Other,
}

/// One file of ours.
pub struct SourceFile {
    /// Its path from the root of the repository.
    pub path: PathBuf,
    /// Its folder under `crates`, if it is in one.
    pub crate_name: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// Its items, if it is Rust.
    pub syntax: Option<syn::File>,
}

impl SourceFile {
    /// Makes a file out of its path and text, as if it had been read.
    pub fn new(path: &Path, text: String) -> Result<Self, SourceError> {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let syntax = is_rust
            .then(|| syn::parse_file(&text))
            .transpose()
            .map_err(|source| SourceError::Parse { path: path.to_owned(), source })?;
        let mut parts = path.iter().filter_map(|part| part.to_str());
        let crate_name = match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => Some(name.to_owned()),
            _ => None,
        };
        let kind = match (is_rust, parts.next()) {
            (true, Some("src")) => Kind::Source,
            (true, _) => Kind::Test,
            (false, _) => Kind::Other,
        };
        Ok(Self { path: path.to_owned(), crate_name, kind, text, syntax })
    }
}

/// All files of ours, and the manifests in a form that can be asked.
pub struct Workspace {
    /// Every text file, in order of path.
    pub files: Vec<SourceFile>,
}

impl Workspace {
    /// Reads the tree under a root.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        let mut paths = Vec::new();
        walk(root, &mut paths)?;
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // Not text: a picture or a fixture.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
                Err(source) => return Err(SourceError::Read { path, source }),
            };
            files.push(SourceFile::new(path.strip_prefix(root).unwrap_or(&path), text)?);
        }
        Ok(Self { files })
    }

    /// The Rust files with their items.
    pub fn rust(&self) -> impl Iterator<Item = (&SourceFile, &syn::File)> {
        self.files.iter().filter_map(|file| Some((file, file.syntax.as_ref()?)))
    }

    /// A file by its path.
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == Path::new(path))
    }

    /// The manifests of the crates.
    pub fn manifests(&self) -> impl Iterator<Item = (&SourceFile, &str)> {
        self.files.iter().filter_map(|file| {
            let name = file.crate_name.as_deref()?;
            (file.path == Path::new("crates").join(name).join("Cargo.toml")).then_some((file, name))
        })
    }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let ours = entry.file_name().to_str().is_none_or(|name| !NOT_OURS.contains(&name));
        if kind.is_dir() && ours {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}
