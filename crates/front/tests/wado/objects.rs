//! Objects, in the transfer syntaxes asked for.

use std::collections::BTreeMap;

use outrigger_dataset::part10;
use outrigger_dataset::phantom::Shape;
use outrigger_front::{AuditEvent, StudyTally, WebServer};
use outrigger_model::Tag;

use super::rack::{Counter, Lying, State};
use super::{RLE, phantom};

over_both!(
    #[tokio::test]
    a_study_comes_as_files_one_after_another,
    series_and_instances_are_parts_of_it,
    compressed_objects_are_decoded_unless_they_may_stay,
    what_may_have_lost_something_stays_as_it_is_or_is_left_out,
    what_fails_in_the_middle_is_never_silently_left_out,
    what_cannot_be_read_here_comes_from_somebody_else,
    nobody_who_has_it_is_another_time,
);

const AS_STORED: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
const LOSSY: &str = "1.2.840.10008.1.2.4.50";

fn study() -> Vec<Lying> {
    vec![
        Lying::of(phantom(Shape::SmallCt, 0, 0)),
        Lying::of(phantom(Shape::SmallCt, 0, 1)),
        Lying::of(phantom(Shape::Us { frames: 3 }, 1, 0)),
        Lying::of(phantom(Shape::Sr, 2, 0)),
    ]
}

async fn a_study_comes_as_files_one_after_another(server: WebServer) {
    let objects = study();
    let mut counter = Counter::with(server, &objects).await;
    let response = counter.get_as(&objects[0].study(), AS_STORED).await;
    assert!(
        response.fields["content-type"]
            .starts_with("multipart/related; type=\"application/dicom\"; boundary=")
    );
    let parts = response.whole_parts();
    assert_eq!(parts.len(), 4);
    for (part, lying) in parts.iter().zip(&objects) {
        assert_eq!(part.body, lying.phantom.file());
        let content_type = format!("application/dicom; transfer-syntax={}", lying.transfer_syntax);
        assert_eq!(part.fields["content-type"], content_type);
        let location = format!("http://localhost/dicomweb{}", lying.path());
        assert_eq!(part.fields["content-location"], location);
    }
    let Some(AuditEvent::Retrieved { study, destination: None, .. }) = counter.audit.recv().await else {
        panic!()
    };
    let header = &objects[0].phantom.header;
    assert_eq!(study.study, header.study);
    assert!(study.patient_id.is_some() && study.patient_name.is_some(), "{study:?}");
    assert_eq!(study.patient_id.as_deref(), header.attribute(Tag::PATIENT_ID));
    let classes = study.classes;
    let count = |lying: &Lying| classes[&lying.phantom.header.sop_class];
    assert_eq!((count(&objects[0]), count(&objects[2]), count(&objects[3])), (2, 1, 1));
}

async fn series_and_instances_are_parts_of_it(server: WebServer) {
    let objects = study();
    let counter = Counter::with(server, &objects).await;
    let (series, _) =
        objects[0].path().split_once("/instances").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(counter.get_as(&series, AS_STORED).await.whole_parts().len(), 2);
    let one = counter.get_as(&objects[2].path(), AS_STORED).await.whole_parts();
    assert_eq!(one.iter().map(|part| part.body.to_vec()).collect::<Vec<_>>(), [objects[2].phantom.file()]);

    let alone = counter.get_as(&objects[2].path(), "application/dicom; transfer-syntax=*").await;
    assert_eq!((alone.status, alone.is_whole), (200, true));
    assert_eq!(alone.body, objects[2].phantom.file());
    assert_eq!(alone.fields["content-type"], "application/dicom; transfer-syntax=1.2.840.10008.1.2.1");
    let many = counter.get_as(&objects[0].study(), "application/dicom").await;
    assert_eq!(many.status, 406, "{}", many.text());
    let by_query =
        counter.get_as(&format!("{}?accept=application/dicom", objects[2].path()), "text/html").await;
    assert_eq!(by_query.body, objects[2].phantom.file());
}

async fn compressed_objects_are_decoded_unless_they_may_stay(server: WebServer) {
    let native = phantom(Shape::SmallCt, 0, 0);
    let packed = Lying::transcoded(native.clone(), RLE);
    let counter = Counter::with(server, std::slice::from_ref(&packed)).await;
    let kept = part10::file(
        &native.header.sop_class,
        &native.header.sop_instance,
        &packed.transfer_syntax,
        &packed.bytes,
    );
    for (accept, expected) in [
        ("*/*", native.file()),
        ("multipart/related; type=\"application/dicom\"", native.file()),
        ("multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.1", native.file()),
        (AS_STORED, kept.clone()),
        (&format!("multipart/related; type=\"application/dicom\"; transfer-syntax={RLE}"), kept),
    ] {
        let parts = counter.get_as(&packed.path(), accept).await.whole_parts();
        assert!(parts[0].body == expected, "{accept}");
    }
}

async fn what_may_have_lost_something_stays_as_it_is_or_is_left_out(server: WebServer) {
    // What the bytes hold does not matter: nobody may look.
    let lossy = Lying {
        transfer_syntax: outrigger_model::TransferSyntaxUid::new(LOSSY).unwrap(),
        ..Lying::of(phantom(Shape::SmallCt, 0, 0))
    };
    let native = Lying::of(phantom(Shape::SmallCt, 0, 1));
    let counter = Counter::with(server, &[lossy.clone(), native.clone()]).await;
    let parts = counter.get(&lossy.path()).await.whole_parts();
    assert_eq!(parts[0].fields["content-type"], format!("application/dicom; transfer-syntax={LOSSY}"));

    let explicit = "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.1";
    let refused = counter.get_as(&lossy.path(), explicit).await;
    assert_eq!(refused.status, 406, "{}", refused.text());
    let part = counter.get_as(&lossy.study(), explicit).await;
    assert_eq!((part.status, part.is_whole), (206, true));
    assert!(part.fields["warning"].contains("1 objects"), "{:?}", part.fields);
    let (parts, is_ended) = part.parts();
    assert!(is_ended && parts.len() == 1 && parts[0].body == native.phantom.file());
}

/// Goal: an object that cannot be given behind the first breaks the response, so that nobody takes it for the whole
/// study. The control is the same study with every object there.
async fn what_fails_in_the_middle_is_never_silently_left_out(server: WebServer) {
    for (state, is_whole) in
        [(State::There, true), (State::Gone, false), (State::Damaged, false), (State::Unproven, false)]
    {
        let objects = [
            Lying::of(phantom(Shape::Us { frames: 2 }, 0, 0)),
            Lying::of(phantom(Shape::Us { frames: 2 }, 0, 1)).but(state),
            Lying::of(phantom(Shape::Us { frames: 2 }, 0, 2)),
        ];
        let mut counter = Counter::with(server, &objects).await;
        let response = counter.get_as(&objects[0].study(), AS_STORED).await;
        let (parts, is_ended) = response.parts();
        assert_eq!((response.status, response.is_whole, is_ended), (200, is_whole, is_whole), "{state:?}");
        assert_eq!(parts[0].body, objects[0].phantom.file(), "{state:?}");
        let Some(AuditEvent::Retrieved { study: StudyTally { classes, .. }, .. }) =
            counter.audit.recv().await
        else {
            panic!()
        };
        let given: BTreeMap<_, _> = classes.into_iter().collect();
        let expected = match state {
            State::There => 3,
            _ => 1,
        };
        assert_eq!(given[&objects[0].phantom.header.sop_class], expected, "{state:?}");
    }
}

/// Goal: what cannot be read here is taken from somebody else before any of it goes out, and nobody notices. The control
/// is the same object that nobody else has, above.
async fn what_cannot_be_read_here_comes_from_somebody_else(server: WebServer) {
    for state in [State::DamagedHere, State::OtherElsewhere] {
        for damaged in 0..3 {
            let mut objects: Vec<Lying> =
                (0..3).map(|n| Lying::of(phantom(Shape::Us { frames: 2 }, 0, n))).collect();
            objects[damaged].state = state;
            let counter = Counter::with(server, &objects).await;
            // Not as stored: what comes in another transfer syntax is turned back.
            let parts = counter.get(&objects[0].study()).await.whole_parts();
            let files: Vec<Vec<u8>> = objects.iter().map(|lying| lying.phantom.file()).collect();
            assert_eq!(parts.len(), 3);
            assert!(parts.iter().zip(&files).all(|(part, file)| part.body == *file), "{state:?} {damaged}");
        }
    }
}

async fn nobody_who_has_it_is_another_time(server: WebServer) {
    let gone = Lying::of(phantom(Shape::SmallCt, 0, 0)).but(State::Gone);
    let counter = Counter::with(server, std::slice::from_ref(&gone)).await;
    for rest in ["", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/pixeldata"] {
        let response = counter.get(&format!("{}{rest}", gone.path())).await;
        assert_eq!(response.status, 503, "{rest}: {}", response.text());
        assert!(response.fields["retry-after"].parse::<u32>().unwrap() > 0);
    }
}
