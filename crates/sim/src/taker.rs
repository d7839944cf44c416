//! What scripted members have in common: any storage class, uncompressed.

use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference,
    Undeliverable, UnknownClasses,
};
use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};

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
