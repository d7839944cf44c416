//! The only writer of members: takes open postings and closes them.
//!
//! Front doors and audits never call a member's changing methods; they write entries, and this crate carries them out.
//! Reading order: `start` wires a member's workers, `slot` is the loop of one connection, `parcel` gets an object's
//! bytes, `send` stores a batch, `plan` decides what follows, `confirm` asks the member whether it really has it,
//! `release` lets bytes go, `versions` tells re-encodings from new versions.

pub mod compare;
pub mod confirm;
pub mod lanes;
pub mod lines;
pub mod parcel;
pub mod plan;
pub mod release;
pub mod send;
pub mod setup;
pub mod slot;
pub mod standing;
pub mod start;
pub mod versions;

pub use setup::{Calling, MemberSetup, Route};
pub use standing::{Refusals, Standing, StandingState};
pub use start::{Delivery, DeliveryOptions};
