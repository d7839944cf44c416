//! Storing, finding and retrieving, and what survives faults.
#![allow(clippy::disallowed_methods, reason = "the tests look at and damage the files of an archive")]

#[cfg(test)]
mod faults;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod power;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod retrieve;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod store;
