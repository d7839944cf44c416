//! What an acceptor answers to an A-ASSOCIATE-RQ (PS3.8 section 7.1.1, PS3.7 Annex D), as a pure function of the
//! request and a policy.

mod non_storage;

use bytes::Bytes;
use outrigger_model::transfer_syntax::{self, Pixels};
use outrigger_model::{SopClassUid, TransferSyntaxUid, sop_class};

use crate::associate::{
    APPLICATION_CONTEXT, AssociateAccept, AssociateRequest, ContextRefusal, ContextResult,
    ExtendedNegotiation, IdentityResponse, ProposedContext, RoleSelection, Roles, UserInformation,
};
use crate::rejection::Rejection;
use crate::settings::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Settings};

/// What an acceptor takes, as data.
#[derive(Debug, Clone)]
pub struct AcceptorPolicy {
    /// What is stored; `None` where the peer may not store.
    pub storage: Option<StoragePolicy>,
    /// What is served beside storage and Verification.
    pub services: Vec<Service>,
    /// The transfer syntaxes for everything but storage, best first.
    pub service_syntaxes: Vec<TransferSyntaxUid>,
    /// What became of the user identity, if one was given.
    pub identity: IdentityVerdict,
}

/// What is stored.
#[derive(Debug, Clone)]
pub struct StoragePolicy {
    /// Which transfer syntax is chosen.
    pub syntaxes: TransferSyntaxPreference,
    /// Whether classes nobody knows are taken.
    pub unknown: UnknownClasses,
    /// Classes that are not taken, whatever they are.
    pub refused: Vec<SopClassUid>,
    /// Whether the requestor may perform storage itself, as C-GET needs it (PS3.4 section C.5.3).
    pub requestor_stores: RequestorStores,
}

/// What is done with an abstract syntax that is neither a known storage class nor anything else known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownClasses {
    /// It is taken as a storage class.
    Store,
    /// It is refused.
    Refuse,
}

/// Whether the requestor may take the SCP role of storage classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestorStores {
    /// It may, for C-GET.
    Allowed,
    /// It may not.
    Refused,
}

/// Which of the proposed transfer syntaxes of a storage context is chosen.
#[derive(Debug, Clone)]
pub struct TransferSyntaxPreference {
    /// Those that members take as they are, best first.
    pub native: Vec<TransferSyntaxUid>,
    /// Those that can be transcoded losslessly for them, best first.
    pub transcodable: Vec<TransferSyntaxUid>,
    /// What is done with any other whose bytes can be kept.
    pub undeliverable: Undeliverable,
}

/// What is done with a transfer syntax that no member takes and that cannot be transcoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeliverable {
    /// It is accepted, private ones included; the objects wait.
    Keep,
    /// It is refused.
    Refuse,
}

/// One abstract syntax that is served.
#[derive(Debug, Clone)]
pub struct Service {
    /// The SOP class.
    pub abstract_syntax: SopClassUid,
    /// The roles the requestor may take.
    pub requestor: Roles,
    /// What can be agreed on by extended negotiation, byte by byte; nothing beyond it is.
    pub extended: Bytes,
}

/// What became of the user identity (PS3.7 section D.3.3.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityVerdict {
    /// Not looked at: accepted without a response.
    Ignored,
    /// Verified; the response is sent if one was asked for.
    Authenticated {
        /// The server's response, empty for user names.
        response: Bytes,
    },
}

/// An accepted presentation context, seen from our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its id.
    pub id: u8,
    /// The abstract syntax.
    pub abstract_syntax: SopClassUid,
    /// The transfer syntax agreed on.
    pub transfer_syntax: TransferSyntaxUid,
    /// The roles we have in it.
    pub roles: Roles,
    /// What the acceptor answered to extended negotiation for the abstract syntax; empty is the baseline (PS3.7 section D.3.3.5).
    pub extended: Bytes,
}

/// What a negotiation ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The A-ASSOCIATE-AC to send.
    pub answer: AssociateAccept,
    /// The contexts accepted.
    pub contexts: Vec<Context>,
}

/// Longest extended negotiation answered, in bytes; the longest of PS3.4 has seven.
const EXTENDED_MAX: usize = 16;
/// Support level 2, every element kept (PS3.4 table B.3-1).
const STORAGE_LEVEL: u8 = 2;
/// Arcs under which the payload is not in the message: SMPTE ST 2110, and the retired MIME and XML encodings.
const ELSEWHERE: [&str; 2] = ["1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7."];

/// What the upper layer refuses without asking its user.
pub fn admit(request: &AssociateRequest) -> Result<(), Rejection> {
    if request.protocol.version & 1 == 0 {
        return Err(Rejection::PROTOCOL_VERSION);
    }
    if request.protocol.application_context != APPLICATION_CONTEXT {
        return Err(Rejection::APPLICATION_CONTEXT);
    }
    if request.contexts.is_empty() {
        return Err(Rejection::NO_CONTEXT);
    }
    Ok(())
}

/// Answers every proposed context and sub-item by the policy.
pub fn negotiate(request: &AssociateRequest, policy: &AcceptorPolicy, settings: &Settings) -> Negotiated {
    let mut contexts = Vec::new();
    let mut results = Vec::new();
    for proposed in &request.contexts {
        let outcome = policy.context(request, proposed);
        if let Ok((transfer_syntax, requestor)) = &outcome {
            contexts.push(Context {
                id: proposed.id,
                abstract_syntax: proposed.abstract_syntax.clone(),
                transfer_syntax: transfer_syntax.clone(),
                roles: Roles { scu: requestor.scp, scp: requestor.scu },
                extended: policy.extended(request, &proposed.abstract_syntax),
            });
        }
        results.push(ContextResult { id: proposed.id, outcome: outcome.map(|(syntax, _)| syntax) });
    }
    let answer = AssociateAccept {
        called: request.called.as_str().to_owned(),
        calling: request.calling.as_str().to_owned(),
        contexts: results,
        user: policy.user_information(request, &contexts, settings),
    };
    Negotiated { answer, contexts }
}

impl AcceptorPolicy {
    fn context(
        &self,
        request: &AssociateRequest,
        proposed: &ProposedContext,
    ) -> Result<(TransferSyntaxUid, Roles), ContextRefusal> {
        let class = &proposed.abstract_syntax;
        let offer = self.offer(request, class).ok_or(ContextRefusal::AbstractSyntax)?;
        let asked = selection(request, class).unwrap_or(Roles::DEFAULT);
        let roles = offer.roles(asked);
        if !roles.scu && !roles.scp {
            return Err(ContextRefusal::UserRejection);
        }
        let syntax = match offer {
            Offer::Storage(storage) => storage.syntaxes.choose(&proposed.transfer_syntaxes),
            Offer::Service { .. } => best(&self.service_syntaxes, &proposed.transfer_syntaxes),
        };
        Ok((syntax.ok_or(ContextRefusal::TransferSyntaxes)?, roles))
    }

    /// What is offered for an abstract syntax, if anything.
    fn offer(&self, request: &AssociateRequest, class: &SopClassUid) -> Option<Offer<'_>> {
        if class.as_str() == sop_class::VERIFICATION {
            return Some(Offer::Service { requestor: Roles::DEFAULT, extended: &[] });
        }
        if let Some(service) = self.services.iter().find(|service| service.abstract_syntax == *class) {
            return Some(Offer::Service { requestor: service.requestor, extended: &service.extended });
        }
        let storage = self.storage.as_ref()?;
        storage.takes(request, class).then_some(Offer::Storage(storage))
    }

    fn user_information(
        &self,
        request: &AssociateRequest,
        contexts: &[Context],
        settings: &Settings,
    ) -> UserInformation {
        let accepted =
            |class: &SopClassUid| contexts.iter().find(|context| context.abstract_syntax == *class);
        let asked_for_response =
            request.user.identity.as_ref().is_some_and(|given| given.response == IdentityResponse::Requested);
        UserInformation {
            roles: request
                .user
                .roles
                .iter()
                .filter_map(|asked| {
                    let roles = accepted(&asked.sop_class)?.roles;
                    let roles = Roles { scu: roles.scp, scp: roles.scu };
                    Some(RoleSelection { sop_class: asked.sop_class.clone(), roles })
                })
                .collect(),
            extended: request
                .user
                .extended
                .iter()
                .filter(|asked| accepted(&asked.sop_class).is_some())
                .map(|asked| ExtendedNegotiation {
                    sop_class: asked.sop_class.clone(),
                    information: self.agreed(request, asked),
                })
                .collect(),
            asynchronous: request.user.asynchronous.map(|_| (1, 1)),
            identity_response: match &self.identity {
                IdentityVerdict::Authenticated { response } if asked_for_response => Some(response.clone()),
                IdentityVerdict::Authenticated { .. } | IdentityVerdict::Ignored => None,
            },
            ..UserInformation::ours(settings)
        }
    }

    /// What is agreed on for a SOP class; nothing where nothing was asked for.
    fn extended(&self, request: &AssociateRequest, class: &SopClassUid) -> Bytes {
        let asked = request.user.extended.iter().find(|asked| asked.sop_class == *class);
        asked.map_or_else(Bytes::new, |asked| self.agreed(request, asked))
    }

    /// What is both asked for and offered for services, everything kept for storage; as many bytes as asked, since a requestor
    /// that sent one takes one (PS3.4 section C.5.2).
    fn agreed(&self, request: &AssociateRequest, asked: &ExtendedNegotiation) -> Bytes {
        let mut answer = vec![0; asked.information.len().min(EXTENDED_MAX)];
        match self.offer(request, &asked.sop_class) {
            Some(Offer::Storage(_)) => answer.iter_mut().take(1).for_each(|level| *level = STORAGE_LEVEL),
            Some(Offer::Service { extended, .. }) => {
                for (agreed, (asked, offered)) in
                    answer.iter_mut().zip(asked.information.iter().zip(extended))
                {
                    *agreed = *asked.min(offered);
                }
            }
            None => {}
        }
        answer.into()
    }
}

/// What is offered for one abstract syntax.
enum Offer<'a> {
    Storage(&'a StoragePolicy),
    Service { requestor: Roles, extended: &'a [u8] },
}

impl Offer<'_> {
    /// The roles granted: never one that was not asked for (PS3.7 section D.3.3.4).
    fn roles(&self, asked: Roles) -> Roles {
        let allowed = match self {
            Self::Storage(storage) => {
                Roles { scu: true, scp: storage.requestor_stores == RequestorStores::Allowed }
            }
            Self::Service { requestor, .. } => *requestor,
        };
        Roles { scu: asked.scu && allowed.scu, scp: asked.scp && allowed.scp }
    }
}

/// Whether a SOP class is known to be of another service than storage, so that no object is of it.
pub fn is_other_service(class: &SopClassUid) -> bool {
    non_storage::contains(class)
}

impl StoragePolicy {
    /// Whether an abstract syntax is taken as a storage class: it is listed, or named so by common extended
    /// negotiation, or nothing else is known of it.
    fn takes(&self, request: &AssociateRequest, class: &SopClassUid) -> bool {
        if self.refused.contains(class) {
            return false;
        }
        let listed = |uid: &SopClassUid| sop_class::storage_name(uid).is_some();
        if listed(class) {
            return true;
        }
        if non_storage::contains(class) || self.unknown == UnknownClasses::Refuse {
            return request.user.common_extended.iter().any(|common| {
                common.sop_class == *class
                    && !non_storage::contains(class)
                    && (common.service_class.as_str() == sop_class::STORAGE_SERVICE_CLASS
                        || common.related.iter().any(listed))
            });
        }
        true
    }
}

impl TransferSyntaxPreference {
    /// The choice among the proposed ones: what members take, else what can be transcoded, else what can be kept.
    pub fn choose(&self, proposed: &[TransferSyntaxUid]) -> Option<TransferSyntaxUid> {
        let storable: Vec<_> = proposed.iter().filter(|syntax| is_in_message(syntax)).cloned().collect();
        best(&self.native, &storable).or_else(|| best(&self.transcodable, &storable)).or_else(|| {
            match self.undeliverable {
                Undeliverable::Keep => storable.into_iter().next(),
                Undeliverable::Refuse => None,
            }
        })
    }
}

/// Whether the payload of a syntax is in the message, so that keeping the bytes keeps the object.
fn is_in_message(syntax: &TransferSyntaxUid) -> bool {
    transfer_syntax::traits(syntax).pixels != Pixels::Elsewhere
        && !ELSEWHERE.iter().any(|arc| syntax.as_str().starts_with(arc))
}

fn best(preference: &[TransferSyntaxUid], proposed: &[TransferSyntaxUid]) -> Option<TransferSyntaxUid> {
    preference.iter().find(|syntax| proposed.contains(syntax)).cloned()
}

fn selection(request: &AssociateRequest, class: &SopClassUid) -> Option<Roles> {
    request.user.roles.iter().find(|asked| asked.sop_class == *class).map(|asked| asked.roles)
}

impl UserInformation {
    /// What we say of ourselves in every A-ASSOCIATE PDU.
    pub fn ours(settings: &Settings) -> Self {
        Self {
            max_pdu: settings.max_pdu,
            implementation_class: IMPLEMENTATION_CLASS_UID.to_owned(),
            implementation_version: Some(IMPLEMENTATION_VERSION_NAME.to_owned()),
            asynchronous: None,
            roles: Vec::new(),
            extended: Vec::new(),
            common_extended: Vec::new(),
            identity: None,
            identity_response: None,
        }
    }
}
