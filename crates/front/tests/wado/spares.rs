//! Objects that cannot be read here, or not any more, and come from somebody else.

use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_front::{AuditEvent, StudyTally, WebServer};
use outrigger_model::Tag;

use super::rack::{Counter, Lying, State};
use super::{RLE, phantom};

over_both!(
    #[tokio::test]
    parts_of_a_small_object_come_from_somebody_else,
    what_cannot_be_read_of_anybody_is_refused_and_not_broken_off,
    what_cannot_be_read_a_second_time_comes_from_somebody_else,
    what_is_not_described_is_not_told_as_given,
);

const BYTES: &str = "multipart/related; type=\"application/octet-stream\"";

/// Goal: an object of one block that cannot be read here is described, and given as a whole and in parts, by who has it. The control
/// is the same object that can be read.
async fn parts_of_a_small_object_come_from_somebody_else(server: WebServer) {
    let native = phantom(Shape::SmallCt, 0, 0);
    let tree = read_form(Form::ExplicitLittle, native.data_set.clone()).unwrap();
    let pixels = tree.bytes(Tag(0x7FE0, 0x0010)).unwrap().clone();
    for state in [State::There, State::DamagedHere] {
        let lying = Lying::of(native.clone()).but(state);
        let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
        let path = lying.path();
        assert_eq!(counter.get(&format!("{path}/metadata")).await.status, 200, "{state:?}");
        assert_eq!(counter.get(&format!("{path}/rendered")).await.status, 200, "{state:?}");
        for part in ["frames/1", "pixeldata"] {
            let parts = counter.get_as(&format!("{path}/{part}"), BYTES).await.whole_parts();
            assert!(parts.len() == 1 && parts[0].body == pixels, "{state:?} {part}");
        }
        assert_eq!(counter.get(&path).await.whole_parts()[0].body, native.file(), "{state:?}");
    }
}

/// Goal: what nobody can read is refused before any of it goes out. The control is one who has it.
async fn what_cannot_be_read_of_anybody_is_refused_and_not_broken_off(server: WebServer) {
    for (state, status) in [(State::DamagedHere, 200), (State::DamagedEverywhere, 500)] {
        for shape in [Shape::SmallCt, Shape::Us { frames: 2 }] {
            let lying = Lying::of(phantom(shape, 0, 0)).but(state);
            let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
            let response = counter.get(&lying.path()).await;
            assert_eq!((response.status, response.is_whole), (status, true), "{state:?} {shape:?}");
        }
    }
}

/// Goal: what was whole when it was looked at, and cannot be read when it is to be decoded, is decoded of what somebody else has.
async fn what_cannot_be_read_a_second_time_comes_from_somebody_else(server: WebServer) {
    let native = phantom(Shape::SmallCt, 0, 0);
    let packed = Lying::transcoded(native.clone(), RLE).but(State::OnceHere);
    let counter = Counter::with(server, std::slice::from_ref(&packed)).await;
    assert_eq!(counter.get(&packed.path()).await.whole_parts()[0].body, native.file());
}

/// Goal: what is left out of a description is not on record as given.
async fn what_is_not_described_is_not_told_as_given(server: WebServer) {
    let mut objects: Vec<Lying> = (0..3).map(|n| Lying::of(phantom(Shape::SmallCt, 0, n))).collect();
    objects[1].state = State::Gone;
    let mut counter = Counter::with(server, &objects).await;
    assert_eq!(counter.get(&format!("{}/metadata", objects[0].study())).await.status, 200);
    let Some(AuditEvent::Retrieved { study: StudyTally { classes, .. }, .. }) = counter.audit.recv().await
    else {
        panic!()
    };
    assert_eq!(classes.values().copied().collect::<Vec<_>>(), [2]);
}
