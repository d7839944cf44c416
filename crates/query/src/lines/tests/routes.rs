//! A member that is reached by two routes.

use super::*;

/// For how long a route that failed is asked after the other.
const REST: Duration = Duration::from_secs(60);

fn by_two(first: &Fake, second: &Fake) -> Lines {
    let mut source = lines(first).source;
    source.routes.push(Arc::new(second.clone()));
    Lines::new(source, TIMEOUT, Clock::System)
}

#[tokio::test(start_paused = true)]
async fn what_one_route_refuses_the_other_gives_and_is_asked_first_for_a_while() {
    let (first, second) = (Fake::default(), Fake::default());
    let lines = by_two(&first, &second);
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    assert_eq!((first.counted()[1], second.counted()[1]), (1, 0), "the control: the first is the first");
    first.is(Mode::Away);
    for _ in 0..2 {
        assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    }
    // Over the connection that was open, and not once more for the other instance.
    assert_eq!((first.counted()[1], second.counted()[1]), (2, 2));
    first.is(Mode::Gives);
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    assert_eq!(second.counted()[1], 3);
    tokio::time::advance(REST).await;
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    assert_eq!((first.counted()[1], second.counted()[1]), (3, 3), "it is the first again");
}

/// Others are asked before, as with any member that hangs; who is asked last is asked by the other route, and by that from then on.
#[tokio::test(start_paused = true)]
async fn a_route_that_hangs_costs_the_time_out_once_and_the_other_gives() {
    let (first, second) = (Fake::default(), Fake::default());
    first.is(Mode::Hangs);
    let lines = by_two(&first, &second);
    let began = Instant::now();
    assert_eq!(asked(&lines, Turn::Usual).await, ("silent", TIMEOUT));
    for turn in [Turn::LastResort(began), Turn::Usual, Turn::Usual] {
        assert_eq!(asked(&lines, turn).await, ("given", Duration::ZERO), "{turn:?}");
    }
    // With both silent neither is asked twice in a row.
    second.is(Mode::Hangs);
    first.is(Mode::Gives);
    assert_eq!(asked(&lines, Turn::Usual).await, ("silent", TIMEOUT));
    assert_eq!(asked(&lines, Turn::LastResort(began)).await, ("given", Duration::ZERO));
}

/// That it has none says nothing of the route, and the other is asked all the same.
#[tokio::test(start_paused = true)]
async fn what_one_route_does_not_show_the_other_may_give() {
    let (first, second) = (Fake::default(), Fake::default());
    first.is(Mode::HasNone);
    let lines = by_two(&first, &second);
    for _ in 0..2 {
        assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    }
    assert_eq!((first.counted()[1], second.counted()[1]), (2, 2));
}
