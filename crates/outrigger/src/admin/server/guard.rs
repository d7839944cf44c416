//! Who may ask the admin API: programs of this machine, and no page that a browser of it shows.

use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::middleware::Next;
use axum::response::Response;
use outrigger_front::web::host;

use super::Refusal;

/// Lets a request pass that is for this machine, and not from a page of another: whoever opens such a page would have it read
/// what the node knows of patients, or give orders.
pub(super) async fn local(request: Request, next: Next) -> Result<Response, Refusal> {
    let named = host::of(&request).map_err(|error| Refusal::bad(error.to_string()))?;
    // Browsers always name it; simple probes do not.
    if named.as_deref().is_some_and(|named| !host::is_here(named)) {
        let text = "the admin API answers by its loopback address or as localhost only; ask it as http://127.0.0.1:PORT";
        return Err(Refusal::forbidden(text));
    }
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| host::is_here(host));
    let origin = request.headers().get(ORIGIN);
    if origin.is_some_and(|origin| !origin.to_str().is_ok_and(is_ours)) {
        return Err(Refusal::forbidden("the admin API takes no request of a page from elsewhere (Origin)"));
    }
    Ok(next.run(request).await)
}
