//! Codestreams of other encoders, whole and damaged.
//!
//! The `.jpg` and `.jls` files were made by DCMTK 3.6.7 and the `.j2k` files by OpenJPEG 2.5, from images of this folder.

use std::error::Error;

use bytes::Bytes;
use outrigger_dataset::codestream::CodestreamError;
use outrigger_dataset::element::{DataSet, Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::pixel::PixelError;
use outrigger_dataset::transcode::transcode;
use outrigger_dataset::write::write;
use outrigger_dataset::{codestream, read};
use outrigger_model::Tag;

use super::images::{COLOUR, GREY, Image, PIXEL_DATA, SIGNED};
use super::native::{digest, uid};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const JPEG: &str = "1.2.840.10008.1.2.4.57";
const JPEG_FIRST: &str = "1.2.840.10008.1.2.4.70";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

const fn small(image: Image) -> Image {
    Image { rows: 7, columns: 9, ..image }
}

const fn large(image: Image) -> Image {
    Image { rows: 33, columns: 37, ..image }
}

type Stream = (&'static str, Image, &'static [u8]);

const STREAMS: [Stream; 7] = [
    (JPEG_FIRST, small(GREY), include_bytes!("streams/grey-predictor-1.jpg")),
    (JPEG, small(COLOUR), include_bytes!("streams/colour-predictor-7.jpg")),
    (JPEG_LS, small(GREY), include_bytes!("streams/grey.jls")),
    (JPEG_LS, small(COLOUR), include_bytes!("streams/colour-by-line.jls")),
    (JPEG_LS, small(COLOUR), include_bytes!("streams/colour-by-sample.jls")),
    (JPEG_2000, large(SIGNED), include_bytes!("streams/signed.j2k")),
    (JPEG_2000, large(Image { photometric: "YBR_RCT", ..COLOUR }), include_bytes!("streams/colour.j2k")),
];

fn encapsulated(image: Image, fragments: &[&[u8]]) -> DataSet {
    let fragments = fragments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    let value = Value::Fragments(Fragments { offset_table: Bytes::new(), fragments });
    let mut data_set = image.data_set();
    data_set.put(Element { tag: PIXEL_DATA, vr: Vr::OB, value });
    data_set
}

/// The image as it is when decoded.
fn decoded(image: Image) -> DataSet {
    let photometric = if image.photometric == "YBR_RCT" { "RGB" } else { image.photometric };
    Image { photometric, ..image }.data_set()
}

fn error_of(transfer_syntax: &str, data_set: &DataSet) -> CodestreamError {
    match digest(transfer_syntax, data_set) {
        Err(PixelError::Frame { frame: 1, source }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_gives_its_image_back() {
    for (transfer_syntax, image, stream) in STREAMS {
        let data_set = encapsulated(image, &[stream]);
        let native = decoded(image);
        assert_eq!(digest(transfer_syntax, &data_set), digest(EXPLICIT, &native), "{image:?}");
        let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
        let turned = transcode(bytes, &uid(transfer_syntax), &uid(EXPLICIT)).unwrap();
        let expected = write(&native, Form::ExplicitLittle);
        assert_eq!(turned, expected, "{transfer_syntax} {image:?}");
    }
}

#[test]
fn frames_and_icons_are_decoded_too() {
    let (transfer_syntax, image, stream) = STREAMS[2];
    let (first, second) = stream.split_at(50);
    let mut data_set = encapsulated(Image { frames: 2, ..image }, &[first, second, stream]);
    data_set.put(Element::sequence(Tag(0x0088, 0x0200), vec![encapsulated(image, &[stream])]));
    data_set.put(Element::new(Tag(0x7FE0, 0x0001), Vr::OV, vec![0; 8]));
    let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
    let turned = transcode(bytes, &uid(transfer_syntax), &uid(EXPLICIT)).unwrap();
    let turned = read::read(&uid(EXPLICIT), turned.into()).unwrap();
    let one = decoded(image).bytes(PIXEL_DATA).unwrap().clone();
    assert_eq!(turned.bytes(PIXEL_DATA), Some(&[&one[..], &one].concat().into()));
    assert_eq!(turned.items(Tag(0x0088, 0x0200))[0].bytes(PIXEL_DATA), Some(&one));
    assert_eq!(turned.get(Tag(0x7FE0, 0x0001)), None);
}

/// Places to try in a stream: all near its headers, some of the rest.
fn places(length: usize, head: usize) -> impl Iterator<Item = usize> {
    (0..length.min(head)).chain((head..length).step_by(31))
}

#[test]
fn a_stream_cut_anywhere_is_an_error_or_whole() {
    for (transfer_syntax, image, stream) in STREAMS {
        let whole = digest(transfer_syntax, &encapsulated(image, &[stream]));
        for end in places(stream.len(), 300) {
            let cut = digest(transfer_syntax, &encapsulated(image, &[&stream[..end]]));
            assert!(
                cut.is_err() || (cut == whole && end + 4 > stream.len()),
                "{transfer_syntax} cut at {end}"
            );
        }
    }
}

#[test]
fn no_flipped_bit_brings_a_decoder_down() {
    for (transfer_syntax, image, stream) in STREAMS {
        let whole = digest(transfer_syntax, &encapsulated(image, &[stream])).unwrap();
        let mut tried = 0;
        let changed = places(stream.len() * 8, 1200).filter(|bit| {
            tried += 1;
            let mut flipped = stream.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            digest(transfer_syntax, &encapsulated(image, &[&flipped])) != Ok(whole)
        });
        let changed = changed.count();
        assert!(changed * 2 > tried, "{transfer_syntax}: only {changed} of {tried} flips were noticed");
    }
}

#[test]
fn what_a_stream_says_of_its_size_is_held_against_the_attributes() {
    for (transfer_syntax, image, stream) in STREAMS {
        let taller = encapsulated(Image { rows: image.rows + 1, ..image }, &[stream]);
        let expected = CodestreamError::Contradiction {
            what: "rows",
            stream: image.rows.into(),
            attributes: u32::from(image.rows) + 1,
        };
        assert_eq!(error_of(transfer_syntax, &taller), expected);
    }
}

#[test]
fn lossy_streams_of_lossless_syntaxes_are_found_out() {
    let irreversible = encapsulated(large(COLOUR), &[include_bytes!("streams/colour-lossy.j2k")]);
    assert!(matches!(error_of(JPEG_2000, &irreversible), CodestreamError::Lossy { .. }));
    let (transfer_syntax, image, stream) = STREAMS[2];
    let mut near = stream.to_vec();
    let scan = near.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
    near[scan + 7] = 2;
    let near = encapsulated(image, &[&near]);
    assert!(matches!(error_of(transfer_syntax, &near), CodestreamError::Lossy { .. }));
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let (transfer_syntax, _, stream) = STREAMS[5];
    let mut huge = stream.to_vec();
    for place in [8, 12, 24, 28] {
        huge[place..place + 4].copy_from_slice(&15_000_u32.to_be_bytes());
    }
    let mut data_set = encapsulated(SIGNED, &[&huge]);
    for tag in [Tag::ROWS, Tag::COLUMNS] {
        data_set.put(Element::new(tag, Vr::US, 15_000_u16.to_le_bytes().to_vec()));
    }
    let error = error_of(transfer_syntax, &data_set);
    assert!(matches!(error, CodestreamError::TooLarge { needed, .. } if needed > 1 << 31), "{error}");
    data_set.put(Element::new(Tag::ROWS, Vr::US, vec![0xFF; 2]));
    data_set.put(Element::new(Tag::COLUMNS, Vr::US, vec![0xFF; 2]));
    let error = digest(transfer_syntax, &data_set).unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.starts_with("the pixel data take 8589672450 bytes"), "{source}");
}

#[test]
fn the_digest_of_streams_ignores_fragments_and_padding() {
    let (transfer_syntax, image, stream) = STREAMS[0];
    let of = |fragments: &[&[u8]]| codestream::digest(&uid(transfer_syntax), &encapsulated(image, fragments));
    let (first, second) = stream.split_at(60);
    let padded = [stream, &[0, 0]].concat();
    assert!(of(&[stream]).is_some());
    assert_eq!(of(&[first, second]), of(&[stream]));
    assert_eq!(of(&[&padded]), of(&[stream]));
    let mut flipped = stream.to_vec();
    flipped[70] ^= 1;
    assert_ne!(of(&[&flipped]), of(&[stream]));
    let elsewhere = codestream::digest(&uid(JPEG_LS), &encapsulated(image, &[stream]));
    assert_ne!(elsewhere, of(&[stream]));
    assert_eq!(codestream::digest(&uid(EXPLICIT), &image.data_set()), None);
}
