//! DICOM JSON Model (PS3.18 Annex F): what QIDO-RS answers and WADO-RS metadata are written in.
//!
//! Written straight into bytes, since a tree of JSON values would take many times the room of the data set.

mod answer;
mod base64;
mod decimal;
mod metadata;
mod object;
mod person;
mod values;

pub use answer::answer;
pub use metadata::metadata;
