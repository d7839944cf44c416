//! The web servers: each reads requests from a connection and carries them to the same handlers, a tower service.

mod actix;
mod axum;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ::axum::Router;
use outrigger_model::AssociationId;
use outrigger_runtime::permits::LimitReached;
use outrigger_runtime::{Shutdown, Threads};
use tokio::sync::Notify;

pub(super) use self::actix::{ActixError, Carriers};
pub(super) use self::axum::serving;
use super::WebTimers;

/// Most header fields of a request, for either server: browsers send thirty, and actix-http has room for no more.
const HEADERS_MAX: usize = 96;

/// Which web server reads requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebServer {
    /// axum's, which is hyper.
    Axum,
    /// actix-web, on threads of its own.
    Actix,
}

/// The web server of one listener, with the handlers behind it.
#[derive(Clone)]
pub(super) enum Server {
    Axum(Router),
    Actix(Carriers),
}

impl Server {
    /// The one that was chosen.
    pub(super) fn open(
        which: WebServer,
        threads: Threads,
        router: Router,
        timers: WebTimers,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        match which {
            WebServer::Axum => Ok(Self::Axum(router)),
            WebServer::Actix => Carriers::open(threads, &router, timers, shutdown).map(Self::Actix),
        }
    }
}

/// What a connection tells its requests of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) id: AssociationId,
    pub(super) address: IpAddr,
    /// Set where there are as many connections as there may be.
    pub(super) beyond: Option<LimitReached>,
}

/// Told when the first request has come.
pub(super) type Spoke = Arc<Notify>;
