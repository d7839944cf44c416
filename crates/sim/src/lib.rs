//! Peers real and scripted, forgetful disk, seeded network: what the tests stand on.
//!
//! Only tests use this crate. What stands here speaks the real protocols or is a real program.

pub mod able;
pub mod certificates;
pub mod node;
pub mod peers;
pub mod power;
pub mod scripted;
pub mod shim;
pub mod taker;
pub mod tap;

pub use outrigger_dataset::{part10, phantom};
