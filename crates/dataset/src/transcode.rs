//! Lossless transcoding between transfer syntaxes: the SOP Instance UID and every element stay.

mod data_set;
mod pixels;
mod targets;

pub use data_set::{TranscodeError, transcode};
pub use targets::targets;
