//! Reads the variable fields of A-ASSOCIATE-RQ and -AC PDUs.
//!
//! Not through `dicom_ul::pdu::read_pdu`: it fails on item types it does not know, which are to be skipped (PS3.8
//! section 9.3.1), on refused contexts without a transfer syntax, which is insignificant there, drops sub-item
//! lengths
//! of 51H and 54H, and leaves 53H, 57H and 59H unread. Its writer is used (`write.rs`), and the tests read what it
//! reads with both.

use bytes::Bytes;
use outrigger_model::{AeTitle, AeTitleError, SopClassUid, TransferSyntaxUid, UidError};

use super::{
    AssociateAccept, AssociateRequest, CommonExtendedNegotiation, ContextRefusal, ContextResult,
    ExtendedNegotiation, IdentityResponse, ProposedContext, Protocol, RoleSelection, Roles, UserIdentity,
    UserInformation,
};
use crate::cursor::{Cursor, Short};
use crate::settings::CONTEXTS_MAX;

/// Transfer syntaxes kept of one context: more than are registered; the rest is not looked at.
const TRANSFER_SYNTAXES_MAX: usize = 128;
/// Sub-items of one kind kept of one PDU: two for each possible context.
const SUB_ITEMS_MAX: usize = 2 * CONTEXTS_MAX;
/// Longest implementation class UID or version name kept, in characters; the standard has 64 and 16.
const NAME_MAX: usize = 64;

/// Why an A-ASSOCIATE-RQ or -AC PDU cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssociateError {
    /// A length that does not fit.
    #[error("the PDU ends inside {place}")]
    Truncated {
        /// Which part of it.
        place: &'static str,
    },
    /// The called AE title is none.
    #[error("the called AE title cannot be used")]
    CalledAe(#[source] AeTitleError),
    /// The calling AE title is none.
    #[error("the calling AE title cannot be used")]
    CallingAe(#[source] AeTitleError),
    /// An even, zero or repeated presentation context id.
    #[error("the presentation context id {id} is even or occurs twice")]
    ContextId {
        /// The id.
        id: u8,
    },
    /// A context without exactly one abstract syntax.
    #[error("the presentation context {id} names no abstract syntax, or two")]
    AbstractSyntax {
        /// The id.
        id: u8,
    },
    /// An accepted context without exactly one transfer syntax.
    #[error("the accepted presentation context {id} names no transfer syntax, or two")]
    TransferSyntax {
        /// The id.
        id: u8,
    },
    /// A UID that cannot be taken as one.
    #[error("{place} has a UID that cannot be used")]
    Uid {
        /// Where it stands.
        place: &'static str,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
    /// More sub-items than any proposal needs.
    #[error("the user information has more than {SUB_ITEMS_MAX} sub-items of one kind")]
    TooManySubItems,
}

/// Item types (PS3.8 sections 9.3.2 and 9.3.3).
const APPLICATION_CONTEXT_ITEM: u8 = 0x10;
const PROPOSED_CONTEXT_ITEM: u8 = 0x20;
const CONTEXT_RESULT_ITEM: u8 = 0x21;
const ABSTRACT_SYNTAX_ITEM: u8 = 0x30;
const TRANSFER_SYNTAX_ITEM: u8 = 0x40;
const USER_INFORMATION_ITEM: u8 = 0x50;

impl AssociateRequest {
    /// Reads the variable field of an A-ASSOCIATE-RQ, whose length was bounded when it was read.
    pub fn read(body: Bytes) -> Result<Self, AssociateError> {
        let mut body = Cursor::new(body);
        let fixed = Fixed::read(&mut body).map_err(|Short| truncated("the fixed fields"))?;
        let mut application_context = String::new();
        let mut contexts: Vec<ProposedContext> = Vec::new();
        let mut user = UserInformation::absent();
        while let Some((kind, item)) = next_item(&mut body)? {
            match kind {
                APPLICATION_CONTEXT_ITEM => application_context = name(&item.rest()),
                PROPOSED_CONTEXT_ITEM => {
                    let context = proposed_context(item)?;
                    if context.id % 2 == 0 || contexts.iter().any(|other| other.id == context.id) {
                        return Err(AssociateError::ContextId { id: context.id });
                    }
                    contexts.push(context);
                }
                USER_INFORMATION_ITEM => user = user_information(item)?,
                _ => (),
            }
        }
        Ok(Self {
            called: AeTitle::new(&fixed.called).map_err(AssociateError::CalledAe)?,
            calling: AeTitle::new(&fixed.calling).map_err(AssociateError::CallingAe)?,
            protocol: Protocol { version: fixed.version, application_context },
            contexts,
            user,
        })
    }
}

impl AssociateAccept {
    /// Reads the variable field of an A-ASSOCIATE-AC, whose length was bounded when it was read.
    pub fn read(body: Bytes) -> Result<Self, AssociateError> {
        let mut body = Cursor::new(body);
        let fixed = Fixed::read(&mut body).map_err(|Short| truncated("the fixed fields"))?;
        let mut contexts: Vec<ContextResult> = Vec::new();
        let mut user = UserInformation::absent();
        while let Some((kind, item)) = next_item(&mut body)? {
            match kind {
                CONTEXT_RESULT_ITEM => {
                    let result = context_result(item)?;
                    if contexts.iter().any(|other| other.id == result.id) {
                        return Err(AssociateError::ContextId { id: result.id });
                    }
                    contexts.push(result);
                }
                USER_INFORMATION_ITEM => user = user_information(item)?,
                _ => (),
            }
        }
        Ok(Self { called: fixed.called, calling: fixed.calling, contexts, user })
    }
}

/// The fields before the items, the same in both PDUs.
struct Fixed {
    version: u16,
    called: String,
    calling: String,
}

impl Fixed {
    fn read(body: &mut Cursor) -> Result<Self, Short> {
        let version = body.u16()?;
        body.take(2)?;
        let called = name(&body.take(16)?);
        let calling = name(&body.take(16)?);
        body.take(32)?;
        Ok(Self { version, called, calling })
    }
}

impl UserInformation {
    /// What holds where a PDU says nothing.
    fn absent() -> Self {
        Self {
            max_pdu: 0,
            implementation_class: String::new(),
            implementation_version: None,
            asynchronous: None,
            roles: Vec::new(),
            extended: Vec::new(),
            common_extended: Vec::new(),
            identity: None,
            identity_response: None,
        }
    }
}

fn next_item(body: &mut Cursor) -> Result<Option<(u8, Cursor)>, AssociateError> {
    if body.is_empty() {
        return Ok(None);
    }
    item(body).map(Some).map_err(|Short| truncated("an item"))
}

fn item(body: &mut Cursor) -> Result<(u8, Cursor), Short> {
    let kind = body.u8()?;
    body.u8()?;
    let length = body.u16()?;
    Ok((kind, body.part(usize::from(length))?))
}

fn proposed_context(mut item: Cursor) -> Result<ProposedContext, AssociateError> {
    let (id, _) = context_head(&mut item)?;
    let mut abstract_syntax = None;
    let mut transfer_syntaxes = Vec::new();
    while let Some((kind, sub_item)) = next_item(&mut item)? {
        match kind {
            ABSTRACT_SYNTAX_ITEM => {
                let uid = sop_class("an abstract syntax", &sub_item.rest())?;
                if abstract_syntax.replace(uid).is_some() {
                    return Err(AssociateError::AbstractSyntax { id });
                }
            }
            TRANSFER_SYNTAX_ITEM if transfer_syntaxes.len() < TRANSFER_SYNTAXES_MAX => {
                transfer_syntaxes.push(transfer_syntax(&sub_item.rest())?);
            }
            _ => (),
        }
    }
    let abstract_syntax = abstract_syntax.ok_or(AssociateError::AbstractSyntax { id })?;
    Ok(ProposedContext { id, abstract_syntax, transfer_syntaxes })
}

fn context_result(mut item: Cursor) -> Result<ContextResult, AssociateError> {
    let (id, reason) = context_head(&mut item)?;
    let refusal = match reason {
        0 => None,
        1 => Some(ContextRefusal::UserRejection),
        3 => Some(ContextRefusal::AbstractSyntax),
        4 => Some(ContextRefusal::TransferSyntaxes),
        _ => Some(ContextRefusal::NoReason),
    };
    if let Some(refusal) = refusal {
        // Whatever transfer syntax stands here is not significant and not to be tested (PS3.8 section 9.3.3.2).
        return Ok(ContextResult { id, outcome: Err(refusal) });
    }
    let mut accepted = None;
    while let Some((kind, sub_item)) = next_item(&mut item)? {
        if kind == TRANSFER_SYNTAX_ITEM && accepted.replace(transfer_syntax(&sub_item.rest())?).is_some() {
            return Err(AssociateError::TransferSyntax { id });
        }
    }
    Ok(ContextResult { id, outcome: Ok(accepted.ok_or(AssociateError::TransferSyntax { id })?) })
}

/// Id and result of a presentation context item, between reserved bytes.
fn context_head(item: &mut Cursor) -> Result<(u8, u8), AssociateError> {
    let mut head = || {
        let id = item.u8()?;
        item.u8()?;
        let reason = item.u8()?;
        item.u8()?;
        Ok((id, reason))
    };
    head().map_err(|Short| truncated("a presentation context item"))
}

fn user_information(mut item: Cursor) -> Result<UserInformation, AssociateError> {
    let mut user = UserInformation::absent();
    while let Some((kind, mut sub_item)) = next_item(&mut item)? {
        let short = |Short| truncated("a user information sub-item");
        match kind {
            0x51 => user.max_pdu = sub_item.u32().map_err(short)?,
            0x52 => user.implementation_class = name(&sub_item.rest()),
            0x53 => {
                let invoked = sub_item.u16().map_err(short)?;
                user.asynchronous = Some((invoked, sub_item.u16().map_err(short)?));
            }
            0x54 => push(&mut user.roles, role_selection(sub_item)?)?,
            0x55 => user.implementation_version = Some(name(&sub_item.rest())),
            0x56 => {
                let sop_class = sop_class("an extended negotiation", &sub_item.counted().map_err(short)?)?;
                push(&mut user.extended, ExtendedNegotiation { sop_class, information: sub_item.rest() })?;
            }
            0x57 => push(&mut user.common_extended, common_extended(sub_item)?)?,
            0x58 => user.identity = Some(identity(sub_item).map_err(short)?),
            0x59 => user.identity_response = Some(sub_item.counted().map_err(short)?),
            // An acceptor must not refuse what it does not know (PS3.8 section D.2).
            _ => (),
        }
    }
    Ok(user)
}

fn push<T>(list: &mut Vec<T>, sub_item: T) -> Result<(), AssociateError> {
    if list.len() == SUB_ITEMS_MAX {
        return Err(AssociateError::TooManySubItems);
    }
    list.push(sub_item);
    Ok(())
}

fn role_selection(mut item: Cursor) -> Result<RoleSelection, AssociateError> {
    let short = |Short| truncated("a role selection");
    let uid = item.counted().map_err(short)?;
    let scu = item.u8().map_err(short)? == 1;
    let scp = item.u8().map_err(short)? == 1;
    Ok(RoleSelection { sop_class: sop_class("a role selection", &uid)?, roles: Roles { scu, scp } })
}

fn common_extended(mut item: Cursor) -> Result<CommonExtendedNegotiation, AssociateError> {
    const PLACE: &str = "a common extended negotiation";
    let short = |Short| truncated(PLACE);
    let class = item.counted().map_err(short)?;
    let service = item.counted().map_err(short)?;
    let mut related_items = Cursor::new(item.counted().map_err(short)?);
    let mut related = Vec::new();
    while !related_items.is_empty() {
        push(&mut related, sop_class(PLACE, &related_items.counted().map_err(short)?)?)?;
    }
    Ok(CommonExtendedNegotiation {
        sop_class: sop_class(PLACE, &class)?,
        service_class: sop_class(PLACE, &service)?,
        related,
    })
}

fn identity(mut item: Cursor) -> Result<UserIdentity, Short> {
    let kind = item.u8()?;
    let response = if item.u8()? == 1 { IdentityResponse::Requested } else { IdentityResponse::NotRequested };
    let primary = item.counted()?;
    // Peers leave the empty secondary field out.
    let secondary = if item.is_empty() { Bytes::new() } else { item.counted()? };
    Ok(UserIdentity { kind, response, primary, secondary })
}

fn truncated(place: &'static str) -> AssociateError {
    AssociateError::Truncated { place }
}

/// Text of the default repertoire, without padding; shown as Latin-1 where a peer sends more.
fn name(bytes: &[u8]) -> String {
    let text: String = bytes.iter().take(NAME_MAX).map(|&byte| char::from(byte)).collect();
    text.trim_matches([' ', '\0']).to_owned()
}

fn sop_class(place: &'static str, bytes: &[u8]) -> Result<SopClassUid, AssociateError> {
    SopClassUid::from_bytes(bytes).map_err(|source| AssociateError::Uid { place, source })
}

fn transfer_syntax(bytes: &[u8]) -> Result<TransferSyntaxUid, AssociateError> {
    TransferSyntaxUid::from_bytes(bytes)
        .map_err(|source| AssociateError::Uid { place: "a transfer syntax", source })
}
