//! Outrigger: two or more unlike archives as one service.

mod config;

fn main() {}
