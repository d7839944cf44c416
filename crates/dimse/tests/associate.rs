//! A-ASSOCIATE PDUs: our reader against dicom-ul's, and what dicom-ul cannot read.

use bytes::Bytes;
use dicom_ul::pdu::{Pdu, UserVariableItem, read_pdu};
use outrigger_dimse::associate::{
    AssociateAccept, AssociateError, AssociateRequest, CommonExtendedNegotiation, ContextRefusal,
    ContextResult, ExtendedNegotiation, IdentityResponse, UserIdentity, UserInformation,
};
use outrigger_dimse::{RoleSelection, Roles};
use outrigger_model::transfer_syntax;
use proptest::prelude::*;

use crate::script::{CT, associate_request, class, settings, syntax};

/// With every sub-item there is.
fn full_request() -> AssociateRequest {
    let mut request = associate_request(&settings());
    request.user.asynchronous = Some((5, 0));
    request.user.roles = vec![RoleSelection { sop_class: class(CT), roles: Roles { scu: false, scp: true } }];
    request.user.extended =
        vec![ExtendedNegotiation { sop_class: class(CT), information: Bytes::from_static(&[1, 0, 1]) }];
    request.user.common_extended = vec![CommonExtendedNegotiation {
        sop_class: class("1.2.3"),
        service_class: class("1.2.840.10008.4.2"),
        related: vec![class(CT), class("1.2.4")],
    }];
    request.user.identity = Some(UserIdentity {
        kind: 2,
        response: IdentityResponse::Requested,
        primary: Bytes::from_static(b"name"),
        secondary: Bytes::from_static(b"secret"),
    });
    request
}

fn accept() -> AssociateAccept {
    AssociateAccept {
        called: "CALLED".to_owned(),
        calling: "CALLING".to_owned(),
        contexts: vec![
            ContextResult { id: 1, outcome: Ok(syntax(transfer_syntax::EXPLICIT_VR_LE)) },
            ContextResult { id: 3, outcome: Err(ContextRefusal::UserRejection) },
            ContextResult { id: 5, outcome: Err(ContextRefusal::NoReason) },
            ContextResult { id: 7, outcome: Err(ContextRefusal::AbstractSyntax) },
            ContextResult { id: 9, outcome: Err(ContextRefusal::TransferSyntaxes) },
        ],
        user: UserInformation {
            asynchronous: Some((1, 1)),
            identity_response: Some(Bytes::from_static(b"ticket")),
            ..UserInformation::ours(&settings())
        },
    }
}

fn read_request(pdu: &[u8]) -> Result<AssociateRequest, AssociateError> {
    AssociateRequest::read(Bytes::copy_from_slice(&pdu[6..]))
}

#[test]
fn both_pdus_are_read_back_with_every_item() {
    let request = full_request();
    assert_eq!(read_request(&request.write().unwrap()), Ok(request));
    let accept = accept();
    let pdu = accept.write().unwrap();
    assert_eq!(AssociateAccept::read(pdu.slice(6..)), Ok(accept));
}

#[test]
fn dicom_ul_reads_the_same() {
    let request = full_request();
    let pdu = request.write().unwrap();
    let Some(Pdu::AssociationRQ(read)) = read_pdu(&pdu[..], 16_384, true).unwrap() else {
        panic!("an A-ASSOCIATE-RQ was written");
    };
    assert_eq!(read.calling_ae_title, request.calling.as_str());
    assert_eq!(read.called_ae_title, request.called.as_str());
    assert_eq!(read.application_context_name, request.protocol.application_context);
    let contexts = read.presentation_contexts.iter().map(|context| {
        let syntaxes: Vec<&str> = context.transfer_syntaxes.iter().map(String::as_str).collect();
        crate::script::proposed(context.id, &context.abstract_syntax, &syntaxes)
    });
    assert_eq!(contexts.collect::<Vec<_>>(), request.contexts);
    let identity = read.user_variables.iter().find_map(|item| match item {
        UserVariableItem::UserIdentityItem(identity) => Some(identity.clone()),
        _ => None,
    });
    let identity = identity.unwrap();
    assert_eq!(identity.primary_field(), b"name");
    assert_eq!(identity.secondary_field(), b"secret");
    assert!(read.user_variables.contains(&UserVariableItem::MaxLength(16_384)));
}

/// The reason for a reader of our own: real peers leave the insignificant transfer syntax out.
#[test]
fn a_refused_context_needs_no_transfer_syntax() {
    let mut pdu = accept().write().unwrap().to_vec();
    let item = [0x21, 0, 0, 4, 11, 0, 4, 0];
    pdu.splice(6 + 68..6 + 68, item);
    let length = u32::try_from(pdu.len() - 6).unwrap();
    pdu[2..6].copy_from_slice(&length.to_be_bytes());
    let read = AssociateAccept::read(Bytes::copy_from_slice(&pdu[6..])).unwrap();
    let refused = ContextResult { id: 11, outcome: Err(ContextRefusal::TransferSyntaxes) };
    assert_eq!(read.contexts[0], refused);
    assert!(read_pdu(&pdu[..], 16_384, true).is_err());
}

#[test]
fn an_identity_never_shows_its_secrets() {
    let shown = format!("{:?}", full_request());
    assert!(!shown.contains("secret") && !shown.contains("name\""), "{shown}");
}

#[test]
fn padded_uids_are_taken_without_their_padding() {
    let mut pdu = associate_request(&settings()).write().unwrap().to_vec();
    let place = pdu.windows(17).position(|window| window == b"1.2.840.10008.1.1").unwrap();
    pdu[place..place + 17].copy_from_slice(b"1.2.840.10008.1\0 ");
    assert_eq!(read_request(&pdu).unwrap().contexts[0].abstract_syntax.as_str(), "1.2.840.10008.1");
}

proptest! {
    #[test]
    fn no_bytes_bring_the_readers_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let body = Bytes::from(bytes);
        if let Ok(request) = AssociateRequest::read(body.clone()) {
            prop_assert!(request.write().is_ok());
        }
        if let Ok(accept) = AssociateAccept::read(body) {
            prop_assert!(accept.contexts.len() < 100);
        }
    }

    #[test]
    fn a_changed_byte_is_read_or_named(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut pdu = full_request().write().unwrap().to_vec();
        let place = 6 + place.index(pdu.len() - 6);
        pdu[place] = byte;
        if let Ok(request) = read_request(&pdu) {
            prop_assert_eq!(read_request(&request.write().unwrap()), Ok(request));
        }
    }
}
