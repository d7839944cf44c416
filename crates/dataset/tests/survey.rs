//! A survey says what the whole reader says, and where the rest is.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place as Bed, Shape};
use outrigger_dataset::read::{ReadError, read_form};
use outrigger_dataset::survey::{
    ElementPath, Found, FrameError, FrameIndex, Place, Survey, SurveyError, Surveyed, aligned,
    inflated_length, survey,
};
use outrigger_dataset::write::write;
use outrigger_model::{Tag, TransferSyntaxUid};
use proptest::prelude::*;

use crate::build::ct;

const LITTLE: [Form; 2] = [Form::ImplicitLittle, Form::ExplicitLittle];
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const FRAMES: Tag = Tag(0x0028, 0x0008);

/// What gives no bytes.
#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
pub(crate) struct Gone;

/// Gives bytes in pieces of at most so many.
pub(crate) fn pieces(bytes: &Bytes, piece: usize) -> impl FnMut(u64) -> Result<Bytes, Gone> + '_ {
    move |position| {
        let from = usize::try_from(position).unwrap().min(bytes.len());
        Ok(bytes.slice(from..bytes.len().min(from + piece)))
    }
}

pub(crate) fn look(form: Form, bytes: &Bytes, piece: usize) -> Result<Survey, SurveyError<Gone>> {
    survey(form, bytes.len() as u64, pieces(bytes, piece))
}

/// The survey as the tree it stands for, with what was passed over put back.
fn whole(survey: &Survey, bytes: &Bytes) -> DataSet {
    let at = |place: &Place| {
        bytes.slice(
            usize::try_from(place.offset).unwrap()..usize::try_from(place.offset + place.length).unwrap(),
        )
    };
    let value = |found: &Found| match found {
        Found::Here(bytes) => Value::Bytes(bytes.clone()),
        Found::There(place) => Value::Bytes(at(place)),
        Found::Items(items) => Value::Sequence(items.iter().map(|item| whole(item, bytes)).collect()),
        Found::Fragments(places) => Value::Fragments(Fragments {
            offset_table: at(&places[0]),
            fragments: places[1..].iter().map(at).collect(),
        }),
    };
    let element = |found: &Surveyed| Element { tag: found.tag, vr: found.vr, value: value(&found.value) };
    survey.elements.iter().map(element).collect()
}

#[test]
fn a_survey_is_the_tree_whatever_the_pieces() {
    for form in LITTLE {
        let bytes = Bytes::from(write(&ct(), form));
        let tree = read_form(form, bytes.clone()).unwrap();
        for piece in [1, 7, 4096] {
            let survey = look(form, &bytes, piece).unwrap();
            assert_eq!(whole(&survey, &bytes), tree, "{form:?} in pieces of {piece}");
            assert!(matches!(survey.get(PIXEL_DATA).unwrap().value, Found::There(_)));
        }
    }
}

#[test]
fn large_values_are_passed_over_in_items_too() {
    let item: DataSet = [
        Element::new(Tag(0x5400, 0x1010), Vr::OW, vec![1; 5000]),
        Element::new(Tag(0x5400, 0x1011), Vr::OB, vec![2; 4096]),
    ]
    .into_iter()
    .collect();
    let data_set: DataSet =
        [Element::sequence(Tag(0x5400, 0x0100), vec![DataSet::default(), item])].into_iter().collect();
    let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
    let survey = look(Form::ExplicitLittle, &bytes, 100).unwrap();
    let path = |last| ElementPath { items: vec![(Tag(0x5400, 0x0100), 2)], last };
    let Found::There(place) = survey.follow(&path(Tag(0x5400, 0x1010))).unwrap().value else { panic!() };
    assert_eq!(place.length, 5000);
    assert_eq!(bytes[usize::try_from(place.offset).unwrap()], 1);
    assert!(matches!(survey.follow(&path(Tag(0x5400, 0x1011))).unwrap().value, Found::Here(_)));
    for items in
        [vec![(Tag(0x5400, 0x0100), 0)], vec![(Tag(0x5400, 0x0100), 3)], vec![(PIXEL_DATA, 1)], vec![]]
    {
        assert_eq!(survey.follow(&ElementPath { items, last: Tag(0x5400, 0x1010) }), None);
    }
}

#[test]
fn what_is_nested_too_deeply_and_a_source_that_fails_are_told() {
    let mut data_set = DataSet::default();
    for _ in 0..65 {
        data_set = [Element::sequence(Tag(0x0040, 0xA730), vec![data_set])].into_iter().collect();
    }
    let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
    let error = look(Form::ExplicitLittle, &bytes, 4096).unwrap_err();
    assert!(matches!(error, SurveyError::Read(ReadError::TooDeep { .. })), "{error:?}");
    let error = survey(Form::ExplicitLittle, 100, |_| Err(Gone)).unwrap_err();
    assert!(matches!(error, SurveyError::Source(Gone)), "{error:?}");
}

/// Goal: an object of nothing but elements takes no more than the bound, and says so. The control is a tenth of them.
#[test]
fn elements_without_end_are_refused() {
    let many = |count: u32| {
        let empty = b"\x08\0\x60\0CS\0\0";
        let bytes = Bytes::from(empty.repeat(usize::try_from(count).unwrap()));
        look(Form::ExplicitLittle, &bytes, 1 << 20).map(|survey| survey.elements.len())
    };
    assert!(matches!(many(100_000), Ok(100_000)));
    assert!(matches!(many(2_000_000), Err(SurveyError::TooLarge)));
}

fn frames(bytes: &Bytes, transfer_syntax: &str) -> Result<FrameIndex, FrameError<Gone>> {
    let survey = look(Form::ExplicitLittle, bytes, 1000).unwrap();
    FrameIndex::new(&survey, &TransferSyntaxUid::new(transfer_syntax).unwrap(), pieces(bytes, 1000))
}

/// The bytes of a frame.
fn frame(index: &FrameIndex, bytes: &Bytes, number: u32) -> Option<Vec<u8>> {
    let span = index.frame(number)?;
    let at = |place: &Place| {
        bytes.slice(
            usize::try_from(place.offset).unwrap()..usize::try_from(place.offset + place.length).unwrap(),
        )
    };
    let joined: Vec<u8> = span.places.iter().flat_map(at).collect();
    Some(span.bits.map_or_else(|| joined.clone(), |bits| aligned(&joined, &bits)))
}

#[test]
fn native_frames_lie_one_behind_the_other() {
    let phantom = Phantom::new(5, Bed::default(), Shape::Us { frames: 3 });
    let index = frames(&phantom.data_set, "1.2.840.10008.1.2.1").unwrap();
    assert_eq!(index.count(), 3);
    let tree = read_form(Form::ExplicitLittle, phantom.data_set.clone()).unwrap();
    let pixels = tree.bytes(PIXEL_DATA).unwrap();
    for (number, expected) in (1..).zip(pixels.chunks(640 * 480 * 3)) {
        assert_eq!(frame(&index, &phantom.data_set, number).unwrap(), expected);
    }
    assert_eq!((frame(&index, &phantom.data_set, 0), frame(&index, &phantom.data_set, 4)), (None, None));
}

#[test]
fn frames_of_single_bits_begin_inside_bytes() {
    let mut data_set = Phantom::new(5, Bed::default(), Shape::SmallCt).data_set;
    let mut tree = read_form(Form::ExplicitLittle, data_set.clone()).unwrap();
    for (tag, value) in [(Tag::ROWS, 3_u16), (Tag::COLUMNS, 2), (Tag::BITS_ALLOCATED, 1)] {
        tree.put(Element::new(tag, Vr::US, value.to_le_bytes().to_vec()));
    }
    for (tag, value) in [(Tag(0x0028, 0x0101), 1_u16), (Tag(0x0028, 0x0102), 0)] {
        tree.put(Element::new(tag, Vr::US, value.to_le_bytes().to_vec()));
    }
    tree.put(Element::text(FRAMES, Vr::IS, "2"));
    tree.put(Element::new(PIXEL_DATA, Vr::OB, vec![0b1011_0010, 0b1111_0101]));
    data_set = write(&tree, Form::ExplicitLittle).into();
    let index = frames(&data_set, "1.2.840.10008.1.2.1").unwrap();
    assert_eq!(frame(&index, &data_set, 1).unwrap(), [0b11_0010]);
    assert_eq!(frame(&index, &data_set, 2).unwrap(), [0b01_0110]);
}

fn encapsulated(frames: &str, table: &[u32], fragments: &[&'static [u8]]) -> Bytes {
    let fragments = Fragments {
        offset_table: table.iter().flat_map(|offset| offset.to_le_bytes()).collect(),
        fragments: fragments.iter().map(|bytes| Bytes::from_static(bytes)).collect(),
    };
    let value = Value::Fragments(fragments);
    let data_set: DataSet =
        [Element::text(FRAMES, Vr::IS, frames), Element { tag: PIXEL_DATA, vr: Vr::OB, value }]
            .into_iter()
            .collect();
    write(&data_set, Form::ExplicitLittle).into()
}

const A: &[u8] = b"\xFF\xD8\xFFaa\xFF\xD9\0";
const B: &[u8] = b"\xFF\xD8\xFFbbbb\xFF\xD9\0";

#[test]
fn encapsulated_frames_are_found_by_table_count_and_marker() {
    const JPEG: &str = "1.2.840.10008.1.2.4.50";
    let check = |count: &str, table: &[u32], fragments: &[&'static [u8]], expected: &[&[u8]]| {
        let bytes = encapsulated(count, table, fragments);
        let index = frames(&bytes, JPEG).unwrap();
        let found: Vec<Vec<u8>> =
            (1..=index.count()).map(|number| frame(&index, &bytes, number).unwrap()).collect();
        assert_eq!(found, expected);
    };
    let (head, tail) = A.split_at(4);
    check("1", &[], &[head, tail], &[A]);
    check("2", &[0, 24], &[head, tail, B], &[A, B]);
    check("2", &[], &[A, B], &[A, B]);
    check("2", &[0, 7], &[A, B], &[A, B]);
    check("2", &[], &[head, tail, B], &[A, B]);
    check("2", &[], &[b"\xFF\xD8\xFFaa\xFF\xD9\0\xFF\xD8\xFFbbbb\xFF\xD9\0"], &[A, B]);
    let lost = frames(&encapsulated("3", &[], &[A, B]), JPEG).unwrap_err();
    assert!(matches!(lost, FrameError::Frames(_)), "{lost:?}");
    for count in ["3", "1"] {
        let video = frames(&encapsulated(count, &[], &[A, B]), "1.2.840.10008.1.2.4.102").unwrap_err();
        assert!(matches!(video, FrameError::Video), "{video:?}");
    }
    let absurd = frames(&encapsulated("4294967295", &[], &[A, B]), JPEG).unwrap_err();
    assert!(matches!(absurd, FrameError::Frames(_)), "{absurd:?}");
}

#[test]
fn pixels_that_are_missing_or_short_are_told() {
    let report = Phantom::new(5, Bed::default(), Shape::Sr);
    let error = frames(&report.data_set, "1.2.840.10008.1.2.1").unwrap_err();
    assert!(matches!(error, FrameError::NoPixels), "{error:?}");
    let mut tree =
        read_form(Form::ExplicitLittle, Phantom::new(5, Bed::default(), Shape::SmallCt).data_set).unwrap();
    tree.put(Element::text(FRAMES, Vr::IS, "2"));
    let error = frames(&write(&tree, Form::ExplicitLittle).into(), "1.2.840.10008.1.2.1").unwrap_err();
    assert!(matches!(error, FrameError::Short { frames: 2, .. }), "{error:?}");
}

/// Goal: what a deflated data set would take is known without taking it. The control is one that fits.
#[test]
fn deflated_data_sets_are_measured_before_they_are_held() {
    let bomb = deflated(&vec![0; 8 << 20]);
    assert!(bomb.len() < 10_000);
    let measured = |limit| inflated_length(limit, pieces(&bomb, 1000)).unwrap();
    assert_eq!(measured(u64::MAX), Some(8 << 20));
    assert_eq!(measured((8 << 20) - 1), None);
    let cut = bomb.slice(..bomb.len() / 2);
    assert_eq!(inflated_length(u64::MAX, pieces(&cut, 1000)).unwrap(), None);
}

fn deflated(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap().into()
}

proptest! {
    /// Goal: bytes that lie are an error or a survey that fits the bytes, as for the whole reader, never a panic.
    #[test]
    fn mangled_bytes_are_read_as_the_whole_reader_does(
        place in 0_usize..600, byte in any::<u8>(), cut in 0_usize..700, piece in 1_usize..50,
    ) {
        for form in LITTLE {
            let mut bytes = write(&ct(), form);
            if let Some(found) = bytes.get_mut(place) {
                *found = byte;
            }
            bytes.truncate(cut);
            let bytes = Bytes::from(bytes);
            if let (Ok(survey), Ok(tree)) = (look(form, &bytes, piece), read_form(form, bytes.clone())) {
                let kinds_aside = |tree: DataSet| write(&tree, Form::ImplicitLittle);
                prop_assert_eq!(kinds_aside(whole(&survey, &bytes)), kinds_aside(tree));
            }
        }
    }
}
