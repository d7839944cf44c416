//! Rendered images and thumbnails.

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_model::Tag;

use super::exchange::Response;
use super::rack::{Counter, Lying};
use super::{RLE, phantom};

/// Columns and rows of a PNG image.
fn size(response: &Response) -> (u32, u32) {
    assert_eq!((response.status, response.is_whole), (200, true), "{:?}", response.text());
    assert_eq!(response.fields["content-type"], "image/png");
    let number = |from: usize| u32::from_be_bytes(response.body[from..from + 4].try_into().unwrap());
    assert!(response.body.starts_with(b"\x89PNG\r\n"));
    (number(16), number(20))
}

#[tokio::test]
async fn frames_are_rendered_as_asked_for() {
    let objects = [
        Lying::of(phantom(Shape::SmallCt, 0, 0)),
        Lying::transcoded(phantom(Shape::Us { frames: 2 }, 1, 0), RLE),
        Lying::of(phantom(Shape::Sr, 2, 0)),
    ];
    let mut counter = Counter::with(&objects).await;
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
#[tokio::test]
async fn large_palettes_are_fetched() {
    let mut lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    tree.put(Element::text(Tag(0x0028, 0x0004), Vr::CS, "PALETTE COLOR"));
    for palette in [0x1201, 0x1202, 0x1203] {
        tree.put(Element::new(Tag(0x0028, palette - 0x0100), Vr::US, vec![0, 0, 0, 0, 16, 0]));
        tree.put(Element::new(Tag(0x0028, palette), Vr::OW, vec![7; 1 << 17]));
    }
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    let counter = Counter::with(std::slice::from_ref(&lying)).await;
    let rendered = format!("{}/rendered", lying.path());
    assert_eq!(size(&counter.get_as(&rendered, "image/png").await), (150, 128));
}

#[tokio::test]
async fn what_cannot_be_rendered_is_refused_in_words() {
    let objects = [Lying::of(phantom(Shape::SmallCt, 0, 0)), Lying::of(phantom(Shape::Sr, 2, 0))];
    let counter = Counter::with(&objects).await;
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
        (format!("{image}/frames/1,2/rendered"), "*/*", 406),
        (format!("{}/rendered", objects[0].study()), "*/*", 406),
    ] {
        let response = counter.get_as(&path, accept).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert!(!response.text().trim().is_empty());
    }
}
