//! The front against scripted and real peers.

mod shelf;
mod station;
mod store;
