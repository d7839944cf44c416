//! Encapsulated pixel data: which fragments make a frame, and the lossless codecs.
//!
//! The decoders take peer data. Each holds the size its stream declares against the attributes before it allocates,
//! and none of ours can panic: they read through `Cursor` and bit readers that end in an error.

mod cursor;
mod digest;
mod error;
mod family;
mod frames;
mod huffman;
mod jpeg2000;
mod jpeg_lossless;
mod jpeg_ls;
mod jpeg_sequential;
mod marker;
pub(crate) mod rle;
mod samples;

pub use digest::digest;
pub use error::CodestreamError;
pub use family::Family;
pub(crate) use family::{Codec, decode, decode_lossy_jpeg2000};
pub use frames::FramesError;
pub(crate) use frames::split;
pub use jpeg_sequential::check_sequential_jpeg;
