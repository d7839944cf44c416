//! Requests that are open are bounded, whoever asked; results that are only looked at make room for others.

use outrigger_ledger::promise::OPEN_MAX;

use super::*;

/// It fills the bound, which takes half a minute.
#[tokio::test(start_paused = true)]
async fn fault_of_as_many_requests_as_may_be_open_a_result_makes_room_and_one_that_waits_does_not() {
    let most = u32::try_from(OPEN_MAX).unwrap();
    let rig = Rig::new(Kind::Memory).await;
    let web = Requestor::Web(WebClient::of(Some("token:00000001")));
    for number in 0..most {
        let request = asked_by(web.clone(), number, &[(CT, number)]);
        assert_eq!(rig.ledger.promise(request).await.unwrap(), Promised::Taken);
    }
    let refused = rig.ledger.promise(asked(most, &[(CT, 1)])).await;
    assert!(matches!(refused, Err(PromiseError::TooMany { most: OPEN_MAX, .. })), "{refused:?}");
    // Nobody has any of it, and no more is waited for.
    rig.ledger.settle_promises(JOURNAL_AND_ONE, Duration::ZERO).await.unwrap();
    assert_eq!(rig.ledger.promise(asked(most, &[(CT, 1)])).await.unwrap(), Promised::Taken);
    let is_there = async |number| rig.ledger.open_promise(&transaction(number)).await.unwrap().is_some();
    let mut gone = 0;
    for number in 0..most {
        gone += u32::from(!is_there(number).await);
    }
    assert_eq!((gone, is_there(most).await), (1, true), "one result went, and the request is there");
}
