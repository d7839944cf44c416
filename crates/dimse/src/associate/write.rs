//! Writes A-ASSOCIATE-RQ and -AC PDUs, through dicom-ul's writer.

use bytes::Bytes;
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason, RequestorRoles, UserVariableItem, WriteError, write_pdu,
};

use super::{
    APPLICATION_CONTEXT, AssociateAccept, AssociateRequest, CommonExtendedNegotiation, ContextRefusal,
    ContextResult, IdentityResponse, UserIdentity, UserInformation,
};

/// Sub-items that dicom-ul has no type for (PS3.7 section D.3.3).
const ASYNCHRONOUS_OPERATIONS_WINDOW: u8 = 0x53;
const COMMON_EXTENDED_NEGOTIATION: u8 = 0x57;
const USER_IDENTITY: u8 = 0x58;
const USER_IDENTITY_RESPONSE: u8 = 0x59;
/// The protocol version: bit 0 is the only one defined (PS3.8 table 9-11).
const PROTOCOL_VERSION: u16 = 1;

/// An A-ASSOCIATE PDU cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the A-ASSOCIATE PDU cannot be written")]
pub struct WriteAssociateError(#[source] Box<WriteError>);

impl AssociateRequest {
    /// The whole PDU, header included.
    pub fn write(&self) -> Result<Bytes, WriteAssociateError> {
        whole(&Pdu::AssociationRQ(AssociationRQ {
            protocol_version: self.protocol.version,
            calling_ae_title: self.calling.as_str().to_owned(),
            called_ae_title: self.called.as_str().to_owned(),
            application_context_name: self.protocol.application_context.clone(),
            presentation_contexts: self
                .contexts
                .iter()
                .map(|context| PresentationContextProposed {
                    id: context.id,
                    abstract_syntax: context.abstract_syntax.as_str().to_owned(),
                    transfer_syntaxes: context
                        .transfer_syntaxes
                        .iter()
                        .map(|syntax| syntax.as_str().to_owned())
                        .collect(),
                })
                .collect(),
            user_variables: sub_items(&self.user),
        }))
    }
}

impl AssociateAccept {
    /// The whole PDU, header included.
    pub fn write(&self) -> Result<Bytes, WriteAssociateError> {
        whole(&Pdu::AssociationAC(AssociationAC {
            protocol_version: PROTOCOL_VERSION,
            calling_ae_title: self.calling.clone(),
            called_ae_title: self.called.clone(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: self.contexts.iter().map(result).collect(),
            user_variables: sub_items(&self.user),
        }))
    }
}

fn whole(pdu: &Pdu) -> Result<Bytes, WriteAssociateError> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).map_err(|source| WriteAssociateError(Box::new(source)))?;
    Ok(bytes.into())
}

fn result(context: &ContextResult) -> PresentationContextResult {
    let (reason, transfer_syntax) = match &context.outcome {
        Ok(syntax) => (PresentationContextResultReason::Acceptance, syntax.as_str()),
        Err(ContextRefusal::UserRejection) => (PresentationContextResultReason::UserRejection, UNTESTED),
        Err(ContextRefusal::NoReason) => (PresentationContextResultReason::NoReason, UNTESTED),
        Err(ContextRefusal::AbstractSyntax) => {
            (PresentationContextResultReason::AbstractSyntaxNotSupported, UNTESTED)
        }
        Err(ContextRefusal::TransferSyntaxes) => {
            (PresentationContextResultReason::TransferSyntaxesNotSupported, UNTESTED)
        }
    };
    PresentationContextResult { id: context.id, reason, transfer_syntax: transfer_syntax.to_owned() }
}

/// Stands where a transfer syntax is not significant; peers' parsers want one (PS3.8 section 9.3.3.2.1).
const UNTESTED: &str = outrigger_model::transfer_syntax::IMPLICIT_VR_LE;

fn sub_items(user: &UserInformation) -> Vec<UserVariableItem> {
    let mut items = vec![
        UserVariableItem::MaxLength(user.max_pdu),
        UserVariableItem::ImplementationClassUID(user.implementation_class.clone()),
    ];
    if let Some((invoked, performed)) = user.asynchronous {
        let window = [invoked.to_be_bytes(), performed.to_be_bytes()].concat();
        items.push(UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS_WINDOW, window));
    }
    items.extend(user.roles.iter().map(|selection| {
        let roles = RequestorRoles { scu: selection.roles.scu, scp: selection.roles.scp };
        UserVariableItem::ScuScpRoleSelectionSubItem(selection.sop_class.as_str().to_owned(), roles)
    }));
    items.extend(user.implementation_version.clone().map(UserVariableItem::ImplementationVersionName));
    items.extend(user.extended.iter().map(|extended| {
        UserVariableItem::SopClassExtendedNegotiationSubItem(
            extended.sop_class.as_str().to_owned(),
            extended.information.to_vec(),
        )
    }));
    items.extend(
        user.common_extended
            .iter()
            .map(|common| UserVariableItem::Unknown(COMMON_EXTENDED_NEGOTIATION, common_extended(common))),
    );
    items.extend(
        user.identity
            .iter()
            .map(|identity| UserVariableItem::Unknown(USER_IDENTITY, self::identity(identity))),
    );
    items.extend(
        user.identity_response
            .iter()
            .map(|response| UserVariableItem::Unknown(USER_IDENTITY_RESPONSE, counted(response))),
    );
    items
}

fn common_extended(common: &CommonExtendedNegotiation) -> Vec<u8> {
    let related: Vec<u8> = common.related.iter().flat_map(|uid| counted(uid.as_str().as_bytes())).collect();
    [
        counted(common.sop_class.as_str().as_bytes()),
        counted(common.service_class.as_str().as_bytes()),
        counted(&related),
    ]
    .concat()
}

fn identity(identity: &UserIdentity) -> Vec<u8> {
    let requested = match identity.response {
        IdentityResponse::Requested => 1,
        IdentityResponse::NotRequested => 0,
    };
    [vec![identity.kind, requested], counted(&identity.primary), counted(&identity.secondary)].concat()
}

/// A field with its 16-bit length before it, cut at what the length can say.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}
