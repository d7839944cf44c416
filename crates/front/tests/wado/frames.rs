//! Frames.

use bytes::Bytes;
use outrigger_dataset::element::{Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::WebServer;
use outrigger_model::{Tag, TransferSyntaxUid};

use super::rack::{Counter, Lying};
use super::{RLE, phantom};

over_both!(
    #[tokio::test]
    native_frames_come_in_the_order_asked_for,
    compressed_frames_come_as_they_are_or_decoded,
    lossy_frames_come_as_they_are_alone,
    frames_without_bytes_are_refused_before_the_first_byte,
    frames_that_are_not_there_are_refused_in_words,
);

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const FRAME_BYTES: usize = 640 * 480 * 3;
const BYTES: &str = "multipart/related; type=\"application/octet-stream\"";
const ANY: &str = "multipart/related; type=application/octet-stream; transfer-syntax=*";
const BASELINE: &str = "1.2.840.10008.1.2.4.50";

fn native_frames(lying: &Lying) -> Vec<Bytes> {
    let tree = read_form(Form::ExplicitLittle, lying.phantom.data_set.clone()).unwrap();
    let pixels = tree.bytes(PIXEL_DATA).unwrap().clone();
    (0..pixels.len() / FRAME_BYTES).map(|n| pixels.slice(n * FRAME_BYTES..(n + 1) * FRAME_BYTES)).collect()
}

async fn native_frames_come_in_the_order_asked_for(server: WebServer) {
    let lying = Lying::of(phantom(Shape::Us { frames: 3 }, 0, 0));
    let expected = native_frames(&lying);
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    for accept in ["*/*", BYTES, ANY] {
        let parts = counter.get_as(&format!("{}/frames/3,1", lying.path()), accept).await.whole_parts();
        assert!(parts.len() == 2 && parts[0].body == expected[2] && parts[1].body == expected[0], "{accept}");
        let content_type = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
        assert_eq!(parts[0].fields["content-type"], content_type);
        let location = format!("http://localhost/dicomweb{}/frames/3", lying.path());
        assert_eq!(parts[0].fields["content-location"], location);
    }
    let alone = counter.get_as(&format!("{}/frames/2", lying.path()), "application/octet-stream").await;
    assert!(alone.is_whole && alone.body == expected[1]);
    assert_eq!(
        counter.get_as(&format!("{}/frames/1,2", lying.path()), "application/octet-stream").await.status,
        406
    );
}

async fn compressed_frames_come_as_they_are_or_decoded(server: WebServer) {
    let lying = Lying::transcoded(phantom(Shape::Us { frames: 2 }, 0, 0), RLE);
    let expected = native_frames(&lying);
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let decoded = counter.get_as(&format!("{}/frames/1,2", lying.path()), BYTES).await.whole_parts();
    assert!(decoded[0].body == expected[0] && decoded[1].body == expected[1]);

    let tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    let Value::Fragments(fragments) = &tree.get(PIXEL_DATA).unwrap().value else { panic!() };
    for (accept, content_type) in [
        (ANY, format!("application/octet-stream; transfer-syntax={RLE}")),
        ("multipart/related; type=\"image/dicom-rle\"", format!("image/dicom-rle; transfer-syntax={RLE}")),
    ] {
        let kept = counter.get_as(&format!("{}/frames/2", lying.path()), accept).await.whole_parts();
        assert!(kept[0].body == fragments.fragments[1], "{accept}");
        assert_eq!(kept[0].fields["content-type"], content_type);
    }
    let jpeg =
        counter.get_as(&format!("{}/frames/1", lying.path()), "multipart/related; type=\"image/jpeg\"").await;
    assert_eq!(jpeg.status, 406, "{}", jpeg.text());
}

async fn lossy_frames_come_as_they_are_alone(server: WebServer) {
    let mut lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    let stream = Bytes::from_static(b"\xFF\xD8\xFFjpeg\xFF\xD9\0");
    let fragments = Fragments { offset_table: Bytes::new(), fragments: vec![stream.clone()] };
    tree.put(Element { tag: PIXEL_DATA, vr: Vr::OB, value: Value::Fragments(fragments) });
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    lying.transfer_syntax = TransferSyntaxUid::new(BASELINE).unwrap();
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let path = format!("{}/frames/1", lying.path());
    for accept in ["*/*", "multipart/related; type=\"image/jpeg\""] {
        let parts = counter.get_as(&path, accept).await.whole_parts();
        assert_eq!(parts[0].body, stream);
        assert_eq!(parts[0].fields["content-type"], format!("image/jpeg; transfer-syntax={BASELINE}"));
    }
    let alone = counter.get_as(&path, "image/jpeg").await;
    assert_eq!((alone.body, alone.is_whole), (stream, true));
    assert_eq!(counter.get_as(&path, BYTES).await.status, 406);
}

/// Goal: nothing is not told as a frame, nor does a response break off for it that could have been an error.
async fn frames_without_bytes_are_refused_before_the_first_byte(server: WebServer) {
    let objects = [(0, 2, vec![Bytes::from_static(b"\xFF\xD8\xFF\xD9"), Bytes::new()]), (1, 1, Vec::new())];
    let objects = objects.map(|(instance, count, fragments)| {
        let mut lying = Lying::of(phantom(Shape::SmallCt, 0, instance));
        let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
        let fragments = Fragments { offset_table: Bytes::new(), fragments };
        tree.put(Element { tag: PIXEL_DATA, vr: Vr::OB, value: Value::Fragments(fragments) });
        tree.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, &count.to_string()));
        lying.bytes = write(&tree, Form::ExplicitLittle).into();
        lying.transfer_syntax = TransferSyntaxUid::new(BASELINE).unwrap();
        lying
    });
    let counter = Counter::with(server, &objects).await;
    let (empty, none) = (objects[0].path(), objects[1].path());
    let one = counter.get(&format!("{empty}/frames/1")).await.whole_parts();
    assert_eq!(one[0].body.len(), 4);
    for (path, accept, number) in [
        (format!("{empty}/frames/2"), "*/*", 2),
        (format!("{empty}/frames/2"), "image/jpeg", 2),
        (format!("{empty}/frames/1,2"), "*/*", 2),
        (format!("{empty}/pixeldata"), "*/*", 2),
        (format!("{empty}/bulkdata/7FE00010"), "*/*", 2),
        (format!("{none}/frames/1"), "*/*", 1),
        (format!("{none}/pixeldata"), "*/*", 1),
    ] {
        let response = counter.get_as(&path, accept).await;
        let text = format!("there are no bytes of frame {number}\n");
        assert_eq!((response.status, response.text()), (404, text.as_str()), "{path}");
    }
}

async fn frames_that_are_not_there_are_refused_in_words(server: WebServer) {
    let lying = Lying::of(phantom(Shape::Us { frames: 2 }, 0, 0));
    let report = Lying::of(phantom(Shape::Sr, 1, 0));
    let counter = Counter::with(server, &[lying.clone(), report.clone()]).await;
    for (list, status) in [
        ("3", 404),
        ("1,2,3", 404),
        ("4294967295", 404),
        ("0", 400),
        ("-1", 400),
        ("1-2", 400),
        ("1,,2", 400),
        ("1,1", 400),
        ("4294967296", 400),
        ("a", 400),
        (&"1,".repeat(6_000), 400),
    ] {
        let response = counter.get(&format!("{}/frames/{list}", lying.path())).await;
        assert_eq!(response.status, status, "{}", list.get(..20).unwrap_or(list));
        assert!(response.text().contains("frame"), "{}", response.text());
    }
    let response = counter.get(&format!("{}/frames/1", report.path())).await;
    assert_eq!((response.status, response.text()), (406, "the instance has no pixel data\n"));
}
