//! The web door: store and search, who may, and what it withstands.

mod access;
mod committing;
pub(crate) mod door;
mod hostile;
mod listed;
mod searching;
mod staying;
mod storing;
mod unserved;
