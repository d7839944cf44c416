//! Storage commitment (PS3.18 section 13): a request is kept before it is answered, and whoever made it looks for its result.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use outrigger_dataset::commitment;
use outrigger_dataset::form::Form;
use outrigger_dicomweb::commitment::{CommitmentError, Named, REQUEST_BYTES_MAX, request, response};
use outrigger_dicomweb::media::{DICOM_JSON, MediaType};
use outrigger_dicomweb::resource::transaction;
use outrigger_model::{Requestor, SopClassUid, Status, TransactionUid, WebClient, sop_class};

use super::store::whole_body;
use super::{Caller, Door, Refusal, accepting};
use crate::audit::AuditEvent;
use crate::service::{CommitRefusal, CommitRequest, CommitResult, Committing};

/// The first part of the paths of requests.
pub(super) const REQUESTS: &str = "/commitment-requests/";
/// Seconds after which a request that is not decided may be looked at again: a member confirms what it got within some.
const LOOK_AGAIN_S: HeaderValue = HeaderValue::from_static("5");
/// Duplicate transaction UID (PS3.3 section C.14.1.1).
const DUPLICATE_TRANSACTION: Status = Status(0x0131);
/// Media types of a request; many user agents send all JSON as the second.
const JSON: [&str; 2] = [DICOM_JSON, "application/json"];
/// What a request is sent as.
const WANTED: &str = "send the request as application/dicom+json";

/// The resources of requests.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new().route("/commitment-requests/{transaction}", post(ask).get(look))
}

/// What the capabilities say of it.
pub(super) fn capabilities() -> serde_json::Value {
    serde_json::json!({
        "resources": ["/commitment-requests/{transaction}"],
        "mediaTypes": JSON,
        "instances": outrigger_dicomweb::commitment::INSTANCES_MAX,
        "answered": "200 with the result, or 202 until it is there; GET shows it to whoever asked",
    })
}

async fn ask(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    Path(uid): Path<String>,
    asked: Request,
) -> Result<Response, Refusal> {
    let (head, body) = asked.into_parts();
    accepting::json(&head.headers)?;
    is_json(&head.headers)?;
    let transaction = transaction(&uid).map_err(Refusal::bad)?;
    let inactivity = door.options.timers.inactivity;
    let bytes = whole_body(&head.headers, body, REQUEST_BYTES_MAX as u64, inactivity).await?;
    let Named { instances, places } = request(&bytes).map_err(|error| unreadable(&error))?;
    drop(bytes);
    tracing::info!(%transaction, count = instances.len(), "storage commitment is asked for");
    record(&door, &caller, &transaction).await;
    let request = CommitRequest {
        transaction,
        requestor: requestor(&caller),
        called: door.options.ae_title.clone(),
        instances,
        places,
    };
    Ok(answer(door.front.service.commit(request).await?))
}

async fn look(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    Path(uid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    accepting::json(&headers)?;
    let transaction = transaction(&uid).map_err(Refusal::bad)?;
    record(&door, &caller, &transaction).await;
    let stands = door.front.service.commitment(&requestor(&caller), &transaction).await?;
    // What another client asked is as unknown as what nobody did.
    let text = "no result is known of that request, or not any more; ask anew";
    stands.map(answer).ok_or_else(|| Refusal::nothing(text))
}

fn requestor(caller: &Caller) -> Requestor {
    Requestor::Web(WebClient::of(caller.party.user.as_deref()))
}

/// Puts it on record as a query, since that is what PS3.15 has for who learns what is here; it names the transaction.
async fn record(door: &Door, caller: &Caller, transaction: &TransactionUid) {
    let asked = commitment::Request { transaction: transaction.clone(), instances: Vec::new() };
    let event = AuditEvent::Queried {
        party: caller.party.clone(),
        sop_class: SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH),
        identifier: asked.write(Form::ExplicitLittle).into(),
    };
    door.front.audit.put(event).await;
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported = || Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, WANTED);
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(unsupported)?;
    let media = MediaType::parse(given).map_err(|error| Refusal::bad(format!("{error}; {WANTED}")))?;
    if JSON.contains(&media.essence()) { Ok(()) } else { Err(unsupported()) }
}

fn unreadable(error: &CommitmentError) -> Refusal {
    match error {
        CommitmentError::TooMany | CommitmentError::TooManyGroups => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        CommitmentError::Json(_)
        | CommitmentError::Nothing
        | CommitmentError::BothWays
        | CommitmentError::BadUid { .. }
        | CommitmentError::NoUid { .. } => Refusal::bad(error),
    }
}

/// 200 with the result, or 202 without one.
fn answer(committing: Committing) -> Response {
    let CommitResult { committed, failed, places, .. } = match committing {
        Committing::Kept => return (StatusCode::ACCEPTED, [(RETRY_AFTER, LOOK_AGAIN_S)]).into_response(),
        Committing::Decided(result) => result,
    };
    let body = Body::from(response(&committed, &failed, &places));
    (StatusCode::OK, [(CONTENT_TYPE, HeaderValue::from_static(DICOM_JSON))], body).into_response()
}

impl From<CommitRefusal> for Refusal {
    fn from(refusal: CommitRefusal) -> Self {
        tracing::warn!(error = &refusal as &dyn std::error::Error, "storage commitment is refused");
        let status = match refusal.status {
            DUPLICATE_TRANSACTION => StatusCode::CONFLICT,
            Status::SOP_CLASS_NOT_SUPPORTED => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.text)
    }
}
