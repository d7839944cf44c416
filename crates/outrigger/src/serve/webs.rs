//! The web doors.

use std::net::SocketAddr;

use outrigger_front::{Access, Limits, RenewedTokens, Tokens, WebFront as Front, WebOptions, WebTimers};
use outrigger_model::AeTitle;
use outrigger_runtime::Shutdown;

use crate::config::{Base, WebFront};
use crate::process::Failure;

/// Opens every web listener of the configuration; gives where they listen.
pub(super) async fn open_webs(
    base: &Base,
    front: Front,
    shutdown: &Shutdown,
) -> Result<Vec<SocketAddr>, Failure> {
    let ae_title = base.fronts.first().and_then(|first| first.ae_titles.first());
    let mut addresses = Vec::new();
    for config in &base.webs {
        let ae_title = ae_title.cloned().unwrap_or_else(|| AeTitle::known("OUTRIGGER"));
        let listening = front.listen(options(config, ae_title), shutdown.clone()).await;
        let listening = listening.map_err(|error| {
            Failure::of(format!("the web listener {} cannot be opened", config.listen), error)
        })?;
        addresses.push(listening.address);
    }
    Ok(addresses)
}

/// The tokens of listeners, by the address they are told to open; of two with one address neither is known apart.
pub(super) fn tokens(base: &Base) -> RenewedTokens {
    let of = |web: &WebFront| match &web.access {
        Access::Tokens(tokens) => Some((web.listen, tokens.clone())),
        Access::Loopback | Access::Certificates => None,
    };
    let is_alone = |listen| base.webs.iter().filter(|web| web.listen == listen).count() == 1;
    base.webs.iter().filter_map(of).filter(|(listen, _)| is_alone(*listen)).collect()
}

/// What is configured of web listeners without what [`tokens`] renews.
pub(super) fn unrenewed(base: &Base) -> Vec<WebFront> {
    let renewed = tokens(base);
    let mut webs = base.webs.clone();
    for web in &mut webs {
        if renewed.contains_key(&web.listen) {
            web.access = Access::Tokens(Tokens::default());
        }
    }
    webs
}

fn options(config: &WebFront, ae_title: AeTitle) -> WebOptions {
    WebOptions {
        server: config.server,
        listen: config.listen,
        ae_title,
        issuer: config.issuer.clone(),
        access: config.access.clone(),
        hosts: config.hosts.clone(),
        origins: config.origins.clone(),
        url: config.url.clone(),
        limits: Limits {
            associations: config.max_connections,
            associations_per_address: config.max_connections_per_peer,
        },
        object_bytes_max: config.max_object,
        request_bytes_max: config.max_request,
        timers: WebTimers { head: config.idle, inactivity: config.inactivity },
        tls: config.tls.as_ref().map(|tls| tls.server.clone()),
    }
}
