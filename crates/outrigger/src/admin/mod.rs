//! The admin API: HTTP and JSON on loopback; the command line uses nothing else.

pub(crate) mod client;
pub(crate) mod routes;
pub(crate) mod server;
