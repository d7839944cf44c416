//! One thread: every connection it was handed, until nobody hands it another.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use axum::Router;
use outrigger_runtime::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::turn::Turn;
use super::wire::{Link, Wire};
use super::{ActixError, Handed, asking};

/// The handlers, and where they run.
pub(super) struct Handlers {
    pub(super) router: Router,
    pub(super) runtime: Handle,
}

/// Carries what is handed over.
pub(super) async fn carry_all(
    handlers: Handlers,
    head: Duration,
    shutdown: Shutdown,
    mut handed: mpsc::Receiver<Handed>,
) {
    let handlers = Rc::new(handlers);
    let Ok(machine) = machine(shutdown).new_service(()).await.inspect_err(note_unmade) else { return };
    let machine = Rc::new(machine);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            next = handed.recv() => {
                let Some(next) = next else { return };
                let span = next.span.clone();
                let carrying = carry(Rc::clone(&machine), Rc::clone(&handlers), head, next);
                connections.spawn_local(carrying.instrument(span));
            }
            Some(ended) = connections.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "a connection's task failed");
            },
        }
    }
}

fn note_unmade<E: Debug>(error: &E) {
    tracing::error!(?error, "actix cannot be made ready");
}

/// actix's connection machine before an application whose one handler hands on to ours. Its own time-outs are off: they bound the
/// first head of a connection alone.
fn machine(
    shutdown: Shutdown,
) -> impl ServiceFactory<
    (Wire, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
    Service: 'static,
> {
    let application = App::new().default_service(web::to(asking::ask));
    HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(Duration::ZERO)
        // Who closes its side has gone, and nothing is done for it any more.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || {
            let mut shutdown = shutdown.clone();
            async move { shutdown.stopping().await }
        })
        .on_connect_ext(|wire: &Wire, told| {
            told.insert(Rc::clone(&wire.link));
        })
        .h1(map_config(application, |()| AppConfig::default()))
}

async fn carry<M>(machine: Rc<M>, handlers: Rc<Handlers>, head: Duration, handed: Handed)
where
    M: Service<(Wire, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let Handed { stream, line, spoke, span, mut ended } = handed;
    let turn = Turn::begin();
    let link = Link { handlers, line, spoke, span, turn: Rc::clone(&turn) };
    let serving = machine.call((Wire::new(stream, Rc::new(link)), None));
    let outcome = tokio::select! {
        biased;
        served = serving => served.map_err(failed),
        () = turn.lasts(head) => Err(ActixError::Silent),
        () = ended.closed() => return,
    };
    if ended.send(outcome).is_err() {
        tracing::trace!("nobody waited for the end of a connection");
    }
}

fn failed(error: DispatchError) -> ActixError {
    match error {
        DispatchError::Io(error) => ActixError::Connection(error),
        other => ActixError::Exchange(other.to_string()),
    }
}
