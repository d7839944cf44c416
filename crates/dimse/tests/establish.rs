//! Association establishment, both roles.

use outrigger_dimse::{
    AcceptError, ContextRefusal, Rejection, RequestError, Roles, Settings, Verdict, accept, request,
};
use outrigger_model::{sop_class, transfer_syntax};

use crate::script::{
    CT, accept_all, ae, associate_request, both_ends, class, pair, pipe, proposal, proposed, read_accept,
    settings,
};

#[tokio::test(start_paused = true)]
async fn both_roles_agree_on_contexts_and_names() {
    let (requestor, acceptor) = pair(&settings()).await;
    for association in [&requestor, &acceptor] {
        assert_eq!(association.peer().calling, ae("CALLING"));
        assert_eq!(association.peer().called, ae("CALLED"));
        assert_eq!(association.peer().max_pdu, 16_384);
        assert_eq!(association.peer().implementation_version.as_deref(), Some("OUTRIGGER_0_1"));
        let context = association.context(3).unwrap();
        assert_eq!(context.abstract_syntax, class(CT));
        assert_eq!(context.transfer_syntax.as_str(), transfer_syntax::EXPLICIT_VR_LE);
    }
    assert_eq!(requestor.context(3).unwrap().roles, Roles { scu: true, scp: false });
    assert_eq!(acceptor.context(3).unwrap().roles, Roles { scu: false, scp: true });
    assert!(requestor.context(5).is_none());
}

#[tokio::test(start_paused = true)]
async fn refused_contexts_say_why_and_leave_the_rest() {
    let (one, other) = both_ends();
    let settings = settings();
    let mut proposal = proposal();
    proposal.contexts.push(proposed(5, sop_class::PATIENT_ROOT_FIND, &[transfer_syntax::IMPLICIT_VR_LE]));
    proposal.contexts.push(proposed(7, CT, &["1.2.840.10008.1.2.4.94"]));
    let (requestor, acceptor) =
        tokio::join!(request(one, &settings, proposal), accept(other, &settings, accept_all));
    let expected = [(5, ContextRefusal::AbstractSyntax), (7, ContextRefusal::TransferSyntaxes)];
    assert_eq!(requestor.unwrap().refused(), expected);
    assert_eq!(acceptor.unwrap().refused(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_reaches_the_requestor_with_its_codes() {
    for (rejection, codes) in [
        (Rejection::CALLED_AE, [1, 1, 7]),
        (Rejection::CALLING_AE, [1, 1, 3]),
        (Rejection::LOCAL_LIMIT, [2, 3, 2]),
        (Rejection::CONGESTION, [2, 3, 1]),
    ] {
        let (one, other) = both_ends();
        let settings = settings();
        let (requestor, acceptor) = tokio::join!(
            request(one, &settings, proposal()),
            accept(other, &settings, |_| Verdict::Reject(rejection))
        );
        match requestor {
            Err(RequestError::Rejected(received)) => assert_eq!(received, rejection),
            other => panic!("{:?}", other.err()),
        }
        match acceptor {
            Err(AcceptError::Rejected { rejection: sent, request: Some(_) }) => {
                let pdu = sent.write();
                assert_eq!(pdu[7..], codes);
            }
            other => panic!("{:?}", other.err()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_upper_layer_rejects_what_is_not_its_protocol() {
    let settings = settings();
    let mut version = associate_request(&settings);
    version.protocol.version = 2;
    let mut context = associate_request(&settings);
    context.protocol.application_context = "1.2.3".to_owned();
    let mut empty = associate_request(&settings);
    empty.contexts.clear();
    let mut no_caller = associate_request(&settings).write().unwrap().to_vec();
    no_caller[26..42].fill(b' ');
    let cases = [
        (version.write().unwrap().to_vec(), [1, 2, 2]),
        (context.write().unwrap().to_vec(), [1, 1, 2]),
        (empty.write().unwrap().to_vec(), [1, 2, 1]),
        (no_caller, [1, 1, 3]),
    ];
    for (pdu, codes) in cases {
        let (ours, mut peer) = pipe();
        peer.send(&pdu).await;
        let scripted = async {
            let answer = peer.pdu().await;
            assert_eq!(answer[..1], [3]);
            assert_eq!(answer[7..], codes);
            peer.close();
        };
        let (result, ()) = tokio::join!(accept(ours, &settings, accept_all), scripted);
        assert!(matches!(result, Err(AcceptError::Rejected { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_items_and_sub_items_are_skipped() {
    let settings = settings();
    let mut pdu = associate_request(&settings).write().unwrap().to_vec();
    // An unknown sub-item at the end of the user information, and an unknown item behind it.
    let sub_item = [0xEE, 0, 0, 3, 1, 2, 3];
    let item = [0x99, 0, 0, 2, 7, 7];
    let user = pdu.windows(4).rposition(|window| window[0] == 0x50 && window[1] == 0).unwrap();
    let user_length = u16::from_be_bytes([pdu[user + 2], pdu[user + 3]]) + 7;
    pdu[user + 2..user + 4].copy_from_slice(&user_length.to_be_bytes());
    pdu.extend(sub_item);
    pdu.extend(item);
    let length = u32::try_from(pdu.len() - 6).unwrap();
    pdu[2..6].copy_from_slice(&length.to_be_bytes());
    let (ours, mut peer) = pipe();
    peer.send(&pdu).await;
    let association = accept(ours, &settings, accept_all).await.unwrap();
    assert_eq!(association.contexts().len(), 2);
    assert_eq!(read_accept(peer.pdu().await).contexts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_standard_settings_offer_a_finite_length() {
    let (requestor, _acceptor) = pair(&Settings::STANDARD).await;
    assert_eq!(requestor.peer().max_pdu, 131_072);
}
