//! Images of our own, in every way we write them.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::pixel::{self, PixelError};
use outrigger_dataset::read::read;
use outrigger_dataset::transcode::{TranscodeError, targets, transcode};
use outrigger_dataset::write::write;
use outrigger_model::{Sha256Digest, Tag, TransferSyntaxUid};

use super::images::{ALL, COLOUR, GREY, Image, PHOTOMETRIC, PIXEL_DATA};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const RLE: &str = "1.2.840.10008.1.2.5";
const BASELINE: &str = "1.2.840.10008.1.2.4.50";

pub(super) fn uid(text: &str) -> TransferSyntaxUid {
    TransferSyntaxUid::new(text).unwrap()
}

pub(super) fn digest(transfer_syntax: &str, data_set: &DataSet) -> Result<Option<Sha256Digest>, PixelError> {
    pixel::digest(&uid(transfer_syntax), data_set)
}

/// The data set as it is after a way there and back.
fn turned(data_set: &DataSet, to: &TransferSyntaxUid) -> Result<(DataSet, DataSet), TranscodeError> {
    let bytes = Bytes::from(write(data_set, Form::ExplicitLittle));
    let there = Bytes::from(transcode(bytes, &uid(EXPLICIT), to)?);
    let back = transcode(there.clone(), to, &uid(EXPLICIT))?;
    Ok((read(to, there).unwrap(), read(&uid(EXPLICIT), back.into()).unwrap()))
}

/// The data set as it is read after it was written: values are padded.
fn padded(data_set: &DataSet) -> DataSet {
    read(&uid(EXPLICIT), write(data_set, Form::ExplicitLittle).into()).unwrap()
}

/// The data set with what transcoding may change set to one form: OB or OW, and planes.
fn settled(data_set: &DataSet, image: &Image) -> DataSet {
    let mut data_set = padded(data_set);
    if let Some(element) = data_set.elements.iter_mut().find(|element| element.tag == PIXEL_DATA) {
        element.vr = Vr::OW;
    }
    if image.planar == 1 {
        data_set.remove(PIXEL_DATA);
        data_set.remove(Tag(0x0028, 0x0006));
    }
    data_set
}

#[test]
fn every_image_comes_back_from_every_transfer_syntax() {
    let mut refused = 0;
    for image in ALL {
        let original = image.data_set();
        for to in targets(&uid(EXPLICIT)) {
            match turned(&original, &to) {
                Ok((there, back)) => {
                    let whole = digest(EXPLICIT, &original);
                    assert!(matches!(whole, Ok(Some(_))), "{image:?}");
                    assert_eq!(pixel::digest(&to, &there), whole, "{image:?} as {to}");
                    assert_eq!(digest(EXPLICIT, &back), whole, "{image:?} back from {to}");
                    assert!(settled(&back, &image) == settled(&original, &image), "{image:?} back from {to}");
                }
                Err(TranscodeError::NotForRle { bits_allocated: 1, samples: 1 }) => refused += 1,
                Err(error) => panic!("{image:?} as {to}: {error}"),
            }
        }
    }
    assert_eq!(refused, 1, "single bits have no RLE");
}

#[test]
fn the_digest_changes_with_every_stored_bit_and_no_other() {
    let original = GREY.data_set();
    let whole = digest(EXPLICIT, &original).unwrap();
    let bytes = original.bytes(PIXEL_DATA).unwrap();
    for bit in 0..16 {
        let mut flipped = bytes.to_vec();
        flipped[40 + bit / 8] ^= 1 << (bit % 8);
        let mut data_set = original.clone();
        data_set.put(Element::new(PIXEL_DATA, Vr::OW, flipped));
        let is_stored = bit < usize::from(GREY.bits_stored);
        assert_eq!(digest(EXPLICIT, &data_set).unwrap() != whole, is_stored, "bit {bit}");
    }
}

#[test]
fn pixels_that_contradict_their_attributes_are_errors() {
    let change = |element: Element| {
        let mut data_set = GREY.data_set();
        data_set.put(element);
        digest(EXPLICIT, &data_set).unwrap_err().to_string()
    };
    let described = "the pixel data are not described by the attributes";
    assert_eq!(change(Element::new(Tag::ROWS, Vr::US, vec![0, 0])), described);
    assert_eq!(change(Element::new(Tag(0x0028, 0x0102), Vr::US, vec![3, 0])), described);
    assert_eq!(change(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "1A")), described);
    assert_eq!(change(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "4000000000")), described);
    assert_eq!(
        change(Element::new(Tag::ROWS, Vr::US, vec![14, 0])),
        "the pixel data have 442 bytes, the attributes ask for 476"
    );
}

#[test]
fn padding_is_no_pixel_but_more_is() {
    let original = GREY.data_set();
    let whole = digest(EXPLICIT, &original).unwrap();
    for (tail, is_padding) in [(&[0, 0, 0, 0][..], true), (&[7], true), (&[0, 7], false)] {
        let bytes = [original.bytes(PIXEL_DATA).unwrap(), tail].concat();
        let mut data_set = original.clone();
        data_set.put(Element::new(PIXEL_DATA, Vr::OW, bytes));
        assert_eq!(digest(EXPLICIT, &data_set).unwrap() == whole, is_padding, "{tail:?}");
        if tail.len() % 2 == 0 {
            let refused = matches!(turned(&data_set, &uid(RLE)), Err(TranscodeError::Excess { bytes: 2 }));
            assert_eq!(refused, !is_padding, "{tail:?}");
        }
    }
}

#[test]
fn float_pixels_are_compared_by_their_bits() {
    let mut data_set = GREY.data_set();
    data_set.remove(PIXEL_DATA);
    assert_eq!(digest(EXPLICIT, &data_set), Ok(None));
    let floats = |value: f32| value.to_le_bytes().repeat(13 * 17);
    data_set.put(Element::new(Tag(0x7FE0, 0x0008), Vr::OF, floats(0.0)));
    let (there, _) = turned(&data_set, &uid("1.2.840.10008.1.2.2")).unwrap();
    let positive = digest(EXPLICIT, &data_set).unwrap();
    assert_eq!(digest("1.2.840.10008.1.2.2", &there).unwrap(), positive);
    data_set.put(Element::new(Tag(0x7FE0, 0x0008), Vr::OF, floats(-0.0)));
    assert_ne!(digest(EXPLICIT, &data_set).unwrap(), positive);
}

#[test]
fn subsampled_pixels_stay_so_and_have_no_rle() {
    let image = Image { rows: 4, columns: 4, ..COLOUR };
    let mut data_set = image.data_set();
    data_set.put(Element::text(PHOTOMETRIC, Vr::CS, "YBR_FULL_422"));
    data_set.put(Element::new(PIXEL_DATA, Vr::OB, vec![9; 32]));
    assert!(matches!(digest(EXPLICIT, &data_set), Ok(Some(_))));
    assert!(matches!(turned(&data_set, &uid(RLE)), Err(TranscodeError::Subsampled)));
    assert!(turned(&data_set, &uid("1.2.840.10008.1.2")).is_ok());
}

#[test]
fn what_only_described_the_bytes_goes() {
    let mut data_set = GREY.data_set();
    data_set.put(Element::new(Tag(0x0008, 0x0000), Vr::UL, vec![4, 0, 0, 0]));
    data_set.put(Element::new(Tag(0x0008, 0x0001), Vr::UL, vec![4, 0, 0, 0]));
    let (_, back) = turned(&data_set, &uid("1.2.840.10008.1.2")).unwrap();
    assert!(back == padded(&GREY.data_set()));
}

#[test]
fn lossy_pixels_are_never_decoded() {
    let fragments =
        Fragments { offset_table: Bytes::new(), fragments: vec![Bytes::from_static(b"\xFF\xD8\xFF\xD9")] };
    let mut data_set = GREY.data_set();
    data_set.put(Element { tag: PIXEL_DATA, vr: Vr::OB, value: Value::Fragments(fragments) });
    assert_eq!(digest(BASELINE, &data_set), Ok(None));
    let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
    let refused = transcode(bytes, &uid(BASELINE), &uid(EXPLICIT)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no lossless way from JPEG Baseline (Process 1) to Explicit VR Little Endian"
    );
    assert!(matches!(digest(EXPLICIT, &data_set), Err(PixelError::WrongEncapsulation { .. })));
}

#[test]
fn without_pixels_every_known_syntax_can_be_left() {
    let mut report = GREY.data_set();
    report.remove(PIXEL_DATA);
    let bytes = Bytes::from(write(&report, Form::ExplicitLittle));
    for from in [BASELINE, RLE, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.91"] {
        assert_eq!(transcode(bytes.clone(), &uid(from), &uid(EXPLICIT)).unwrap(), bytes, "{from}");
    }
    let private = uid("1.2.840.113619.5.2");
    assert!(matches!(transcode(bytes, &private, &uid(EXPLICIT)), Err(TranscodeError::Read(_))));
}

#[test]
fn a_wider_syntax_of_the_same_streams_keeps_the_bytes() {
    let bytes = Bytes::from_static(b"whatever it is");
    let [narrow, wide] = ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"].map(uid);
    assert_eq!(transcode(bytes.clone(), &narrow, &wide).unwrap(), bytes);
    assert!(matches!(transcode(bytes.clone(), &wide, &narrow), Err(TranscodeError::NoWay { .. })));
}
