//! Which resource is which file's, and what stands before all of them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_ENCODING, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use outrigger_model::AeTitle;

use super::access::{Asked, Right, admit};
use super::server::Line;
use super::unserved::Wanted;
use super::{Caller, Door, Refusal, capabilities, commit, cors, host, search, store, viewer, wado};
use crate::audit::{AuditEvent, Party};

/// The AE title under which callers of the web are recorded: they have none.
const CALLING: &str = "DICOMWEB";
/// Longest user agent recorded, in bytes.
const AGENT_BYTES_MAX: usize = 64;

/// The resources of a listener.
pub(super) fn router(door: &Arc<Door>) -> Router {
    let dicomweb = Router::new()
        .merge(store::routes())
        .merge(search::routes())
        .merge(wado::routes())
        .merge(commit::routes())
        .merge(capabilities::routes())
        .fallback(|| async { Refusal::nothing("there is no such resource in DICOMweb") });
    let router = Router::new()
        .nest("/dicomweb", guarded(dicomweb, door))
        .merge(guarded(capabilities::root("/dicomweb/"), door))
        .route("/", get(|| async { "DICOMweb is at /dicomweb\n" }))
        .fallback(|| async { Refusal::nothing("there is nothing here; DICOMweb is at /dicomweb") });
    match &door.front.viewer {
        Some(files) => router.merge(viewer::routes(files)),
        None => router.merge(viewer::none()),
    }
}

fn guarded(router: Router<Arc<Door>>, door: &Arc<Door>) -> Router {
    router
        .layer(middleware::from_fn_with_state(Arc::clone(door), let_in))
        .layer(middleware::from_fn_with_state(Arc::clone(door), cors::cors))
        .with_state(Arc::clone(door))
}

/// Checks who calls, and tells the resource.
async fn let_in(
    State(door): State<Arc<Door>>,
    Extension(line): Extension<Line>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match caller(&door, line, &request) {
        Ok(caller) => {
            let party = caller.party.clone();
            request.extensions_mut().insert(caller);
            let wanted = Wanted::of(&mut request).await;
            let response = next.run(request).await;
            if let Some(wanted) = wanted {
                wanted.answered(&door, party, response.status()).await;
            }
            response
        }
        Err(Turned { refusal, party }) => {
            if let Some((party, reason)) = party.map(|party| *party) {
                tracing::warn!(%method, path, reason, "a request of the web was refused");
                door.front.audit.put(AuditEvent::AssociationRejected { party, reason }).await;
            }
            let mut response = refusal.into_response();
            // What it would have sent is not read.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    let status = response.status().as_u16();
    metrics::counter!("outrigger_web_requests_total", "status" => status.to_string()).increment(1);
    tracing::info!(%method, path, status, "a request of the web was answered");
    response
}

/// A request that is turned away, and who is to be recorded with it and why, where that is a matter of access.
struct Turned {
    refusal: Refusal,
    party: Option<Box<(Party, String)>>,
}

impl Turned {
    fn away(refusal: Refusal) -> Self {
        Self { refusal, party: None }
    }
}

fn caller(door: &Door, line: Line, request: &Request) -> Result<Caller, Turned> {
    if let Some(limit) = line.beyond {
        tracing::warn!(%limit, "a connection too many");
        return Err(Turned::away(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, limit.to_string())));
    }
    let headers = request.headers();
    let host = host::of(request).map_err(|error| Turned::away(Refusal::bad(error)))?;
    let options = &door.options;
    let needed: &[Right] = match *request.method() {
        // A modality that may only store looks for what it asked itself; nobody is shown another's.
        Method::GET | Method::HEAD if request.uri().path().starts_with(commit::REQUESTS) => {
            &[Right::Read, Right::Write]
        }
        Method::GET | Method::HEAD | Method::OPTIONS => &[Right::Read],
        _ => &[Right::Write],
    };
    let mut party = Party {
        association: line.id,
        calling: AeTitle::known(CALLING),
        called: options.ae_title.clone(),
        address: line.address,
        user: None,
    };
    let asked = Asked {
        from: line.address,
        authorization: text(headers, AUTHORIZATION),
        host: host.as_deref(),
        needed,
    };
    match admit(&door.access(), &options.hosts, &asked) {
        Ok(user) => party.user = user,
        Err(denied) => {
            let party = Some(Box::new((party, denied.to_string())));
            return Err(Turned { refusal: denied.into(), party });
        }
    }
    // What is inflated may be a thousand times as large as what is sent, and no client of DICOMweb needs it.
    if text(headers, CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let text = "the body may not be compressed: send it without Content-Encoding";
        return Err(Turned::away(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
    }
    let agent = text(headers, USER_AGENT).unwrap_or_default();
    let agent = agent.get(..agent.floor_char_boundary(AGENT_BYTES_MAX)).unwrap_or_default().to_owned();
    Ok(Caller { party, base: base(door, host.as_deref()), agent })
}

/// A header field as text; what is no text counts as not given.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The URL of the service as the caller reached it.
fn base(door: &Door, host: Option<&str>) -> String {
    if let Some(url) = &door.options.url {
        return url.clone();
    }
    let scheme = if door.options.tls.is_some() { "https" } else { "http" };
    let is_host = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
    };
    let host = host.filter(is_host);
    let own = door.address.to_string();
    let host = host.unwrap_or(&own);
    // A client that calls an address, and leaves out the port it calls: `dicomweb-client` for one. Who calls a name may
    // call a proxy.
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    if is_address {
        return format!("{scheme}://{host}:{}/dicomweb", door.address.port());
    }
    format!("{scheme}://{host}/dicomweb")
}
