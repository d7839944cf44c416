//! What A-ASSOCIATE-RQ and -AC PDUs say (PS3.8 section 9.3, PS3.7 Annex D).

mod read;
mod write;

use std::fmt;

use bytes::Bytes;
use outrigger_model::{AeTitle, SopClassUid, TransferSyntaxUid};

pub use read::AssociateError;
pub use write::WriteAssociateError;

/// The one application context name of DICOM (PS3.7 Annex A).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// An A-ASSOCIATE-RQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateRequest {
    /// Calling AE title.
    pub calling: AeTitle,
    /// Called AE title.
    pub called: AeTitle,
    /// Whether bit 0 of the protocol version is set, and which application context is named.
    pub protocol: Protocol,
    /// The presentation contexts proposed, with distinct odd ids, in the order proposed.
    pub contexts: Vec<ProposedContext>,
    /// What the user information item says.
    pub user: UserInformation,
}

/// The protocol asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Protocol version, one bit for each version; bit 0 is the only one defined.
    pub version: u16,
    /// Application context name, without padding.
    pub application_context: String,
}

/// One presentation context proposed (PS3.8 section 9.3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedContext {
    /// Its id, odd.
    pub id: u8,
    /// The abstract syntax: a SOP class, mostly.
    pub abstract_syntax: SopClassUid,
    /// The transfer syntaxes, in the order proposed, which has no standardised meaning.
    pub transfer_syntaxes: Vec<TransferSyntaxUid>,
}

/// An A-ASSOCIATE-AC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateAccept {
    /// Called AE title, as the request had it; not tested (PS3.8 table 9-17).
    pub called: String,
    /// Calling AE title, as the request had it; not tested (PS3.8 table 9-17).
    pub calling: String,
    /// One result for each context proposed.
    pub contexts: Vec<ContextResult>,
    /// What the user information item says.
    pub user: UserInformation,
}

/// What became of one presentation context proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextResult {
    /// The id of the context proposed.
    pub id: u8,
    /// The transfer syntax of an accepted context, or why there is none.
    pub outcome: Result<TransferSyntaxUid, ContextRefusal>,
}

/// Why a presentation context was refused (PS3.8 table 9-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContextRefusal {
    /// 1: by the user.
    UserRejection,
    /// 2: by the provider, without a reason; also any code outside the standard.
    NoReason,
    /// 3: the abstract syntax is not supported.
    AbstractSyntax,
    /// 4: none of the transfer syntaxes is supported.
    TransferSyntaxes,
}

/// The sub-items of the user information item (PS3.7 section D.3.3); unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInformation {
    /// The longest P-DATA-TF PDU its sender takes, in bytes; 0 is no limit (sub-item 51H).
    pub max_pdu: u32,
    /// Implementation Class UID, empty where a peer left it out (52H).
    pub implementation_class: String,
    /// Implementation Version Name (55H).
    pub implementation_version: Option<String>,
    /// Asynchronous operations window: invoked, performed (53H).
    pub asynchronous: Option<(u16, u16)>,
    /// Role selections (54H).
    pub roles: Vec<RoleSelection>,
    /// SOP class extended negotiation (56H).
    pub extended: Vec<ExtendedNegotiation>,
    /// SOP class common extended negotiation (57H).
    pub common_extended: Vec<CommonExtendedNegotiation>,
    /// User identity, in a request (58H).
    pub identity: Option<UserIdentity>,
    /// The server's response to a user identity, in an acceptance (59H).
    pub identity_response: Option<Bytes>,
}

/// Which roles the requestor of the association takes for a SOP class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Roles {
    /// It invokes operations.
    pub scu: bool,
    /// It performs operations.
    pub scp: bool,
}

impl Roles {
    /// What holds where nothing was selected: the requestor invokes, the acceptor performs.
    pub const DEFAULT: Self = Self { scu: true, scp: false };
}

/// SCP/SCU role selection (PS3.7 section D.3.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSelection {
    /// The SOP class.
    pub sop_class: SopClassUid,
    /// The roles of the requestor, proposed or accepted.
    pub roles: Roles,
}

/// SOP class extended negotiation (PS3.7 section D.3.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedNegotiation {
    /// The SOP class.
    pub sop_class: SopClassUid,
    /// Service class application information, as PS3.4 defines it for the class.
    pub information: Bytes,
}

/// SOP class common extended negotiation (PS3.7 section D.3.3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonExtendedNegotiation {
    /// The SOP class.
    pub sop_class: SopClassUid,
    /// The service class it belongs to.
    pub service_class: SopClassUid,
    /// More general SOP classes it is a special case of.
    pub related: Vec<SopClassUid>,
}

/// User identity (PS3.7 section D.3.3.7); its fields are secrets and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct UserIdentity {
    /// 1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token.
    pub kind: u8,
    /// Whether a response is asked for.
    pub response: IdentityResponse,
    /// User name, ticket, assertion or token.
    pub primary: Bytes,
    /// Passcode, for kind 2.
    pub secondary: Bytes,
}

/// Whether the requestor asked for a response to its user identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityResponse {
    /// Sub-item 59H is expected if the identity is accepted.
    Requested,
    /// No answer is expected.
    NotRequested,
}

impl fmt::Debug for UserIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserIdentity")
            .field("kind", &self.kind)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ContextRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserRejection => "rejected by the user",
            Self::NoReason => "rejected without a reason",
            Self::AbstractSyntax => "abstract syntax not supported",
            Self::TransferSyntaxes => "transfer syntaxes not supported",
        })
    }
}
