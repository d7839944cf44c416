//! One contract for every catalogue, and what becomes of a damaged one.
#![allow(clippy::disallowed_methods, reason = "the tests copy databases and flip their bits")]

#[cfg(test)]
mod contract;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod inherited;
#[cfg(test)]
mod made;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod states;
