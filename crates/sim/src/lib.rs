//! Peers real and scripted, forgetful disk, seeded network: what the tests stand on.
//!
//! Only tests use this crate. What stands here speaks the real protocols or is a real program.

mod element;
pub mod part10;
pub mod peers;
pub mod phantom;
pub mod power;
