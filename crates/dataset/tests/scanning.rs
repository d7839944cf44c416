//! The bounded scan, on whole objects and on what no writer should send.

use std::io::Write as _;

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_dataset::scan::{ScanError, Scanned, Scanner};
use outrigger_dataset::write::write;
use outrigger_model::{Oddity, SopInstanceUid, Status, Tag, TransferSyntaxUid};
use proptest::prelude::*;

use crate::build::{FORMS, ct, ct_bytes, ct_with, syntax};

fn scan_pieces(syntax: &TransferSyntaxUid, pieces: &[&[u8]]) -> Result<Scanned, ScanError> {
    let mut scanner = Scanner::new(syntax);
    for piece in pieces {
        scanner.push(piece);
    }
    scanner.finish()
}

fn scan(form: Form, bytes: &[u8]) -> Result<Scanned, ScanError> {
    scan_pieces(&syntax(form), &[bytes])
}

/// Scans explicit little endian bytes that must be stored, and gives what is odd.
fn oddities(bytes: &[u8]) -> Vec<Oddity> {
    let scanned = scan(Form::ExplicitLittle, bytes).unwrap();
    assert_eq!(scanned.header, scan(Form::ExplicitLittle, &ct_bytes(Form::ExplicitLittle)).unwrap().header);
    scanned.oddities
}

fn refusal(bytes: &[u8]) -> Status {
    scan(Form::ExplicitLittle, bytes).unwrap_err().refusal()
}

const SEQUENCE: &[u8] = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff";
const ITEM: &[u8] = b"\xfe\xff\0\xe0\xff\xff\xff\xff";
const ITEM_END: &[u8] = b"\xfe\xff\x0d\xe0\0\0\0\0";
const SEQUENCE_END: &[u8] = b"\xfe\xff\xdd\xe0\0\0\0\0";
const AFTER_SEQUENCE: Tag = Tag(0x0008, 0x1141);

#[test]
fn the_header_of_an_object_in_every_form() {
    let first = scan(FORMS[0], &ct_bytes(FORMS[0])).unwrap();
    for form in FORMS {
        let scanned = scan(form, &ct_bytes(form)).unwrap();
        let header = &scanned.header;
        assert_eq!(header.sop_instance.as_str(), "2.25.1");
        assert_eq!(header.attribute(Tag::PATIENT_NAME), Some("M\u{fc}ller^J\u{f6}rg"));
        assert_eq!(header.attribute(Tag::INSTANCE_NUMBER), Some("7"));
        assert_eq!(header.attribute(Tag::ROWS), Some("512"));
        assert_eq!(header.attribute(Tag::COLUMNS), None);
        assert_eq!(scanned, first);
        assert_eq!(scanned.oddities, []);
    }
}

/// What queries look for in sequences is kept, in every form and however the bytes are cut, and what is deeper is not.
#[test]
fn the_items_of_sequences_are_kept_within_bounds() {
    let codes = r#"[{"00080100":"T-D1100","00080102":"SRT"},{"00080100":"T-D1100","00080102":"SRT"}]"#;
    for form in FORMS {
        let bytes = ct_bytes(form);
        for size in [1, 7, bytes.len()] {
            let scanned = scan_pieces(&syntax(form), &bytes.chunks(size).collect::<Vec<_>>()).unwrap();
            assert_eq!(scanned.header.attribute(Tag::ANATOMIC_REGIONS), Some(codes), "{form:?} by {size}");
        }
    }
    let step = |value: &str, own: &str| -> DataSet {
        let inner: DataSet = [Element::text(Tag(0x0008, 0x0100), Vr::SH, "inner")].into_iter().collect();
        let mut step: DataSet = [
            Element::sequence(Tag(0x0040, 0x0008), vec![inner]),
            Element::text(Tag(0x0040, 0x0009), Vr::SH, value),
            Element::text(Tag(0x0040, 0x0010), Vr::SH, "not kept"),
        ]
        .into_iter()
        .collect();
        if !own.is_empty() {
            step.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, own));
        }
        step
    };
    let kept = |steps: Vec<DataSet>| {
        let mut data_set = ct();
        data_set.put(Element::sequence(Tag::REQUEST_ATTRIBUTES, steps));
        let scanned = scan(Form::ExplicitLittle, &write(&data_set, Form::ExplicitLittle)).unwrap();
        scanned.header.attribute(Tag::REQUEST_ATTRIBUTES).unwrap_or_default().to_owned()
    };
    assert_eq!(kept(vec![step("S1", ""), step("", "")]), r#"[{"00400009":"S1"}]"#);
    assert_eq!(kept(vec![step("M\u{fc}", "ISO_IR 192")]), "[{\"00400009\":\"M\u{fc}\"}]");
    let many = kept((0..5_000).map(|number| step(&number.to_string(), "")).collect());
    assert_eq!(many.matches("00400009").count(), 16);
    let long = kept((0..16).map(|_| step(&"x".repeat(500), "")).collect());
    assert!((3_000..5_000).contains(&long.len()), "{}", long.len());
    assert_eq!(kept(vec![step(&"x".repeat(10_000), "")]), "");
}

#[test]
fn private_transfer_syntaxes_are_guessed() {
    for form in FORMS {
        let private = scan_pieces(&TransferSyntaxUid::known("1.3.46.670589.33.1.4.1"), &[&ct_bytes(form)]);
        assert_eq!(private.unwrap(), scan(form, &ct_bytes(form)).unwrap());
    }
}

#[test]
fn deflated_objects_and_bombs() {
    let deflated = TransferSyntaxUid::known("1.2.840.10008.1.2.1.99");
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let plain = ct_bytes(Form::ExplicitLittle);
    let packed = pack(&plain);
    assert_eq!(scan_pieces(&deflated, &[&packed]).unwrap(), scan(Form::ExplicitLittle, &plain).unwrap());
    let padded = scan_pieces(&deflated, &[&packed, &[0]]).unwrap();
    assert_eq!(padded.oddities, []);
    assert_eq!(scan_pieces(&deflated, &[&packed, &[0; 3]]).unwrap().oddities, [Oddity::TrailingBytes]);
    assert!(matches!(scan_pieces(&deflated, &[&plain]), Err(ScanError::Inflate(_))));
    assert!(matches!(scan_pieces(&deflated, &[&packed[..packed.len() / 2]]), Err(ScanError::Inflate(_))));
    let bomb = pack(&[&b"\x10\0\x10\0UT\0\0\0\0\0\x10"[..], &vec![b' '; 50_000_000]].concat());
    assert!(matches!(scan_pieces(&deflated, &[&bomb]), Err(ScanError::Truncated { .. })));
}

#[test]
fn nested_to_the_limit_is_looked_into_and_deeper_is_skipped() {
    for (depth, odd) in [(1, false), (64, false), (65, true), (3_000, true), (300_000, true)] {
        let open = [SEQUENCE, ITEM].concat().repeat(depth);
        let close = [ITEM_END, SEQUENCE_END].concat().repeat(depth);
        let found = oddities(&ct_with(AFTER_SEQUENCE, &[open, close].concat()));
        assert_eq!(found, if odd { vec![Oddity::TooDeep] } else { vec![] }, "{depth} deep");
    }
}

#[test]
fn nested_deep_by_defined_lengths() {
    let mut nested = DataSet::default();
    for depth in 1..=3_000 {
        nested = [Element::sequence(Tag(0x0008, 0x1140), vec![nested])].into_iter().collect();
        if depth == 64 {
            assert_eq!(oddities(&ct_with(AFTER_SEQUENCE, &write(&nested, Form::ExplicitLittle))), []);
        }
    }
    assert_eq!(oddities(&ct_with(AFTER_SEQUENCE, &write(&nested, Form::ExplicitLittle))), [Oddity::TooDeep]);
    // Dropped level by level: the tree itself is only as deep as a stack allows.
    while let Some(outrigger_dataset::element::Value::Sequence(mut items)) =
        nested.elements.pop().map(|element| element.value)
    {
        nested = items.pop().unwrap();
    }
}

#[test]
fn deep_places_end_where_they_end() {
    let outside = [SEQUENCE, ITEM].concat().repeat(64);
    let back = [ITEM_END, SEQUENCE_END].concat().repeat(64);
    let unknown = b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff";
    let implicit = b"\x09\0\x10\x10\xff\xff\xff\xff";
    let pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\x04\0\0\0abcd";
    let item = b"\xfe\xff\0\xe0\x02\0\0\0ab";
    for inside in [
        [SEQUENCE, ITEM, ITEM_END, SEQUENCE_END].concat(),
        [SEQUENCE, item, SEQUENCE_END].concat(),
        [SEQUENCE, ITEM, pixels, SEQUENCE_END, ITEM_END, SEQUENCE_END].concat(),
        [unknown, ITEM, implicit, SEQUENCE_END, ITEM_END, SEQUENCE_END, b"\x09\0\x11\x10OB\0\0\0\0\0\0"]
            .concat(),
        // The end of an item is missing.
        [SEQUENCE, ITEM, SEQUENCE_END].concat(),
    ] {
        let bytes = ct_with(AFTER_SEQUENCE, &[&outside[..], &inside, &back].concat());
        assert_eq!(oddities(&bytes), [Oddity::TooDeep], "{inside:02x?}");
    }
}

#[test]
fn what_is_odd_is_stored_and_flagged() {
    use Oddity::*;
    let behind_all = Tag(0xFFFF, 0);
    for (odd, tag, bytes) in [
        (FileMetaInside, Tag(0, 0), &b"\x02\0\x10\0UI\x06\x002.25.1"[..]),
        (OutOfOrder, Tag::ROWS, b"\x28\0\x03\0AT\x04\0\x28\0\x02\0\x28\0\x02\0US\x02\0\x01\0"),
        (OddLength, AFTER_SEQUENCE, b"\x08\0\x40\x11LO\x03\0abc"),
        (HugeElement, Tag::PATIENT_BIRTH_DATE, &[&b"\x10\0\x21\0LO\x02\x10"[..], &[b'i'; 0x1002]].concat()),
        (TrailingBytes, behind_all, &[0; 20]),
        (TrailingBytes, behind_all, &[0; 3]),
        // An item longer than its sequence.
        (BadInnerLength, AFTER_SEQUENCE, b"\x08\0\x40\x11SQ\0\0\x08\0\0\0\xfe\xff\0\xe0\xfe\0\0\0"),
        // An element longer than its item.
        (
            BadInnerLength,
            AFTER_SEQUENCE,
            b"\x08\0\x40\x11SQ\0\0\x10\0\0\0\xfe\xff\0\xe0\x08\0\0\0\x08\0\x50\x11UI\xfe\0",
        ),
        // A header that does not fit into its item.
        (
            BadInnerLength,
            AFTER_SEQUENCE,
            b"\x08\0\x40\x11SQ\0\0\x0c\0\0\0\xfe\xff\0\xe0\x04\0\0\0\x08\0\x50\x11",
        ),
        // No item in a sequence.
        (BadInnerLength, AFTER_SEQUENCE, b"\x08\0\x40\x11SQ\0\0\x08\0\0\0\x08\0\x50\x11UI\0\0"),
        // The end of an item is missing.
        (BadInnerLength, AFTER_SEQUENCE, &[SEQUENCE, ITEM, SEQUENCE_END].concat()),
        // An item of undefined length in a sequence that ends before it.
        (BadInnerLength, AFTER_SEQUENCE, b"\x08\0\x40\x11SQ\0\0\x08\0\0\0\xfe\xff\0\xe0\xff\xff\xff\xff"),
        // An item that claims more than its sequence, which is of undefined length, has.
        (BadInnerLength, AFTER_SEQUENCE, &[SEQUENCE, b"\xfe\xff\0\xe0\xfe\0\0\0", SEQUENCE_END].concat()),
        // An item that claims less than it has, in a sequence of undefined length.
        (
            BadInnerLength,
            AFTER_SEQUENCE,
            &[SEQUENCE, b"\xfe\xff\0\xe0\0\0\0\0\x08\0\x50\x11UI\x06\x001.2.34", SEQUENCE_END].concat(),
        ),
    ] {
        let found = oddities(&ct_with(tag, bytes));
        assert_eq!(found, [odd], "{tag} {bytes:02x?}");
    }
}

#[test]
fn text_that_its_character_set_cannot_hold_is_flagged() {
    let mut data_set = ct();
    data_set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"));
    let scanned = scan(Form::ExplicitLittle, &write(&data_set, Form::ExplicitLittle)).unwrap();
    assert_eq!(scanned.oddities, [Oddity::BadText]);
    assert_eq!(scanned.header.attribute(Tag::PATIENT_NAME), Some("M\u{fc}ller^J\u{f6}rg"));
}

#[test]
fn padded_uids_are_the_same_and_flagged() {
    for (value, odd) in [("2.25.1", false), ("2.25.1  ", true), ("2.25.1\0\0", true)] {
        let mut data_set = ct();
        data_set.put(Element::text(Tag::SOP_INSTANCE_UID, Vr::UI, value));
        let expected = if odd { vec![Oddity::IllegalUid] } else { vec![] };
        let bytes = write(&data_set, Form::ExplicitLittle);
        assert_eq!(oddities(&bytes), expected, "{value:?}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (bytes, why) in [
        (ct_with(AFTER_SEQUENCE, b"\x08\0\x40\x11LO\xff\xff"), "a length that lies at the top level"),
        (ct_with(AFTER_SEQUENCE, b"\x08\0\x40\x11UT\0\0\xfe\xff\xff\xff"), "4 GiB that do not arrive"),
        (ct_with(AFTER_SEQUENCE, b"\x08\0\x40\x11UT\0\0\xff\xff\xff\xff"), "a text of undefined length"),
        (ct_with(AFTER_SEQUENCE, ITEM), "an item at the top level"),
        (ct_with(AFTER_SEQUENCE, SEQUENCE), "a sequence without an end"),
        (ct_with(AFTER_SEQUENCE, &[SEQUENCE, ITEM].concat().repeat(3_000)), "3,000 sequences without an end"),
        (ct_with(Tag(0xFFFF, 0), &[0, 0, 0, 0, 0, 0, 0, 0, 1]), "something behind padding"),
        (
            ct_with(Tag(0x7FE0, 0), b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xe0\x7f\x10\0"),
            "no item among fragments",
        ),
        (b"\0".repeat(132).into_iter().chain(*b"DICM").collect(), "a preamble"),
    ] {
        assert_eq!(refusal(&bytes), Status::CANNOT_UNDERSTAND, "{why}");
    }
}

#[test]
fn what_cannot_be_identified_is_refused() {
    for tag in [Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID, Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID]
    {
        for value in [None, Some(""), Some("1.2\\3"), Some("not a uid")] {
            let mut data_set = ct();
            data_set.remove(tag);
            if let Some(value) = value {
                data_set.put(Element::text(tag, Vr::UI, value));
            }
            let error = scan(Form::ExplicitLittle, &write(&data_set, Form::ExplicitLittle)).unwrap_err();
            let missing = matches!(error, ScanError::MissingUid { tag: named } if named == tag);
            let bad = matches!(error, ScanError::BadUid { tag: named, .. } if named == tag);
            assert!(if value.is_none_or(str::is_empty) { missing } else { bad }, "{tag} {value:?}: {error}");
            assert_eq!(error.refusal(), Status::DATA_SET_MISMATCH);
        }
    }
    assert_eq!(refusal(b""), Status::DATA_SET_MISMATCH);
}

#[test]
fn non_patient_objects_need_no_study() {
    let mut data_set = ct();
    data_set.put(Element::text(Tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.39.1"));
    data_set.remove(Tag::STUDY_INSTANCE_UID);
    data_set.remove(Tag::SERIES_INSTANCE_UID);
    let header = scan(Form::ExplicitLittle, &write(&data_set, Form::ExplicitLittle)).unwrap().header;
    assert_eq!((header.study, header.series), (None, None));
}

#[test]
fn four_gibibytes_that_arrive_are_stored_and_flagged() {
    let start = ct_with(Tag(0x7FE0, 0), b"\x11\0\x10\x10UN\0\0\xfe\xff\xff\xff");
    let start = &start[..start.len() - 12 - 64];
    let piece = vec![0; 1 << 20];
    let mut scanner = Scanner::new(&syntax(Form::ExplicitLittle));
    scanner.push(start);
    for _ in 0..4095 {
        scanner.push(&piece);
    }
    scanner.push(&piece[..(1 << 20) - 2]);
    assert_eq!(scanner.finish().unwrap().oddities, [Oddity::OutOfOrder, Oddity::HugeElement]);
}

/// Truncation is an error, or falls between two elements behind the last UID, where nothing tells it.
#[test]
fn truncated_at_every_byte() {
    for form in FORMS {
        let bytes = ct_bytes(form);
        let whole = scan(form, &bytes).unwrap().header;
        let mut understood = 0;
        for end in 0..bytes.len() {
            let Ok(part) = scan(form, &bytes[..end]) else { continue };
            understood += 1;
            assert_eq!(part.header.series, whole.series);
            assert!(whole.attributes.starts_with(&part.header.attributes), "{form:?} cut at {end}");
        }
        assert_eq!(understood, 3, "behind Series Instance UID, Instance Number and Rows");
    }
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, behind) = rest.split_at(cut % (rest.len() + 1));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// Bytes that are like data sets, so that the scan gets far into them.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(SEQUENCE.to_vec()),
        Just(ITEM.to_vec()),
        Just(ITEM_END.to_vec()),
        Just(SEQUENCE_END.to_vec()),
        Just(b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff".to_vec()),
        Just(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff".to_vec()),
        Just(ct_bytes(Form::ExplicitLittle)),
        (0..40u8).prop_map(|length| [b"\x08\0\x40\x11SQ\0\0", &[length, 0, 0, 0][..]].concat()),
        (0..40u8).prop_map(|length| [b"\xfe\xff\0\xe0", &[length, 0, 0, 0][..]].concat()),
        (0..20u8)
            .prop_map(|length| [b"\x10\0\x10\0PN", &[length, 0][..], &vec![b'a'; length.into()]].concat()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_cuts_do_not_matter(bytes in nearly(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        for uid in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.3"] {
            let syntax = TransferSyntaxUid::known(uid);
            let whole = scan_pieces(&syntax, &[&bytes]);
            let cut = scan_pieces(&syntax, &pieces(&bytes, &cuts));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let bytewise = scan_pieces(&syntax, &single);
            prop_assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
            prop_assert_eq!(format!("{whole:?}"), format!("{bytewise:?}"));
        }
    }

    /// The scan and the reader, which share only how headers are read, agree on what is whole.
    #[test]
    fn the_reader_agrees(bytes in nearly()) {
        for form in FORMS {
            let scanned = scan(form, &bytes);
            let read = read_form(form, bytes.clone().into());
            match (&scanned, &read) {
                (Ok(scanned), Ok(tree)) => {
                    let instance = SopInstanceUid::from_bytes(tree.bytes(Tag::SOP_INSTANCE_UID).unwrap());
                    prop_assert_eq!(&instance.unwrap(), &scanned.header.sop_instance);
                }
                (Ok(scanned), Err(_)) => {
                    let bad = [Oddity::TooDeep, Oddity::BadInnerLength];
                    prop_assert!(scanned.oddities.iter().any(|odd| bad.contains(odd)), "{scanned:?} {read:?}");
                }
                (Err(error), Ok(_)) => prop_assert_eq!(error.refusal(), Status::DATA_SET_MISMATCH, "{}", error),
                (Err(_), Err(_)) => {}
            }
        }
    }

    #[test]
    fn any_deflated_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let whole = scan_pieces(&TransferSyntaxUid::known("1.2.840.10008.1.2.1.99"), &[&bytes]);
        prop_assert!(whole.is_err());
    }

    #[test]
    fn one_byte_changed_anywhere(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = ct_bytes(Form::ExplicitLittle);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(scanned) = scan(Form::ExplicitLittle, &bytes) {
            prop_assert!(!scanned.header.sop_instance.as_str().is_empty());
        }
    }
}
