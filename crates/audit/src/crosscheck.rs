//! The cross-check: in idle time and under a budget, members are asked the same and give the same instances, and where they
//! differ a third witness decides who is wrong: what was accepted, as far as the journal and the books know it.
//!
//! What is looked at when ([`sample`], [`budget`]) and what follows from what was seen ([`answers`], [`copies`]) are pure code;
//! `look` looks at one study, and [`rounds`](start) goes through all of them, again and again, and keeps how far it is.

pub mod answers;
pub mod budget;
pub mod copies;
mod line;
mod look;
mod noted;
mod pace;
mod rounds;
pub mod sample;
mod suspects;

pub use pace::Activity;
pub use rounds::{CrosscheckOptions, Kept, Progress, start};
pub use suspects::Suspects;
