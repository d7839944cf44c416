//! The acceptor's answers, context by context and sub-item by sub-item.

use bytes::Bytes;
use outrigger_dimse::associate::{
    CommonExtendedNegotiation, ExtendedNegotiation, IdentityResponse, UserIdentity,
};
use outrigger_dimse::negotiate::{
    IdentityVerdict, Negotiated, RequestorStores, Undeliverable, UnknownClasses, negotiate,
};
use outrigger_dimse::{AcceptorPolicy, AssociateRequest, ContextRefusal, RoleSelection, Roles};
use outrigger_model::{sop_class, transfer_syntax};

use crate::script::{CT, associate_request, class, policy, proposed, settings};

const IMPLICIT: &str = transfer_syntax::IMPLICIT_VR_LE;
const EXPLICIT: &str = transfer_syntax::EXPLICIT_VR_LE;
const BIG_ENDIAN: &str = transfer_syntax::EXPLICIT_VR_BE;
const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// The answer to one context: its transfer syntax or why it is refused.
fn answer(
    policy: &AcceptorPolicy,
    abstract_syntax: &str,
    syntaxes: &[&str],
) -> Result<String, ContextRefusal> {
    let mut request = associate_request(&settings());
    request.contexts = vec![proposed(1, abstract_syntax, syntaxes)];
    answer_to(policy, &request)
}

fn answer_to(policy: &AcceptorPolicy, request: &AssociateRequest) -> Result<String, ContextRefusal> {
    let Negotiated { answer, contexts } = negotiate(request, policy, &settings());
    let outcome = answer.contexts[0].outcome.clone();
    assert_eq!(outcome.is_ok(), contexts.len() == 1);
    outcome.map(|syntax| syntax.as_str().to_owned())
}

#[test]
fn transfer_syntaxes_by_preference_not_by_the_order_proposed() {
    let policy = policy();
    for (syntaxes, chosen) in [
        (&[IMPLICIT, EXPLICIT][..], EXPLICIT),
        (&[JPEG_LOSSLESS, IMPLICIT], IMPLICIT),
        (&[JPEG_BASELINE, JPEG_LOSSLESS], JPEG_LOSSLESS),
        (&[JPEG_BASELINE, BIG_ENDIAN], JPEG_BASELINE),
        (&[transfer_syntax::GE_PRIVATE], transfer_syntax::GE_PRIVATE),
        (&["1.2.3.4.5"], "1.2.3.4.5"),
    ] {
        assert_eq!(answer(&policy, CT, syntaxes), Ok(chosen.to_owned()), "{syntaxes:?}");
    }
}

#[test]
fn syntaxes_without_their_payload_are_never_accepted() {
    let mut policy = policy();
    for uid in [
        "1.2.840.10008.1.2.4.94",
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.204",
        "1.2.840.10008.1.2.4.205",
        "1.2.840.10008.1.2.6.1",
        "1.2.840.10008.1.2.7.1",
        "1.2.840.10008.1.2.7.99",
    ] {
        let storage = policy.storage.as_mut().unwrap();
        storage.syntaxes.native.insert(0, crate::script::syntax(uid));
        assert_eq!(answer(&policy, CT, &[uid]), Err(ContextRefusal::TransferSyntaxes), "{uid}");
        assert_eq!(answer(&policy, CT, &[uid, IMPLICIT]), Ok(IMPLICIT.to_owned()), "{uid}");
    }
}

#[test]
fn what_no_member_takes_is_kept_or_refused_as_the_policy_says() {
    let mut policy = policy();
    policy.storage.as_mut().unwrap().syntaxes.undeliverable = Undeliverable::Refuse;
    assert_eq!(answer(&policy, CT, &[JPEG_BASELINE]), Err(ContextRefusal::TransferSyntaxes));
    assert_eq!(answer(&policy, CT, &[JPEG_BASELINE, JPEG_LOSSLESS]), Ok(JPEG_LOSSLESS.to_owned()));
}

#[test]
fn what_counts_as_a_storage_class() {
    let mut policy = policy();
    policy.storage.as_mut().unwrap().refused = vec![class("1.2.840.10008.5.1.4.1.1.4")];
    let refused = Err(ContextRefusal::AbstractSyntax);
    let taken = Ok(IMPLICIT.to_owned());
    for (uid, expected) in [
        (CT, &taken),
        ("1.2.840.10008.5.1.4.1.1.4", &refused),
        ("1.2.840.10008.5.1.4.1.1.999.1", &taken),
        ("1.2.840.113619.4.26", &taken),
        ("1.2.840.10008.5.1.1.27", &taken),
        ("1.2.840.10008.5.1.4.34.7", &taken),
        ("1.2.840.10008.1.3.10", &refused),
        ("1.2.840.10008.5.1.1.9", &refused),
        ("1.2.840.10008.5.1.4.31", &refused),
        ("1.2.840.10008.5.1.4.1.1.201.2", &refused),
        (sop_class::PATIENT_ROOT_FIND, &refused),
        (sop_class::STUDY_ROOT_FIND, &taken),
        (sop_class::VERIFICATION, &taken),
    ] {
        assert_eq!(answer(&policy, uid, &[IMPLICIT]), *expected, "{uid}");
    }
    policy.storage = None;
    assert_eq!(answer(&policy, CT, &[IMPLICIT]), refused);
    assert_eq!(answer(&policy, sop_class::VERIFICATION, &[IMPLICIT]), taken);
}

#[test]
fn common_extended_negotiation_names_storage_classes() {
    let mut policy = policy();
    policy.storage.as_mut().unwrap().unknown = UnknownClasses::Refuse;
    let mut request = associate_request(&settings());
    request.contexts = vec![proposed(1, "1.2.3.4", &[IMPLICIT])];
    assert_eq!(answer_to(&policy, &request), Err(ContextRefusal::AbstractSyntax));
    let common = |service: &str, related: &[&str]| CommonExtendedNegotiation {
        sop_class: class("1.2.3.4"),
        service_class: class(service),
        related: related.iter().map(|uid| class(uid)).collect(),
    };
    for (given, taken) in [
        (common(sop_class::STORAGE_SERVICE_CLASS, &[]), true),
        (common("1.2.3", &[CT]), true),
        (common("1.2.3", &["1.2.3.5"]), false),
    ] {
        request.user.common_extended = vec![given];
        assert_eq!(answer_to(&policy, &request).is_ok(), taken, "{:?}", request.user.common_extended);
    }
}

#[test]
fn roles_are_granted_only_as_asked_and_allowed() {
    let role = |scu, scp| Roles { scu, scp };
    let commitment = sop_class::STORAGE_COMMITMENT_PUSH;
    let find = sop_class::STUDY_ROOT_FIND;
    let cases = [
        (CT, role(false, true), RequestorStores::Allowed, Some(role(false, true))),
        (CT, role(true, true), RequestorStores::Allowed, Some(role(true, true))),
        (CT, role(true, true), RequestorStores::Refused, Some(role(true, false))),
        (CT, role(false, true), RequestorStores::Refused, None),
        (commitment, role(false, true), RequestorStores::Refused, Some(role(false, true))),
        (find, role(true, true), RequestorStores::Refused, Some(role(true, false))),
        (find, role(false, false), RequestorStores::Refused, None),
    ];
    for (uid, asked, stores, granted) in cases {
        let mut policy = policy();
        policy.storage.as_mut().unwrap().requestor_stores = stores;
        let mut request = associate_request(&settings());
        request.contexts = vec![proposed(1, uid, &[IMPLICIT])];
        request.user.roles = vec![RoleSelection { sop_class: class(uid), roles: asked }];
        let Negotiated { answer, contexts } = negotiate(&request, &policy, &settings());
        if let Some(roles) = granted {
            let selection = RoleSelection { sop_class: class(uid), roles };
            assert_eq!(answer.user.roles, [selection], "{uid} {asked:?}");
            assert_eq!(contexts[0].roles, role(roles.scp, roles.scu), "ours are the other ones");
        } else {
            assert_eq!(answer.contexts[0].outcome, Err(ContextRefusal::UserRejection));
            assert_eq!(answer.user.roles, []);
        }
    }
}

#[test]
fn role_selection_is_never_volunteered() {
    let Negotiated { answer, contexts } = negotiate(&associate_request(&settings()), &policy(), &settings());
    assert_eq!(answer.user.roles, []);
    assert!(contexts.iter().all(|context| context.roles == Roles { scu: false, scp: true }));
}

#[test]
fn the_asynchronous_window_is_answered_only_when_asked_for() {
    let mut request = associate_request(&settings());
    for (asked, answered) in [(None, None), (Some((0, 0)), Some((1, 1))), (Some((8, 4)), Some((1, 1)))] {
        request.user.asynchronous = asked;
        assert_eq!(negotiate(&request, &policy(), &settings()).answer.user.asynchronous, answered);
    }
}

#[test]
fn an_identity_is_answered_when_asked_for_and_verified() {
    let authenticated = IdentityVerdict::Authenticated { response: Bytes::from_static(b"ok") };
    for (asked, verdict, answered) in [
        (IdentityResponse::Requested, authenticated.clone(), true),
        (IdentityResponse::NotRequested, authenticated, false),
        (IdentityResponse::Requested, IdentityVerdict::Ignored, false),
    ] {
        let mut request = associate_request(&settings());
        let primary = Bytes::from_static(b"user");
        request.user.identity =
            Some(UserIdentity { kind: 1, response: asked, primary, secondary: Bytes::new() });
        let policy = AcceptorPolicy { identity: verdict, ..policy() };
        let response = negotiate(&request, &policy, &settings()).answer.user.identity_response;
        assert_eq!(response.is_some(), answered, "{asked:?}");
    }
}

#[test]
fn extended_negotiation_agrees_on_what_both_want_in_the_length_asked() {
    let find = sop_class::STUDY_ROOT_FIND;
    for (uid, asked, answered) in [
        (find, &[1][..], Some(&[1][..])),
        (find, &[0], Some(&[0])),
        (find, &[], Some(&[])),
        (find, &[0, 1, 1, 1, 1, 1, 1, 1], Some(&[0, 1, 0, 0, 0, 0, 0, 0])),
        (find, &[1; 40], Some(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        (CT, &[3, 0, 0, 0, 2], Some(&[2, 0, 0, 0, 0])),
        (sop_class::PATIENT_ROOT_FIND, &[1], None),
    ] {
        let mut request = associate_request(&settings());
        request.contexts = vec![proposed(1, uid, &[IMPLICIT])];
        let information = Bytes::copy_from_slice(asked);
        request.user.extended = vec![ExtendedNegotiation { sop_class: class(uid), information }];
        let negotiated = negotiate(&request, &policy(), &settings());
        let extended = negotiated.answer.user.extended;
        assert_eq!(extended.first().map(|answer| &answer.information[..]), answered, "{uid}");
        let context = negotiated.contexts.first().map(|context| &context.extended[..]);
        assert_eq!(context, answered, "{uid}");
    }
}

#[test]
fn every_proposed_context_is_answered() {
    let mut request = associate_request(&settings());
    request.contexts = (0..128).map(|i| proposed(2 * i + 1, CT, &[IMPLICIT])).collect();
    let Negotiated { answer, contexts } = negotiate(&request, &policy(), &settings());
    assert_eq!(answer.contexts.len(), 128);
    assert_eq!(contexts.len(), 128);
}
