//! Two versions of a series that was never stored here: a retrieval gives one of them, whoever falls in the middle.

use outrigger_model::MemberSet;
use outrigger_query::{Keeping, Planned};

use crate::series::{Gives, INSTANCES, Shelved, planned, rig};

const BOTH: MemberSet = MemberSet(0b11);
const FIRST: MemberSet = MemberSet(0b01);
const SECOND: MemberSet = MemberSet(0b10);
/// Instances after which the first member is dead.
const BEFORE: u32 = 90;

/// The series of which these members have the instances before the middle, and those the rest.
fn held(middle: u32, before: MemberSet, rest: MemberSet) -> Vec<Planned> {
    let mut planned = planned(0..INSTANCES);
    for (number, instance) in (0..).zip(&mut planned) {
        instance.keeping = Keeping::Inherited { members: if number < middle { before } else { rest } };
    }
    planned
}

/// Opens all, one after another in one retrieval; gives how many came, and the last refusal.
async fn opened(a: &Shelved, b: &Shelved, planned: &[Planned]) -> (u32, String) {
    let retrieval = rig(a, b).await.reader.retrieval(planned).unwrap();
    let (mut came, mut refusal) = (0, String::new());
    for instance in planned {
        match retrieval.open(instance).await {
            Ok(_) => came += 1,
            Err(error) => refusal = error.to_string(),
        }
    }
    (came, refusal)
}

#[tokio::test(start_paused = true)]
async fn who_has_another_version_does_not_go_on_with_a_series() {
    for gives in [Gives::Dies(BEFORE), Gives::Hangs(BEFORE)] {
        let (a, b) = (Shelved::gives(gives), Shelved::gives(Gives::Older));
        let (came, refusal) = opened(&a, &b, &held(0, BOTH, BOTH)).await;
        assert_eq!(came, BEFORE, "{gives:?}: {refusal}");
        assert!(refusal.contains("b: it has another version of the series"), "{gives:?}: {refusal}");
        assert_eq!(b.counted()[1], 2, "what it has is found out once");
    }
}

/// The control: the same, of one version.
#[tokio::test(start_paused = true)]
async fn who_has_the_same_version_goes_on_with_it() {
    let (a, b) = (Shelved::gives(Gives::Dies(BEFORE)), Shelved::default());
    let (came, refusal) = opened(&a, &b, &held(0, BOTH, BOTH)).await;
    assert_eq!((came, refusal), (INSTANCES, String::new()));
    assert_eq!(b.counted()[1], (INSTANCES - BEFORE + 1) as usize, "one instance shows it");
}

#[tokio::test(start_paused = true)]
async fn who_has_all_of_a_series_gives_it_rather_than_who_is_preferred_and_has_a_part() {
    let (a, b) = (Shelved::gives(Gives::Older), Shelved::default());
    let (came, refusal) = opened(&a, &b, &held(40, BOTH, SECOND)).await;
    assert_eq!((came, refusal), (INSTANCES, String::new()));
    assert_eq!(a.counted(), [0; 3]);
}

/// Nobody can say that parts of which each is at one member alone are of two versions.
#[tokio::test(start_paused = true)]
async fn parts_that_nobody_has_both_of_make_one_series() {
    let (a, b) = (Shelved::default(), Shelved::gives(Gives::Older));
    a.lacks_from(40);
    let (came, refusal) = opened(&a, &b, &held(40, FIRST, SECOND)).await;
    assert_eq!((came, refusal), (INSTANCES, String::new()));
    // One instance that both have tells it, wherever it stands.
    let mut planned = held(40, FIRST, SECOND);
    planned[20].keeping = Keeping::Inherited { members: BOTH };
    let (came, refusal) = opened(&a, &b, &planned).await;
    assert_eq!(came, 40, "{refusal}");
}
