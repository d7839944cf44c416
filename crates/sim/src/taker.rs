//! What scripted members have in common: any storage class, uncompressed, and an answer to C-FIND.

use outrigger_dataset::commitment::Report;
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_query, write_answer};
use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference,
    Undeliverable, UnknownClasses,
};
use outrigger_dimse::{Association, AssociationError, Command, Outcome};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    Answer, QueryRoot, SopClassUid, SopInstanceUid, Status, Tag, TransferSyntaxUid, sop_class,
};

/// Largest data set taken, in bytes: tests send small objects.
pub(crate) const OBJECT_BYTES_MAX: usize = 64 << 20;
/// The identifier is not what the service takes.
pub(crate) const BAD_IDENTIFIER: Status = Status(0xA900);

/// Takes every storage class uncompressed, and offers these services beside.
pub fn takes_uncompressed(services: Vec<Service>, requestor_stores: RequestorStores) -> AcceptorPolicy {
    let plain = || [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).to_vec();
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: plain(),
                transcodable: Vec::new(),
                undeliverable: Undeliverable::Refuse,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores,
        }),
        services,
        service_syntaxes: plain(),
        identity: IdentityVerdict::Ignored,
    }
}

/// The encoding of data sets in a context.
pub(crate) fn form(association: &Association, context: u8) -> Form {
    let syntax = association.context(context).map(|context| &context.transfer_syntax);
    syntax.and_then(Form::of).unwrap_or(Form::ImplicitLittle)
}

/// Shows every instance a member keeps, whatever the keys; gives the final response.
pub(crate) async fn find(
    association: &mut Association,
    kept: impl FnOnce() -> Vec<SopInstanceUid> + Send,
    context: u8,
    message_id: u16,
) -> Result<Command, AssociationError> {
    let identifier = association.data_set(OBJECT_BYTES_MAX).await?;
    let form = form(association, context);
    let response = |status| Command::CFindRsp { message_id, sop_class: None, outcome: Outcome::of(status) };
    let Ok(query) = read_query(QueryRoot::Study, form, &identifier) else {
        return Ok(response(BAD_IDENTIFIER));
    };
    for instance in kept() {
        let answer = Answer { attributes: vec![(Tag::SOP_INSTANCE_UID, instance.to_string())] };
        let bytes = write_answer(form, &query, &answer);
        association.send_with(context, &response(Status::PENDING), bytes.into()).await?;
    }
    Ok(response(Status::SUCCESS))
}

/// Sends a report on storage commitment.
pub async fn send_report(
    association: &mut Association,
    context: u8,
    form: Form,
    report: &Report,
) -> Result<(), AssociationError> {
    let command = Command::NEventReportRq {
        message_id: association.next_message_id(),
        sop_class: SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH),
        sop_instance: SopInstanceUid::known(sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE),
        event_type: report.event_type(),
    };
    association.send_with(context, &command, report.write(form).into()).await
}
