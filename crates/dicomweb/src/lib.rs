//! DICOMweb as both sides write and read it (PS3.18): search parameters, media types, multipart bodies, responses.
//!
//! Pure: no connections, no files. The front door serves with it, and members that speak DICOMweb are asked with it.

pub mod accept;
pub mod bulk;
pub mod commitment;
pub mod frames;
pub mod media;
pub mod multipart_reader;
pub mod multipart_writer;
pub mod range;
pub mod render;
pub mod resource;
pub mod search;
pub mod stored;
