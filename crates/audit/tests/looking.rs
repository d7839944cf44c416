//! Studies looked up at members behind their inventories, with time that stands still until it is waited for.

use std::sync::Arc;
use std::time::Duration;

use outrigger_audit::inventory::{Lookup, Named, STUDIES_LOOKED_UP_MAX, Source};
use outrigger_ledger::MemberSet;
use outrigger_model::{Level, MemberName, MemberNumber, SeriesUid, SopInstanceUid, StudyUid};
use tokio::time::Instant;

use crate::shelf::{RefusesAll, Shelf, instance};
use crate::taking::{A, B, Rig};

const PATIENCE: Duration = Duration::from_secs(2);
/// Longer than a look-up of a known study is not made again.
const A_WHILE: Duration = Duration::from_secs(6);

/// Two members whose inventories were taken, and what looks studies up at them.
async fn rig() -> (Rig, Lookup) {
    let shelves = vec![Shelf::default(), Shelf::default()];
    shelves[0].put(&[instance(1, 1, 1)]);
    let rig = Rig::new(shelves).await;
    rig.complete(A, None).await;
    rig.complete(B, None).await;
    assert_eq!(rig.instances(1).await, [Some(MemberSet(0b01))]);
    let source = |(number, shelf): (u8, &Shelf)| Source {
        number: MemberNumber(number),
        name: MemberName::new(["a", "b"][usize::from(number)]).unwrap(),
        issuer: None,
        routes: vec![Arc::new(shelf.clone())],
    };
    let sources = (0u8..).zip(&rig.shelves).map(source).collect();
    let look = Lookup::new(rig.ledger.clone(), sources, PATIENCE, rig.clock.clone());
    (rig, look)
}

fn study(number: u32) -> StudyUid {
    StudyUid::new(&format!("1.2.{number}")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_study_that_came_behind_the_inventory_is_entered_from_every_member() {
    let (rig, look) = rig().await;
    rig.shelves[0].put(&[instance(5, 1, 1)]);
    rig.shelves[1].put(&[instance(5, 1, 1), instance(5, 2, 1)]);
    assert!(rig.instances(5).await.is_empty(), "the control");
    look.look(&study(5)).await;
    assert_eq!(rig.instances(5).await, [Some(MemberSet(0b11)), Some(MemberSet(0b10))]);
    look.look(&study(6)).await;
    assert!(rig.instances(6).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn more_of_a_known_study_is_entered_and_not_listed_again_and_again() {
    let (rig, look) = rig().await;
    rig.shelves[1].put(&[instance(1, 1, 2)]);
    look.look_again(&study(1)).await;
    assert_eq!(rig.instances(1).await, [Some(MemberSet(0b01)), Some(MemberSet(0b10))]);
    let asked = rig.shelves[0].questions().len();
    rig.shelves[0].put(&[instance(1, 3, 1)]);
    look.look_again(&study(1)).await;
    assert_eq!((rig.shelves[0].questions().len(), rig.instances(1).await.len()), (asked, 2));
    tokio::time::sleep(A_WHILE).await;
    look.look_again(&study(1)).await;
    assert_eq!(rig.instances(1).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_for_one_study_at_once_wait_for_one_look() {
    let (rig, look) = rig().await;
    rig.shelves[1].put(&[instance(5, 1, 1), instance(5, 1, 2)]);
    let before = rig.shelves[1].asked_at(Level::Image);
    let (five, again) = (study(5), study(5));
    tokio::join!(look.look(&five), look.look_again(&again), look.settled(&five), async {
        look.look(&five).await;
        assert_eq!(rig.instances(5).await.len(), 2, "whoever waited finds it");
    });
    assert_eq!(rig.shelves[1].asked_at(Level::Image), before + 1, "listed once");
    let begun = Instant::now();
    look.settled(&study(5)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// "Nobody has it" is final where all who may have it were heard, or the catalogue knows what they hold.
#[tokio::test(start_paused = true)]
async fn whoever_was_not_heard_may_have_what_is_not_found() {
    let (rig, look) = rig().await;
    let names = |looked, was_shown| {
        look.may_have(looked, was_shown).iter().map(ToString::to_string).collect::<String>()
    };
    assert_eq!(names(look.look(&study(5)).await, true), "", "all were heard");
    rig.shelves[1].manner(|manner| manner.refuses_all = RefusesAll::Yes);
    let looked = look.look(&study(5)).await;
    assert_eq!((names(looked.clone(), false), names(looked, true)), (String::new(), "b".to_owned()));
    assert_eq!(names(look.look_again(&study(5)).await, true), "b", "what was heard a moment ago stands");
    let five = study(5);
    let (looked, waited) = tokio::join!(look.look(&five), look.look(&five));
    assert_eq!((names(looked, true), names(waited, true)), ("b".to_owned(), "b".to_owned()));
    let (_, looked) = look.studies_of(Named::Patient("P5")).await;
    assert_eq!((names(looked.clone(), false), names(looked, true)), (String::new(), "b".to_owned()));
    rig.shelves[0].manner(|manner| manner.refuses_all = RefusesAll::Yes);
    assert_eq!(names(look.look(&study(6)).await, false), "ab", "nobody was heard");
}

/// A relational retrieval names no study.
#[tokio::test(start_paused = true)]
async fn the_study_of_what_is_named_alone_is_found() {
    let (rig, look) = rig().await;
    rig.shelves[1].put(&[instance(5, 1, 1), instance(6, 1, 1)]);
    let (series, none) = (SeriesUid::known("1.2.5.1"), SeriesUid::known("1.2.7.1"));
    let uids = ["1.2.5.1.1", "1.2.6.1.1", "1.2.7.1.1"].map(SopInstanceUid::known);
    let uids: Vec<_> = uids.iter().collect();
    assert_eq!(look.studies_of(Named::Instances(&uids)).await.0, [study(5), study(6)]);
    assert_eq!(look.studies_of(Named::Series(&[&series, &none])).await.0, [study(5)]);
    assert!(look.studies_of(Named::Series(&[&none])).await.0.is_empty());
    assert_eq!(look.studies_of(Named::Patient("P5")).await.0, [study(5)]);
    assert!(look.studies_of(Named::Patient("P*")).await.0.is_empty(), "no retrieval is of whoever fits");
    assert!(look.studies_of(Named::Patient("")).await.0.is_empty());
    // One who refuses does not keep the other from saying it.
    rig.shelves[0].manner(|manner| manner.refuses_all = RefusesAll::Yes);
    assert_eq!(look.studies_of(Named::Instances(&uids)).await.0, [study(5), study(6)]);
    let many: Vec<_> =
        (100..140).map(|study| SopInstanceUid::new(&format!("1.2.{study}.1.1")).unwrap()).collect();
    let instances: Vec<_> = (100..140).map(|study| instance(study, 1, 1)).collect();
    rig.shelves[1].put(&instances);
    let many: Vec<_> = many.iter().collect();
    assert_eq!(look.studies_of(Named::Instances(&many)).await.0.len(), STUDIES_LOOKED_UP_MAX);
}
