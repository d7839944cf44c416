//! What the journal promises, tried from outside.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests damage files on purpose")]

mod crash;
mod flips;
mod kit;
mod records;
