//! The inventory: what members held before anything came through here, read into the catalogue.
//!
//! [`sweep`] decides what to ask for next, in pure code; [`take`](start) asks, enters what is shown, and keeps how far it is.

mod asking;
mod class;
pub mod day;
mod gone;
mod listing;
mod look;
mod shortfall;
pub mod slice;
pub mod sweep;
mod take;
mod vanished;

pub use asking::Source;
pub use look::{Looked, Lookup, Named, STUDIES_LOOKED_UP_MAX};
pub use take::{InventoryOptions, start};
