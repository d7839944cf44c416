//! Outrigger: two or more unlike archives as one service.

fn main() {}
