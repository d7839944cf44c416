//! Requests that are open are bounded, for each requestor and in all; results that are only looked at make room for others.

use outrigger_ledger::changes::Changes;
use outrigger_ledger::promise::{OPEN_MAX, OPEN_OF_ONE_MAX, Promise};
use outrigger_ledger::store::LedgerTx;

use super::*;

fn client(number: u32) -> Requestor {
    Requestor::Web(WebClient::of(Some(&format!("token:{number:08x}"))))
}

fn titled(name: &'static str) -> Requestor {
    Requestor::Ae(AeTitle::known(name))
}

/// Numbers a bound.
fn number(bound: usize) -> u32 {
    u32::try_from(bound).unwrap()
}

/// Books with these requests in them, as if each had been taken: taking thousands one after another takes minutes.
async fn rig_with(kind: Kind, requests: impl Iterator<Item = Asked>) -> Rig {
    let mut rig = Rig::new(kind).await;
    rig.restart_between(|store, now| {
        let promise = |asked: Asked| Promise {
            head: PromiseHead {
                transaction: asked.transaction.clone(),
                requestor: asked.requestor.clone(),
                at: now,
                decided_at: None,
                attempts: 0,
                not_before: now,
            },
            asked,
            failed: Vec::new(),
        };
        let changes = Changes { promises: requests.map(promise).collect(), ..Changes::default() };
        store.transact(&mut |tx: &mut dyn LedgerTx| tx.write(&changes)).unwrap();
    })
    .await;
    rig
}

/// Goal: as many requests as may be open wait beside each other, and one more is refused until there is a result that is only
/// looked at; that goes, and nothing else.
#[tokio::test(start_paused = true)]
async fn fault_of_as_many_requests_as_may_be_open_a_result_makes_room_and_one_that_waits_does_not() {
    let (most, share) = (number(OPEN_MAX), number(OPEN_OF_ONE_MAX));
    let request = |number| asked_by(client(number / share), number, &[(CT, number)]);
    let rig = rig_with(Kind::Sqlite, (0..most - 2).map(request)).await;
    for number in most - 2..most {
        assert_eq!(rig.ledger.promise(request(number)).await.unwrap(), Promised::Taken);
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

/// Goal: who asks without end does not take the room of others, over restarts; what is decided of a client of the web gives it room
/// again, and what is owed to an AE title does not.
#[tokio::test(start_paused = true)]
async fn fault_of_one_requestor_a_share_of_the_room_is_taken_and_no_more() {
    let share = number(OPEN_OF_ONE_MAX);
    let requests = |client: Requestor, from: u32| {
        (from..from + share).map(move |number| asked_by(client.clone(), number, &[(CT, number)]))
    };
    // All but the last of each.
    let before = requests(client(1), 1).skip(1).chain(requests(titled("CT1"), share + 1).skip(1));
    let mut rig = rig_with(Kind::Sqlite, before).await;
    for request in [requests(client(1), 1).next(), requests(titled("CT1"), share + 1).next()] {
        assert_eq!(rig.ledger.promise(request.unwrap()).await.unwrap(), Promised::Taken);
    }
    let more = async |rig: &Rig, of: Requestor, number| {
        rig.ledger.promise(asked_by(of, 3 * share + number, &[(CT, number)])).await
    };
    for restarts in [false, true] {
        if restarts {
            rig.restart().await;
        }
        for of in [client(1), titled("CT1")] {
            let refused = more(&rig, of, 0).await;
            let words = refused.as_ref().unwrap_err().to_string();
            assert!(matches!(refused, Err(PromiseError::TooMany { most: OPEN_OF_ONE_MAX, .. })), "{words}");
            assert!(words.contains("of one client"), "{words}");
        }
        let again = requests(client(1), 1).next().unwrap();
        assert_eq!(rig.ledger.promise(again).await.unwrap(), Promised::Again, "what is there stays");
    }
    for (number, of) in (1..).zip([client(2), titled("CT2")]) {
        assert_eq!(more(&rig, of, number).await.unwrap(), Promised::Taken, "others are not held up");
    }
    rig.ledger.settle_promises(JOURNAL_AND_ONE, Duration::ZERO).await.unwrap();
    assert_eq!(more(&rig, client(1), 3).await.unwrap(), Promised::Taken);
    assert!(more(&rig, titled("CT1"), 4).await.is_err(), "results that are not reported are kept for it");
}
