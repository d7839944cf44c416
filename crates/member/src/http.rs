//! Calling a member's web server: HTTP/1.1, kept connections, bodies that stream both ways.

mod answer;
mod client;
mod driver;
mod error;
mod questions;
mod sending;
mod target;

pub use client::{Client, ClientOptions};
pub use error::{HttpError, HttpRefusal};
pub use target::{Scheme, Target, TargetError, escaped};

pub(crate) use answer::Answer;
pub(crate) use client::{Ask, Connection};
pub(crate) use questions::Questions;
pub(crate) use sending::Payload;
