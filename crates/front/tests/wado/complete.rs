//! What is there in numbers comes whole, or is seen not to.

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::WebServer;
use outrigger_model::Tag;

use super::phantom;
use super::rack::{Counter, Lying, State};

over_both!(
    #[tokio::test]
    a_description_larger_than_what_is_kept_is_whole,
    a_picture_that_cannot_be_had_is_never_silently_left_out,
    a_study_of_reports_and_one_picture_is_shown_by_that,
);

/// Some megabytes of description, of values that are each too small to be left out of it.
fn wordy(instance: u32) -> Lying {
    let mut lying = Lying::of(phantom(Shape::Sr, 0, instance));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    tree.put(Element::text(Tag(0x0009, 0x0010), Vr::LO, "WORDS"));
    for element in 0x1001..0x17FF {
        tree.put(Element::text(Tag(0x0009, element), Vr::LT, &"word ".repeat(180)));
    }
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    lying
}

/// Goal: a description that is larger than what is kept of one comes whole and in order all the same, also where a small instance
/// behind would still have had room.
async fn a_description_larger_than_what_is_kept_is_whole(server: WebServer) {
    let mut objects: Vec<Lying> = (0..24).map(wordy).collect();
    objects.push(Lying::of(phantom(Shape::Sr, 0, 24)));
    let counter = Counter::with(server, &objects).await;
    let response = counter.get(&format!("{}/metadata", objects[0].study())).await;
    assert!(response.body.len() > 34 << 20, "{} bytes", response.body.len());
    let found = response.json();
    let uids = found.as_array().unwrap().iter().map(|of| of["00080018"]["Value"][0].as_str().unwrap());
    let expected = objects.iter().map(|lying| lying.phantom.header.sop_instance.as_str());
    assert!(uids.eq(expected), "each once, in the order of the study");
}

/// Goal: a picture that cannot be had breaks the response, as an object does; only what has none is passed over.
async fn a_picture_that_cannot_be_had_is_never_silently_left_out(server: WebServer) {
    for (state, is_whole) in [(State::There, true), (State::Gone, false)] {
        let objects = [
            // Large enough that some of it is out before the rest is looked at.
            Lying::of(phantom(Shape::Us { frames: 1 }, 0, 0)),
            Lying::of(phantom(Shape::Sr, 0, 1)),
            Lying::of(phantom(Shape::SmallCt, 0, 2)).but(state),
            Lying::of(phantom(Shape::SmallCt, 0, 3)),
        ];
        let counter = Counter::with(server, &objects).await;
        let path = format!("{}/rendered", objects[0].study());
        let response = counter.get_as(&path, "multipart/related; type=\"image/png\"").await;
        assert_eq!((response.status, response.is_whole), (200, is_whole), "{state:?}");
    }
}

/// Goal: a study is shown by one of its pictures, though what stands in its middle has none.
async fn a_study_of_reports_and_one_picture_is_shown_by_that(server: WebServer) {
    let mut objects: Vec<Lying> = (1..6).map(|number| Lying::of(phantom(Shape::Sr, 0, number))).collect();
    objects.insert(0, Lying::of(phantom(Shape::SmallCt, 0, 0)));
    let counter = Counter::with(server, &objects).await;
    let shown = counter.get_as(&format!("{}/thumbnail", objects[0].study()), "image/png").await;
    assert_eq!(shown.status, 200, "{}", shown.text());
}
