//! A result as the message that tells it.

use bytes::Bytes;
use outrigger_dataset::commitment::{Failed, InstanceRef, Report};
use outrigger_dataset::form::Form;
use outrigger_dimse::{Association, AssociationError, Command};
use outrigger_model::{SopClassUid, SopInstanceUid, sop_class};

use crate::service::CommitResult;

/// Sends an N-EVENT-REPORT-RQ; gives its message id.
pub(super) async fn send(
    association: &mut Association,
    context: u8,
    result: &CommitResult,
) -> Result<u16, AssociationError> {
    let report = report(result);
    let message_id = association.next_message_id();
    let command = Command::NEventReportRq {
        message_id,
        sop_class: SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH),
        sop_instance: SopInstanceUid::known(sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE),
        event_type: report.event_type(),
    };
    let syntax = association.context(context).map(|context| &context.transfer_syntax);
    let form = syntax.and_then(Form::of).unwrap_or(Form::ImplicitLittle);
    let information = if report.committed.is_empty() {
        report.write(form)
    } else {
        report.write_retrievable(form, &result.called)
    };
    association.send_with(context, &command, Bytes::from(information)).await?;
    Ok(message_id)
}

fn report(result: &CommitResult) -> Report {
    let of = |(sop_class, sop_instance): &(SopClassUid, SopInstanceUid)| InstanceRef {
        sop_class: sop_class.clone(),
        sop_instance: sop_instance.clone(),
    };
    Report {
        transaction: result.transaction.clone(),
        committed: result.committed.iter().map(of).collect(),
        failed: result
            .failed
            .iter()
            .map(|(pair, reason)| Failed { instance: of(pair), reason: *reason })
            .collect(),
    }
}
