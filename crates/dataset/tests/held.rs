//! What a survey takes: bounded, counted as it lies in memory, and enough for what is real.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::survey::{
    Found, HELD_BYTES_MAX, Place, Survey, SurveyError, Surveyed, held_at_most, survey, survey_within,
};
use outrigger_dataset::write::write;
use outrigger_model::Tag;

use crate::survey::{Gone, look, pieces};

const SEQUENCE: Tag = Tag(0x0040, 0xA730);
const ITEM: &[u8] = b"\xFE\xFF\0\xE0\0\0\0\0";
const EMPTY: &[u8] = b"\x08\0\x60\0CS\0\0";
const BYTE: &[u8] = b"\x08\0\x60\0CS\x01\0A";

/// Memory that lists and values take as they lie there.
fn taken(survey: &Survey) -> usize {
    let value = |of: &Surveyed| match &of.value {
        Found::Here(bytes) => bytes.len(),
        Found::There(_) => 0,
        Found::Items(items) => {
            items.capacity() * size_of::<Survey>() + items.iter().map(taken).sum::<usize>()
        }
        Found::Fragments(places) => places.capacity() * size_of::<Place>(),
    };
    survey.elements.capacity() * size_of::<Surveyed>() + survey.elements.iter().map(value).sum::<usize>()
}

/// Items one behind the other, each with these bytes in it.
fn items(inside: &[u8], count: usize) -> Bytes {
    let item = [&ITEM[..4], &u32::try_from(inside.len()).unwrap().to_le_bytes(), inside].concat();
    let length = u32::try_from(item.len() * count).unwrap().to_le_bytes();
    [b"\x40\0\x30\xA7SQ\0\0".as_slice(), &length, &item.repeat(count)].concat().into()
}

fn fragments(count: usize) -> Bytes {
    let end = b"\xFE\xFF\xDD\xE0\0\0\0\0";
    [b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF".as_slice(), &ITEM.repeat(count), end].concat().into()
}

fn within(most: u64, bytes: &Bytes) -> Result<(Survey, u64), SurveyError<Gone>> {
    survey_within(most, Form::ExplicitLittle, bytes.len() as u64, pieces(bytes, 1 << 20))
}

/// Goal: a survey takes no more than it says, and no more than is told of its length before it begins, whatever it consists of;
/// with less room than it takes it stops.
#[test]
fn what_a_survey_takes_is_counted_and_known_before() {
    let nested = items(&items(&items(BYTE, 1), 2), 20_000);
    for count in [1, 2, 3, 1_000, 40_000, 65_537] {
        for (name, bytes) in [
            ("elements", EMPTY.repeat(count).into()),
            ("elements of a byte", BYTE.repeat(count).into()),
            ("items", items(b"", count)),
            ("items of one element", items(EMPTY, count)),
            ("items of one byte", items(BYTE, count)),
            ("items of two", items(&BYTE.repeat(2), count)),
            ("fragments", fragments(count)),
            ("items of items", nested.clone()),
        ] {
            let most = held_at_most(bytes.len() as u64);
            let (survey, held) =
                within(most, &bytes).unwrap_or_else(|error| panic!("{count} {name}: {error}"));
            assert!(taken(&survey) as u64 <= held && held <= most, "{count} {name}: {held} of {most}");
            let stopped = within(taken(&survey) as u64 - 1, &bytes);
            assert!(matches!(stopped, Err(SurveyError::TooLarge)), "{count} {name}");
        }
    }
}

/// Goal: what is made to take memory is refused at the bound, however it is made. The control is a tenth of it.
#[test]
fn items_and_elements_without_end_are_refused() {
    for (name, inside, count) in
        [("items", b"".as_slice(), 6_000_000), ("items of one element", EMPTY, 1_500_000)]
    {
        let is_taken = |count| match look(Form::ExplicitLittle, &items(inside, count), 1 << 20) {
            Ok(survey) => {
                assert!(taken(&survey) as u64 <= HELD_BYTES_MAX, "{name}");
                true
            }
            Err(error) => {
                assert!(matches!(error, SurveyError::TooLarge), "{name}: {error}");
                false
            }
        };
        assert_eq!((is_taken(count), is_taken(count / 10)), (false, true), "{name}");
    }
}

fn item(elements: impl IntoIterator<Item = Element>) -> DataSet {
    elements.into_iter().collect()
}

/// The functional groups of one frame of an enhanced image: ten macros of six attributes each.
fn groups_of_a_frame(frame: u32) -> DataSet {
    let attribute =
        |number: u16| Element::text(Tag(0x0018, 0x9000 + number), Vr::DS, &format!("{frame}.{number}"));
    let group =
        |number: u16| Element::sequence(Tag(0x0020, 0x9100 + number), vec![item((1..7).map(attribute))]);
    item((1..11).map(group))
}

/// Goal: whatever is real is looked over: functional groups of 2,000 frames and of 7,000, contours of 60 MB, half a gigabyte of
/// ultrasound.
#[test]
fn what_is_real_is_looked_over() {
    let per_frame = |frames| {
        let groups = (0..frames).map(groups_of_a_frame).collect();
        item([Element::sequence(Tag(0x5200, 0x9230), groups)])
    };
    let contour = |_| item([Element::text(Tag(0x3006, 0x0050), Vr::DS, &"-123.45\\67.8\\9".repeat(70))]);
    let structure = |_| item([Element::sequence(Tag(0x3006, 0x0040), (0..200).map(contour).collect())]);
    let contours = item([Element::sequence(Tag(0x3006, 0x0039), (0..300).map(structure).collect())]);
    for (name, data_set, count) in [
        ("2,000 frames", per_frame(2_000), 2_000),
        ("7,000 frames", per_frame(7_000), 7_000),
        ("contours", contours, 300),
    ] {
        let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
        let survey =
            look(Form::ExplicitLittle, &bytes, 1 << 20).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Found::Items(items) = &survey.elements[0].value else { panic!("{name}") };
        assert_eq!(items.len(), count, "{name}");
    }
    let pixels = 500_u32 << 20;
    let head = [b"\xE0\x7F\x10\0OB\0\0".as_slice(), &pixels.to_le_bytes()].concat();
    let read = |position: u64| -> Result<Bytes, Gone> {
        let from = usize::try_from(position).unwrap();
        Ok(head
            .get(from..)
            .filter(|rest| !rest.is_empty())
            .map_or_else(|| vec![0; 1 << 20].into(), Bytes::copy_from_slice))
    };
    let survey = survey(Form::ExplicitLittle, head.len() as u64 + u64::from(pixels), read).unwrap();
    assert!(matches!(survey.elements[0].value, Found::There(place) if place.length == u64::from(pixels)));
    assert!(survey.get(SEQUENCE).is_none());
}
