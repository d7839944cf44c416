//! What is accepted of an association request, as data for the negotiation (PS3.8 section 7.1.1, PS3.7 section D.3.3).

use bytes::Bytes;
use outrigger_dimse::associate::{AssociateRequest, Roles};
use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference,
    Undeliverable, UnknownClasses, is_other_service,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_BE, EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{SopClassUid, TransferSyntaxUid};

use super::class::{Class, class_of};
use super::identifier;
use crate::admit::{Caller, Permission};
use crate::service::{Accepts, OtherSyntaxes};

/// Encodings of identifiers, and of objects that are decoded for a requestor of C-GET, best first.
const PLAIN: &[&str] = &[EXPLICIT_VR_LE, IMPLICIT_VR_LE, EXPLICIT_VR_BE];
/// Media Storage Directory: a storage class by its UID that cannot be sent (PS3.4 section B.5).
const MEDIA_STORAGE_DIRECTORY: &str = "1.2.840.10008.1.3.10";
/// A user identity that is a user name alone (PS3.7 table D.3-14): nothing of it needs checking, the AE title and address were.
const IDENTITY_USER_NAME: u8 = 1;

/// The policy for one caller and its request.
pub(super) fn policy(request: &AssociateRequest, caller: &Caller, accepts: &Accepts) -> AcceptorPolicy {
    let served = |class: &&SopClassUid| may_use(caller, class);
    let gets = request.contexts.iter().any(|context| {
        matches!(class_of(&context.abstract_syntax), Class::Get(_))
            && accepts.services.contains(&context.abstract_syntax)
            && caller.may(Permission::Get)
    });
    AcceptorPolicy {
        storage: (gets || caller.may(Permission::Store)).then(|| storage(accepts, gets)),
        services: accepts
            .services
            .iter()
            .filter(served)
            .map(|class| Service {
                abstract_syntax: class.clone(),
                requestor: Roles::DEFAULT,
                extended: Bytes::from_static(identifier::extended(class)),
            })
            .collect(),
        service_syntaxes: plain(),
        identity: identity(request),
    }
}

fn may_use(caller: &Caller, class: &SopClassUid) -> bool {
    match class_of(class) {
        Class::Find(_) => caller.may(Permission::Find),
        Class::Move(_) => caller.may(Permission::Move),
        Class::Get(_) => caller.may(Permission::Get),
        Class::Commit => caller.may(Permission::Commit),
        Class::Verification => true,
        Class::Storage | Class::Other => false,
    }
}

/// Where objects are to be fetched, contexts are taken plain if they can be: what is kept can be decoded to that most often.
fn storage(accepts: &Accepts, gets: bool) -> StoragePolicy {
    let mut native = if gets { plain() } else { Vec::new() };
    native.extend(accepts.preferred.iter().cloned());
    StoragePolicy {
        syntaxes: TransferSyntaxPreference {
            native,
            transcodable: Vec::new(),
            undeliverable: match accepts.others {
                OtherSyntaxes::Keep => Undeliverable::Keep,
                OtherSyntaxes::Refuse => Undeliverable::Refuse,
            },
        },
        unknown: UnknownClasses::Store,
        refused: refused(),
        requestor_stores: if gets { RequestorStores::Allowed } else { RequestorStores::Refused },
    }
}

/// Whether objects of a class are taken, at any door: all but those of other services and directories of media.
pub(crate) fn takes(class: &SopClassUid) -> bool {
    !is_other_service(class) && !refused().contains(class)
}

fn refused() -> Vec<SopClassUid> {
    vec![SopClassUid::known(MEDIA_STORAGE_DIRECTORY)]
}

fn plain() -> Vec<TransferSyntaxUid> {
    PLAIN.iter().map(|syntax| TransferSyntaxUid::known(syntax)).collect()
}

fn identity(request: &AssociateRequest) -> IdentityVerdict {
    match &request.user.identity {
        Some(identity) if identity.kind == IDENTITY_USER_NAME => {
            IdentityVerdict::Authenticated { response: Bytes::new() }
        }
        Some(_) | None => IdentityVerdict::Ignored,
    }
}

/// The user a request names, if it names one in the clear.
pub(super) fn user(request: &AssociateRequest) -> Option<String> {
    /// User name, alone or with a passcode.
    const NAMED: std::ops::RangeInclusive<u8> = 1..=2;
    let identity = request.user.identity.as_ref().filter(|identity| NAMED.contains(&identity.kind))?;
    Some(String::from_utf8_lossy(&identity.primary).into_owned())
}

/// Whether a context that was accepted for the class is one for objects.
pub(super) fn is_storage(class: &SopClassUid) -> bool {
    match class_of(class) {
        // Other classes are accepted only where common extended negotiation named them storage.
        Class::Storage | Class::Other => true,
        Class::Verification | Class::Find(_) | Class::Move(_) | Class::Get(_) | Class::Commit => false,
    }
}
