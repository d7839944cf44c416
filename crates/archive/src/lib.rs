//! The embedded archive: blobs and catalogue behind a front door.
