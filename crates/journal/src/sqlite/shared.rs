//! What the writer and the readers of the SQLite engine share.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::Access;
use rusqlite::{Connection, OpenFlags};

use crate::held::Held;
use crate::home::{Contents, Home};
use crate::paths::SegmentKey;
use crate::sqlite::index::{Index, Segment, Stage};
use crate::sqlite::names;

/// Databases of sealed segments held open for reading, for the workers of the members and readers that walk through old records.
const OPEN_DATABASES_MAX: usize = 8;

/// A database that one reader uses at a time.
pub(crate) type Database = Arc<Mutex<Connection>>;

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Arc<Home>,
    index: RwLock<Index>,
    /// The segment that grows: its one connection holds it alone.
    open: Mutex<Option<(SegmentKey, Database)>>,
    sealed: Held<Database>,
}

impl Shared {
    pub(crate) fn new(home: Arc<Home>, index: Index) -> Self {
        Self {
            home,
            index: RwLock::new(index),
            open: Mutex::new(None),
            sealed: Held::new(OPEN_DATABASES_MAX),
        }
    }

    // Nothing panics while it holds one of these locks, so a poisoned one is as good as any.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contents(&self) -> Contents {
        let index = self.index();
        Contents { entries: index.entries(), bodies: index.bodies(), bytes: index.bytes() }
    }

    /// Lets readers use the connection of the segment that grows, or no longer.
    pub(crate) fn grows(&self, open: Option<(SegmentKey, Database)>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// The database of a segment; `None` if that version of it is gone.
    pub(crate) fn database(&self, key: SegmentKey) -> rusqlite::Result<Option<Database>> {
        if let Some((_, open)) =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|(open, _)| *open == key)
        {
            return Ok(Some(open.clone()));
        }
        self.sealed.get_or_open(key, || {
            // Held while the name is looked up, so that it is the file that the index means.
            let index = self.index();
            let is_sealed = |segment: &Segment| segment.key() == key && segment.stage == Stage::Sealed;
            if !index.segments.iter().any(is_sealed) {
                return Ok(None);
            }
            let database = read_only(&names::database(&self.home.paths, key.number))?;
            Ok(Some(Arc::new(Mutex::new(database))))
        })
    }

    /// The file with the bodies of a segment; `None` if that version of it is gone.
    pub(crate) fn bodies(&self, key: SegmentKey) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match self.home.disk.open(&names::bodies(&self.home.paths, key), Access::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_there = self.index().segments.iter().any(|segment| segment.key() == key);
                if is_there { Err(error) } else { Ok(None) }
            }
            Err(error) => Err(error),
        }
    }

    /// Lets go of what is held of segments that are no more.
    pub(crate) fn forget(&self, gone: &[SegmentKey]) {
        self.sealed.forget(gone);
    }
}

/// Takes a database for one reader.
pub(crate) fn held(database: &Database) -> MutexGuard<'_, Connection> {
    database.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the database of a sealed segment, which nobody changes any more.
pub(crate) fn read_only(path: &std::path::Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Opens a database without its write-ahead log, which is neither read nor changed.
pub(crate) fn as_it_stands(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let name = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)
}

/// What an error of SQLite's means for who asks for a file.
pub(crate) fn as_io(error: rusqlite::Error) -> io::Error {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        Some(rusqlite::ErrorCode::CannotOpen) => io::ErrorKind::NotFound,
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            io::ErrorKind::InvalidData
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
