//! Release and abort, both roles, collision included.

use outrigger_dimse::{AbortSource, AssociationError, Incoming};

use crate::script::{abort, accepted, pair, requested, settings};

const RELEASE_REQUEST: [u8; 10] = [5, 0, 0, 0, 0, 4, 0, 0, 0, 0];
const RELEASE_REPLY: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn a_release_is_granted() {
    let (requestor, mut acceptor) = pair(&settings()).await;
    let granting = async {
        assert_eq!(acceptor.receive().await.unwrap(), Incoming::Release);
        acceptor.answer_release().await.unwrap();
    };
    let (released, ()) = tokio::join!(requestor.release(), granting);
    released.unwrap();
}

#[tokio::test(start_paused = true)]
async fn releases_may_collide() {
    let (requestor, acceptor) = pair(&settings()).await;
    let (one, other) = tokio::join!(requestor.release(), acceptor.release());
    one.unwrap();
    other.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_collision_is_answered_in_the_order_of_the_standard() {
    let (association, mut peer) = requested(0).await;
    let scripted = async {
        assert_eq!(peer.pdu().await, RELEASE_REQUEST);
        peer.send(&RELEASE_REQUEST).await;
        assert_eq!(peer.pdu().await, RELEASE_REPLY);
        peer.send(&RELEASE_REPLY).await;
        peer.expect_close().await;
    };
    let (released, ()) = tokio::join!(association.release(), scripted);
    released.unwrap();

    let (association, mut peer) = accepted().await;
    let scripted = async {
        assert_eq!(peer.pdu().await, RELEASE_REQUEST);
        peer.send(&RELEASE_REQUEST).await;
        peer.send(&RELEASE_REPLY).await;
        assert_eq!(peer.pdu().await, RELEASE_REPLY);
        peer.close();
    };
    let (released, ()) = tokio::join!(association.release(), scripted);
    released.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abort_is_seen_by_the_other_side() {
    let (requestor, mut acceptor) = pair(&settings()).await;
    let (aborted, received) = tokio::join!(requestor.abort(), async {
        let received = acceptor.receive().await;
        drop(acceptor);
        received
    });
    aborted.unwrap();
    assert!(matches!(received, Err(AssociationError::Aborted { by: AbortSource::User })));
}

#[tokio::test(start_paused = true)]
async fn our_abort_names_the_service_user_and_waits_for_the_close() {
    let (association, mut peer) = accepted().await;
    let scripted = async {
        assert_eq!(peer.pdu().await, abort(0, 0));
        // Whatever still comes is dropped.
        peer.send(&[4, 0, 0, 0, 0, 8, 1, 2]).await;
        peer.close();
    };
    let (aborted, ()) = tokio::join!(association.abort(), scripted);
    aborted.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_without_release_is_told_from_an_abort() {
    let (mut association, peer) = accepted().await;
    peer.close();
    assert!(matches!(association.receive().await, Err(AssociationError::Closed)));
    assert!(matches!(association.receive().await, Err(AssociationError::Closed)));
}
