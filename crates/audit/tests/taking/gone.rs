//! What each guard is for before a member is taken out of those who hold an instance: here it alone stands between.

use outrigger_model::SopInstanceUid;

use super::*;
use crate::shelf::{Manner, Named};

/// Held by the first member alone.
const A_ALONE: Option<MemberSet> = Some(MemberSet(1));

fn uid(number: u32) -> SopInstanceUid {
    instance(1, 1, number).header.sop_instance
}

/// What is known of the first three instances of a study, after a member that has shown them shows it with one more, in this manner.
async fn after(counts: Counts, change: impl FnOnce(&mut Manner)) -> Vec<Option<MemberSet>> {
    let mut rig = Rig::new(vec![shelf_of(&[1, 2, 3], counts), Shelf::default()]).await;
    rig.complete(A, None).await;
    let shelf = shelf_of(&[1, 2, 3, 4], counts);
    shelf.manner(change);
    rig.replace(shelf).await;
    let mut known = rig.instances(1).await;
    known.truncate(3);
    known
}

/// Goal: a list that is not as long as the member says counts for nothing, be it shorter or longer. Series say nothing, so that the
/// list itself is not doubted. The control is [`an_instance_that_a_member_shows_no_more_is_taken_out_for_it_alone`].
#[tokio::test(start_paused = true)]
async fn a_list_counts_where_it_is_as_long_as_is_said() {
    for said in [None, Some(2), Some(1)] {
        let known = after(Counts::Shown, |manner| {
            manner.omits.insert(uid(2));
            manner.without.push(Tag::SERIES_RELATED_INSTANCES);
            manner.says = said;
        });
        assert_eq!(known.await, [A_ALONE; 3], "3 of 4 are listed, {said:?}");
    }
}

/// Goal: a member that counts nothing, says 0 or does not say, and lists nothing, has not lost what it showed.
#[tokio::test(start_paused = true)]
async fn a_list_of_nothing_is_none() {
    for (counts, says) in [(Counts::Shown, Some(0)), (Counts::Hidden, None)] {
        let known = after(counts, |manner| {
            manner.omits.extend([1, 2, 3, 4].map(uid));
            manner.without.push(Tag::SERIES_RELATED_INSTANCES);
            manner.says = says;
        });
        assert_eq!(known.await, [A_ALONE; 3], "{counts:?}");
    }
}

/// Goal: a member that finds nothing by name is not believed; one that gives others, when it is asked for what it does not list,
/// does not have it.
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_by_name_counts_where_something_is_found_so() {
    for (named, expected) in [
        (Named::Found, [A_ALONE; 3]),
        (Named::Nothing, [A_ALONE; 3]),
        (Named::EndsInFailure, [A_ALONE; 3]),
        (Named::Others, [A_ALONE, Some(MemberSet(0)), A_ALONE]),
    ] {
        let known = after(Counts::Hidden, |manner| {
            manner.omits.insert(uid(2));
            manner.named = named;
        });
        assert_eq!(known.await, expected, "{named:?}");
    }
}

/// Goal: what is gone of a large study is asked for part by part, and all of it is gone in the end.
#[tokio::test(start_paused = true)]
async fn what_is_more_than_is_asked_for_at_once_is_gone_after_the_next_inventory() {
    let all: Vec<u32> = (1..=130).collect();
    let mut rig = Rig::new(vec![shelf_of(&all, Counts::Hidden), Shelf::default()]).await;
    rig.complete(A, None).await;
    let mut left = Vec::new();
    for _ in 0..2 {
        rig.replace(shelf_of(&all[..10], Counts::Hidden)).await;
        let known = rig.instances(1).await;
        left.push(known.iter().filter(|who| **who == A_ALONE).count());
    }
    assert_eq!(left, [30, 10]);
}
