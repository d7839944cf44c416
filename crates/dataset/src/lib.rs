//! Bounded scan of data sets, digests, lossless transcoding.
//!
//! `scan` looks at every object as it arrives and never parses it; `read` builds a tree of bounded depth for those
//! who must look inside; `write` puts a tree into bytes; `normal` says whether two copies say the same.

pub mod codestream;
pub mod commitment;
pub mod dictionary;
pub mod element;
pub mod form;
pub mod identifier;
mod inflate;
pub mod json;
pub mod normal;
pub mod part10;
pub mod phantom;
pub mod pixel;
pub mod read;
mod readable;
pub mod scan;
pub mod survey;
pub mod text;
pub mod transcode;
pub mod write;
