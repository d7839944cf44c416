//! Storage commitment reports: N-EVENT-REPORT (PS3.4 section J.3.3), wherever they come in.

use outrigger_dataset::commitment::Report;
use outrigger_dataset::form::Form;
use outrigger_dimse::{Association, AssociationError, Command, Outcome};
use outrigger_model::Status;

use crate::contract::CommitReport;

/// Longest report read, in bytes: 10,000 instances committed or failed.
const REPORT_BYTES_MAX: usize = 4 << 20;

/// Reads the report that follows, or says what to answer.
pub(crate) async fn read(
    association: &mut Association,
    context: u8,
) -> Result<Result<CommitReport, Outcome>, AssociationError> {
    let form = association.context(context).and_then(|context| Form::of(&context.transfer_syntax));
    let Some(form) = form else {
        return Ok(Err(Outcome::of(Status::PROCESSING_FAILURE)));
    };
    let bytes = match association.data_set(REPORT_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(AssociationError::DataSetTooLong { .. }) => {
            return Ok(Err(Outcome::with_comment(Status::PROCESSING_FAILURE, "the report is too long")));
        }
        Err(error) => return Err(error),
    };
    Ok(match Report::read(form, &bytes) {
        Ok(report) => Ok(CommitReport {
            transaction: report.transaction,
            committed: report.committed.into_iter().map(|instance| instance.sop_instance).collect(),
            failed: report
                .failed
                .into_iter()
                .map(|failed| (failed.instance.sop_instance, failed.reason))
                .collect(),
        }),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a commitment report cannot be read");
            Err(Outcome::with_comment(Status::PROCESSING_FAILURE, error.to_string()))
        }
    })
}

/// The report was taken.
pub(crate) fn taken() -> Outcome {
    Outcome::of(Status::SUCCESS)
}

/// The report names a transaction that is not the one at hand.
pub(crate) fn not_ours() -> Outcome {
    Outcome::with_comment(Status::PROCESSING_FAILURE, "another transaction is awaited here")
}

/// The response to an N-EVENT-REPORT.
pub(crate) fn response(request: &Command, outcome: Outcome) -> Command {
    match request {
        Command::NEventReportRq { message_id, sop_class, sop_instance, event_type } => {
            Command::NEventReportRsp {
                message_id: *message_id,
                sop_class: Some(sop_class.clone()),
                sop_instance: Some(sop_instance.clone()),
                event_type: Some(*event_type),
                outcome,
            }
        }
        other => Command::Refusal { field: other.field(), message_id: other.message_id(), outcome },
    }
}
