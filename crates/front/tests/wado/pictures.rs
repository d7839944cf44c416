//! Rendered images and thumbnails.

use outrigger_dataset::element::{Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::{AuditEvent, StudyTally, WebServer};
use outrigger_model::Tag;

use super::exchange::Response;
use super::rack::{Counter, Lying};
use super::{RLE, phantom};

over_both!(
    #[tokio::test]
    frames_are_rendered_as_asked_for,
    large_palettes_are_fetched,
    studies_series_and_lists_of_frames_come_picture_by_picture,
    all_frames_are_an_animation,
    videos_come_as_they_are_and_not_frame_by_frame,
    what_cannot_be_rendered_is_refused_in_words,
);

/// Columns and rows of a PNG image.
fn size(response: &Response) -> (u32, u32) {
    assert_eq!((response.status, response.is_whole), (200, true), "{:?}", response.text());
    assert_eq!(response.fields["content-type"], "image/png");
    let number = |from: usize| u32::from_be_bytes(response.body[from..from + 4].try_into().unwrap());
    assert!(response.body.starts_with(b"\x89PNG\r\n"));
    (number(16), number(20))
}

async fn frames_are_rendered_as_asked_for(server: WebServer) {
    let objects = [
        Lying::of(phantom(Shape::SmallCt, 0, 0)),
        Lying::transcoded(phantom(Shape::Us { frames: 2 }, 1, 0), RLE),
        Lying::of(phantom(Shape::Sr, 2, 0)),
    ];
    let mut counter = Counter::with(server, &objects).await;
    let rendered = format!("{}/rendered", objects[0].path());
    let plain = counter.get(&rendered).await;
    assert_eq!(plain.fields["content-type"], "image/jpeg");
    assert!(plain.body.starts_with(&[0xFF, 0xD8, 0xFF]));
    assert!(counter.audit.recv().await.is_some());
    assert_eq!(size(&counter.get_as(&rendered, "image/png").await), (150, 128));
    let small = counter.get_as(&format!("{rendered}?viewport=75,75&window=40,400,linear"), "image/png").await;
    assert_eq!(size(&small), (75, 64));
    let low = counter.get(&format!("{rendered}?quality=5")).await;
    assert!(low.body.len() < plain.body.len());

    let frame = format!("{}/frames/2/rendered", objects[1].path());
    assert_eq!(size(&counter.get_as(&frame, "image/png").await), (640, 480));
    let study = format!("{}/thumbnail", objects[0].study());
    let (columns, rows) = size(&counter.get_as(&study, "image/png").await);
    assert!(columns.max(rows) == 128 && columns.min(rows) > 80, "{columns} {rows}");
}

/// A palette may be larger than what is read of an object at first.
async fn large_palettes_are_fetched(server: WebServer) {
    let mut lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    tree.put(Element::text(Tag(0x0028, 0x0004), Vr::CS, "PALETTE COLOR"));
    for palette in [0x1201, 0x1202, 0x1203] {
        tree.put(Element::new(Tag(0x0028, palette - 0x0100), Vr::US, vec![0, 0, 0, 0, 16, 0]));
        tree.put(Element::new(Tag(0x0028, palette), Vr::OW, vec![7; 1 << 17]));
    }
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let rendered = format!("{}/rendered", lying.path());
    assert_eq!(size(&counter.get_as(&rendered, "image/png").await), (150, 128));
}

/// A study or series is a part for each instance that has a picture; who takes no parts is given one that shows it.
async fn studies_series_and_lists_of_frames_come_picture_by_picture(server: WebServer) {
    let objects = [
        Lying::of(phantom(Shape::Sr, 2, 0)),
        Lying::of(phantom(Shape::SmallCt, 0, 0)),
        Lying::of(phantom(Shape::Us { frames: 3 }, 1, 0)),
        Lying::of(phantom(Shape::SmallCt, 0, 1)),
    ];
    let mut counter = Counter::with(server, &objects).await;
    let study = format!("{}/rendered", objects[0].study());
    for (accept, media) in [("*/*", "image/jpeg"), ("multipart/related; type=\"image/png\"", "image/png")] {
        let response = counter.get_as(&study, accept).await;
        let parts = response.whole_parts_of_any_length();
        let locations: Vec<&str> =
            parts.iter().map(|part| part.fields["content-location"].as_str()).collect();
        let expected: Vec<String> = objects[1..]
            .iter()
            .map(|of| format!("http://localhost/dicomweb{}/rendered", of.path()))
            .collect();
        assert_eq!(locations, expected);
        for (part, object) in parts.iter().zip(&objects[1..]) {
            assert_eq!(part.fields["content-type"], media);
            let alone = counter.get_as(&format!("{}/rendered", object.path()), media).await;
            assert!(part.body == alone.body, "a part is what the instance alone gives");
        }
        let Some(AuditEvent::Retrieved { study: StudyTally { classes, .. }, .. }) =
            counter.audit.recv().await
        else {
            panic!()
        };
        assert_eq!(classes.values().sum::<u32>(), 3);
        while counter.audit.try_recv().is_ok() {}
    }
    let one = counter.get_as(&study, "image/png").await;
    assert_eq!(size(&one), (640, 480), "the middle one");
    let frames = counter.get_as(&format!("{}/frames/3,1/rendered", objects[2].path()), "*/*").await;
    let parts = frames.whole_parts_of_any_length();
    let numbers: Vec<&str> =
        parts.iter().map(|part| part.fields["content-location"].rsplit('/').nth(1).unwrap()).collect();
    assert_eq!(numbers, ["3", "1"]);
    assert!(parts[0].body != parts[1].body);
}

/// All frames of an instance are one GIF, each frame of it as it is shown alone; the time of each is what the image says.
async fn all_frames_are_an_animation(server: WebServer) {
    let mut lying = Lying::of(phantom(Shape::Us { frames: 3 }, 1, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    tree.put(Element::text(Tag(0x0018, 0x1063), Vr::DS, "40"));
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let animation = counter.get_as(&format!("{}/rendered?viewport=64,48", lying.path()), "image/gif").await;
    assert_eq!((animation.status, animation.fields["content-type"].as_str()), (200, "image/gif"));
    assert!(animation.body.starts_with(b"GIF89a"));
    // The graphic control extension before each frame: four bytes follow, two of them hundredths of a second.
    let controls: Vec<&[u8]> =
        animation.body.windows(8).filter(|bytes| bytes.starts_with(&[0x21, 0xF9, 4])).collect();
    assert_eq!(controls.len(), 3);
    assert!(controls.iter().all(|control| control[4..6] == [4, 0]), "{controls:?}");
    let one = counter.get_as(&format!("{}/frames/2/rendered", lying.path()), "image/gif").await;
    assert!(one.body.starts_with(b"GIF89a"));
}

/// What a video is made of does not matter: nobody takes it apart.
async fn videos_come_as_they_are_and_not_frame_by_frame(server: WebServer) {
    let stream: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let mut lying = Lying::of(phantom(Shape::Us { frames: 3 }, 1, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    let fragments = vec![stream[..1_000_000].to_vec().into(), stream[1_000_000..].to_vec().into()];
    let value = Value::Fragments(Fragments { fragments, ..Fragments::default() });
    tree.put(Element { tag: Tag(0x7FE0, 0x0010), vr: Vr::OB, value });
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    for (syntax, media) in [
        ("1.2.840.10008.1.2.4.100", "video/mpeg"),
        ("1.2.840.10008.1.2.4.102", "video/mp4"),
        ("1.2.840.10008.1.2.4.107", "video/H265"),
    ] {
        lying.transfer_syntax = outrigger_model::TransferSyntaxUid::new(syntax).unwrap();
        let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
        let path = lying.path();
        for accept in ["*/*", media, "video/*"] {
            let rendered = counter.get_as(&format!("{path}/rendered"), accept).await;
            assert_eq!((rendered.status, rendered.fields["content-type"].as_str()), (200, media));
            assert!(rendered.is_whole && rendered.body == stream, "{media}");
        }
        let parts = counter.get_as(&format!("{path}/pixeldata"), "*/*").await.whole_parts();
        assert_eq!(parts[0].fields["content-type"], format!("{media}; transfer-syntax={syntax}"));
        assert!(parts.len() == 1 && parts[0].body == stream, "{media}");
        let part = counter.get_with(&format!("{path}/rendered"), "Range: bytes=999000-1001023").await;
        assert_eq!(
            (part.status, part.fields["content-range"].as_str()),
            (206, "bytes 999000-1001023/3000000")
        );
        assert!(part.is_whole && part.body == stream[999_000..1_001_024]);
        let resumed = "Range: bytes=999000-1001023\r\nIf-Range: \"another\"";
        let whole = counter.get_with(&format!("{path}/rendered"), resumed).await;
        assert!((whole.status, whole.is_whole) == (200, true) && whole.body == stream, "{:?}", whole.fields);
        let outside = counter.get_with(&format!("{path}/rendered"), "Range: bytes=3000000-").await;
        assert_eq!((outside.status, outside.fields["content-range"].as_str()), (416, "bytes */3000000"));
        for (rest, accept) in [
            ("frames/1", "*/*"),
            ("frames/1/rendered", "*/*"),
            ("rendered", "image/jpeg"),
            ("thumbnail", "*/*"),
            ("pixeldata", "image/jpeg"),
        ] {
            let refused = counter.get_as(&format!("{path}/{rest}"), accept).await;
            assert_eq!(refused.status, 406, "{rest}: {}", refused.text());
            assert!(refused.text().contains("video"), "{rest}: {}", refused.text());
        }
    }
}

async fn what_cannot_be_rendered_is_refused_in_words(server: WebServer) {
    let objects = [Lying::of(phantom(Shape::SmallCt, 0, 0)), Lying::of(phantom(Shape::Sr, 2, 0))];
    let counter = Counter::with(server, &objects).await;
    let (image, report) = (objects[0].path(), objects[1].path());
    for (path, accept, status) in [
        (format!("{report}/rendered"), "*/*", 406),
        (format!("{image}/rendered"), "text/html", 406),
        (format!("{image}/rendered?viewport=0,0"), "*/*", 400),
        (format!("{image}/rendered?viewport=100000,100000"), "*/*", 400),
        (format!("{image}/rendered?viewport=9,9,500,500,1,1"), "*/*", 400),
        (format!("{image}/rendered?window=1"), "*/*", 400),
        (format!("{image}/rendered?quality=1000"), "*/*", 400),
        (format!("{image}/frames/2/rendered"), "*/*", 404),
        (format!("{image}/frames/1,2/rendered"), "*/*", 404),
        (format!("{image}/frames/1,2/rendered"), "image/jpeg", 406),
        (format!("{image}/frames/1,2/thumbnail"), "*/*", 406),
        (format!("{image}/rendered"), "video/mp4", 406),
        (format!("{}/rendered", objects[0].study()), "text/html", 406),
        ("/studies/1.2.3/rendered".to_owned(), "*/*", 404),
    ] {
        let response = counter.get_as(&path, accept).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert!(!response.text().trim().is_empty());
    }
}
