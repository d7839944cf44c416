//! Metadata, and the bulk data they name.

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::WebServer;
use outrigger_model::Tag;
use serde_json::json;

use super::rack::{Counter, Lying, State};
use super::{RLE, phantom};

over_both!(
    #[tokio::test]
    a_study_is_described_instance_by_instance,
    what_cannot_be_described_is_left_out_and_said,
    parts_that_cannot_be_read_here_come_from_somebody_else,
    every_uri_of_bulk_data_leads_to_the_value,
    uris_lead_back_to_the_port,
    encapsulated_pixel_data_come_frame_by_frame,
);

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const BYTES: &str = "multipart/related; type=\"application/octet-stream\"";

/// The path of a URI below the base of the service.
fn below(uri: &serde_json::Value) -> &str {
    uri.as_str().unwrap().strip_prefix("http://localhost/dicomweb").unwrap()
}

async fn a_study_is_described_instance_by_instance(server: WebServer) {
    let objects = [
        Lying::of(phantom(Shape::SmallCt, 0, 0)),
        Lying::transcoded(phantom(Shape::SmallCt, 0, 1), RLE),
        Lying::transcoded(phantom(Shape::SmallCt, 0, 2), "1.2.840.10008.1.2"),
        Lying::transcoded(phantom(Shape::SmallCt, 0, 3), "1.2.840.10008.1.2.2"),
        Lying::transcoded(phantom(Shape::SmallCt, 0, 4), "1.2.840.10008.1.2.1.99"),
        Lying::of(phantom(Shape::Sr, 1, 0)),
    ];
    let counter = Counter::with(server, &objects).await;
    let response =
        counter.get_as(&format!("{}/metadata", objects[0].study()), "application/dicom+json").await;
    assert_eq!(response.fields["content-type"], "application/dicom+json");
    let found = response.json();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), objects.len());
    for (object, lying) in found.iter().zip(&objects) {
        let header = &lying.phantom.header;
        assert_eq!(object["00080018"], json!({"vr": "UI", "Value": [header.sop_instance.as_str()]}));
        assert_eq!(object["0020000D"]["Value"][0], header.study.as_ref().unwrap().as_str());
        if lying.phantom.header.sop_class.as_str().ends_with(".1.2") {
            assert_eq!(object["00280010"], json!({"vr": "US", "Value": [128]}));
            let uri = format!("http://localhost/dicomweb{}/bulkdata/7FE00010", lying.path());
            assert_eq!(object["7FE00010"]["BulkDataURI"], uri);
        }
    }
    let one = counter.get(&format!("{}/metadata", objects[5].path())).await.json();
    assert_eq!(one.as_array().unwrap().len(), 1);
    let xml = counter
        .get_as(
            &format!("{}/metadata", objects[5].path()),
            "multipart/related; type=\"application/dicom+xml\"",
        )
        .await;
    assert_eq!(xml.status, 406);
}

type Spoil<'a> = &'a dyn Fn(Lying) -> Lying;

/// Goal: one instance that cannot be described does not cost the others, and the answer says so. The control is the same
/// study with every object as it should be.
async fn what_cannot_be_described_is_left_out_and_said(server: WebServer) {
    let torn = |lying: Lying| Lying { bytes: lying.bytes.slice(..lying.bytes.len() - 10), ..lying };
    let private = |lying: Lying| Lying {
        transfer_syntax: outrigger_model::TransferSyntaxUid::new("1.2.3.4.5").unwrap(),
        ..lying
    };
    let cases: [(Spoil, Option<&str>); 4] = [
        (&|lying| lying, None),
        (&torn, Some("1 of 3 instances are left out: 1 cannot be read, 0 cannot be had now")),
        (&private, Some("1 of 3 instances are left out: 1 cannot be read, 0 cannot be had now")),
        (
            &|lying| lying.but(State::Gone),
            Some("1 of 3 instances are left out: 0 cannot be read, 1 cannot be had now"),
        ),
    ];
    for (spoil, warning) in cases {
        for spoilt in 0..3 {
            let mut objects: Vec<Lying> =
                (0..3).map(|number| Lying::of(phantom(Shape::SmallCt, 0, number))).collect();
            objects[spoilt] = spoil(objects[spoilt].clone());
            let counter = Counter::with(server, &objects).await;
            let response = counter.get(&format!("{}/metadata", objects[0].study())).await;
            let found = response.json();
            let uids: Vec<&str> = found
                .as_array()
                .unwrap()
                .iter()
                .map(|of| of["00080018"]["Value"][0].as_str().unwrap())
                .collect();
            let expected: Vec<&str> = (0..3)
                .filter(|number| warning.is_none() || *number != spoilt)
                .map(|number| objects[number].phantom.header.sop_instance.as_str())
                .collect();
            assert_eq!(uids, expected, "{warning:?}");
            let expected = warning.map(|text| format!("299 outrigger \"{text}\""));
            assert_eq!(response.fields.get("warning"), expected.as_ref());
            if warning.is_some() {
                let alone = counter.get(&format!("{}/metadata", objects[spoilt].path())).await;
                assert!(alone.status >= 400 && !alone.text().is_empty(), "{alone:?}");
            }
        }
    }
}

/// Goal: a damaged block is not seen by whoever asks for metadata, frames, pictures or pixel data, as long as somebody has
/// the same bytes. The controls: nobody else has it; somebody has it in other bytes, which fit for a picture anew only.
async fn parts_that_cannot_be_read_here_come_from_somebody_else(server: WebServer) {
    let native = phantom(Shape::Us { frames: 2 }, 0, 0);
    let pixels =
        read_form(Form::ExplicitLittle, native.data_set.clone()).unwrap().bytes(PIXEL_DATA).unwrap().clone();
    let second = pixels.slice(pixels.len() / 2..);
    for (state, is_had) in [
        (State::There, true),
        (State::DamagedHere, true),
        (State::Damaged, false),
        (State::OtherElsewhere, false),
    ] {
        let lying = Lying::of(native.clone()).but(state);
        let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
        assert_eq!(counter.get(&format!("{}/metadata", lying.path())).await.status, 200, "{state:?}");
        let frame = counter.get_as(&format!("{}/frames/2", lying.path()), BYTES).await;
        let all = counter.get_as(&format!("{}/pixeldata", lying.path()), BYTES).await;
        assert_eq!((frame.is_whole, all.is_whole), (is_had, is_had), "{state:?}");
        if is_had {
            assert!(
                frame.whole_parts()[0].body == second && all.whole_parts()[0].body == pixels,
                "{state:?}"
            );
        }
        let picture = counter.get(&format!("{}/frames/2/rendered", lying.path())).await;
        assert_eq!(picture.status, if is_had { 200 } else { 500 }, "{state:?}");
    }
}

async fn every_uri_of_bulk_data_leads_to_the_value(server: WebServer) {
    let large = vec![7; 100_000];
    let mut lying = Lying::of(phantom(Shape::Us { frames: 3 }, 0, 0));
    let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
    let icon: DataSet = [Element::new(PIXEL_DATA, Vr::OW, vec![1, 2])].into_iter().collect();
    tree.put(Element::sequence(Tag(0x0088, 0x0200), vec![icon]));
    tree.put(Element::new(Tag(0x0042, 0x0011), Vr::OB, large.clone()));
    lying.bytes = write(&tree, Form::ExplicitLittle).into();
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let found = counter.get(&format!("{}/metadata", lying.path())).await.json();
    let pixels = tree.bytes(PIXEL_DATA).unwrap().to_vec();
    for (uri, expected) in [
        (&found[0]["00880200"]["Value"][0]["7FE00010"]["BulkDataURI"], vec![1, 2]),
        (&found[0]["00420011"]["BulkDataURI"], large),
        (&found[0]["7FE00010"]["BulkDataURI"], pixels.clone()),
    ] {
        let parts = counter.get_as(below(uri), BYTES).await.whole_parts();
        assert!(parts.len() == 1 && parts[0].body == expected, "{uri}");
        let alone = counter.get_as(below(uri), "application/octet-stream").await;
        assert!(alone.is_whole && alone.body == expected, "{uri}");
    }
    let resource = counter.get_as(&format!("{}/pixeldata", lying.path()), BYTES).await.whole_parts();
    assert!(resource[0].body == pixels);
    assert_eq!(counter.get_as(below(&found[0]["00420011"]["BulkDataURI"]), "image/jpeg").await.status, 406);
}

/// URIs lead back to where the caller called, also where it calls an address and leaves out the port, as
/// `dicomweb-client` does.
async fn uris_lead_back_to_the_port(server: WebServer) {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
    let port = counter.listening.address.port();
    for (host, base) in [
        ("127.0.0.1".to_owned(), format!("127.0.0.1:{port}")),
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        ("[::1]".to_owned(), format!("[::1]:{port}")),
        ("localhost".to_owned(), "localhost".to_owned()),
        ("localhost:9".to_owned(), "localhost:9".to_owned()),
    ] {
        let found = counter.get_at(&host, &format!("{}/metadata", lying.path()), "*/*").await.json();
        let uri = format!("http://{base}/dicomweb{}/bulkdata/7FE00010", lying.path());
        assert_eq!(found[0]["7FE00010"]["BulkDataURI"], uri, "{host}");
    }
}

async fn encapsulated_pixel_data_come_frame_by_frame(server: WebServer) {
    let native = phantom(Shape::Us { frames: 3 }, 0, 0);
    let packed = Lying::transcoded(native.clone(), RLE);
    let counter = Counter::with(server, std::slice::from_ref(&packed)).await;
    let tree = read_form(Form::ExplicitLittle, native.data_set.clone()).unwrap();
    let parts = counter.get_as(&format!("{}/bulkdata/7FE00010", packed.path()), BYTES).await.whole_parts();
    let joined: Vec<u8> = parts.iter().flat_map(|part| part.body.clone()).collect();
    assert!(parts.len() == 3 && joined == tree.bytes(PIXEL_DATA).unwrap().to_vec());
}
