//! Reads what members hold, and compares it with what is known here; never changes a member.

pub mod crosscheck;
pub mod inventory;
