//! C-ECHO (PS3.7 section 9.3.5).

use outrigger_dimse::{Association, AssociationError, Command, Outcome};
use outrigger_model::Status;

use super::association::Request;

/// Answers that we are here.
pub(super) async fn echo(association: &mut Association, request: Request) -> Result<(), AssociationError> {
    metrics::counter!("outrigger_echoes_total").increment(1);
    let response =
        Command::CEchoRsp { message_id: request.message_id, outcome: Outcome::of(Status::SUCCESS) };
    association.send(request.context, &response).await
}
