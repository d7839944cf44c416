//! Delivery with a member made for the test, on a simulated disk and a clock that tests turn.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod background;
mod comparing;
mod confirming;
mod damaged;
mod losing;
mod member;
mod refusing;
mod rig;
mod routes;
mod unreported;
