//! Digests: the same for every encoding of the same content, another for any other content.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::normal::{
    Digests, Fingerprint, Outline, Outliner, Verdict, compare, compare_outlines,
};
use outrigger_dataset::write::write;
use outrigger_model::{Tag, TransferSyntaxUid};

use crate::build::{FORMS, syntax};

const SEQUENCE_END: &[u8] = b"\xfe\xff\xdd\xe0\0\0\0\0";
const ITEM_END: &[u8] = b"\xfe\xff\x0d\xe0\0\0\0\0";

fn digests(form: Form, bytes: Vec<u8>) -> Digests {
    Digests::of(&syntax(form), Bytes::from(bytes)).unwrap()
}

fn of(data_set: &DataSet) -> Digests {
    digests(Form::ExplicitLittle, write(data_set, Form::ExplicitLittle))
}

fn fingerprint(data_set: &DataSet) -> Fingerprint {
    Fingerprint::of(&syntax(Form::ExplicitLittle), Bytes::from(write(data_set, Form::ExplicitLittle)))
}

fn text(tag: (u16, u16), vr: Vr, value: &str) -> Element {
    Element::text(Tag(tag.0, tag.1), vr, value)
}

fn set(elements: impl IntoIterator<Item = Element>) -> DataSet {
    elements.into_iter().collect()
}

/// An object with every kind of value.
fn rich() -> DataSet {
    let inner = set([
        text((0x0008, 0x0100), Vr::SH, "T-D1100"),
        text((0x0019, 0x0010), Vr::LO, "ACME 1"),
        text((0x0019, 0x1001), Vr::LO, "nested private"),
    ]);
    let private_item = set([
        text((0x0008, 0x0100), Vr::SH, "P1"),
        text((0x0009, 0x0010), Vr::LO, "ACME 1"),
        Element::new(Tag(0x0009, 0x1003), Vr::US, vec![7, 1]),
    ]);
    set([
        text((0x0008, 0x0005), Vr::CS, "ISO_IR 100"),
        text((0x0008, 0x0016), Vr::UI, "1.2.840.10008.5.1.4.1.1.2"),
        text((0x0008, 0x0018), Vr::UI, "2.25.1"),
        text((0x0008, 0x0020), Vr::DA, "20261124"),
        text((0x0008, 0x0060), Vr::CS, "CT"),
        text((0x0008, 0x0070), Vr::LO, "ACME"),
        Element::sequence(Tag(0x0008, 0x2218), vec![inner]),
        text((0x0009, 0x0010), Vr::LO, "ACME 1"),
        text((0x0009, 0x1001), Vr::LO, "private text"),
        Element::sequence(Tag(0x0009, 0x1002), vec![private_item]),
        Element::new(Tag(0x0009, 0x1003), Vr::US, vec![7, 1]),
        Element::new(Tag(0x0009, 0x1004), Vr::FD, vec![7, 1, 2, 3, 4, 5, 6, 7]),
        Element::new(Tag(0x0010, 0x0010), Vr::PN, &b"M\xfcller^J\xf6rg^^"[..]),
        text((0x0010, 0x0020), Vr::LO, "4711"),
        text((0x0018, 0x0050), Vr::DS, "1.50"),
        Element::new(Tag(0x0018, 0x6018), Vr::UL, vec![1, 2, 3, 4]),
        Element::new(Tag(0x0018, 0x9073), Vr::FD, vec![1, 2, 3, 4, 5, 6, 7, 8]),
        text((0x0020, 0x000D), Vr::UI, "2.25.2"),
        text((0x0020, 0x000E), Vr::UI, "2.25.3"),
        text((0x0020, 0x0013), Vr::IS, "007"),
        text((0x0020, 0x4000), Vr::LT, " two\\lines "),
        Element::new(Tag(0x0028, 0x0002), Vr::US, vec![1, 0]),
        text((0x0028, 0x0004), Vr::CS, "MONOCHROME2"),
        Element::new(Tag(0x0028, 0x0009), Vr::AT, vec![0x18, 0, 0x63, 0x10]),
        Element::new(Tag(0x0028, 0x0010), Vr::US, vec![2, 0]),
        Element::new(Tag(0x0028, 0x0011), Vr::US, vec![2, 0]),
        Element::new(Tag(0x0028, 0x0100), Vr::US, vec![16, 0]),
        Element::new(Tag(0x0028, 0x0101), Vr::US, vec![12, 0]),
        Element::new(Tag(0x0028, 0x0102), Vr::US, vec![11, 0]),
        Element::new(Tag(0x0028, 0x0103), Vr::US, vec![1, 0]),
        Element::new(Tag(0x0028, 0x0106), Vr::SS, vec![0xFE, 0xFF]),
        Element::new(Tag(0x0028, 0x3006), Vr::US, vec![1, 0, 2, 0]),
        Element::new(Tag(0x5400, 0x0110), Vr::OB, vec![1, 2, 3]),
        Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![1, 0, 2, 0, 3, 0, 4, 0]),
    ])
}

#[test]
fn the_vector() {
    let data_set = set([
        text((0x0008, 0x0018), Vr::UI, "2.25.1"),
        Element::new(Tag(0x0028, 0x0010), Vr::US, vec![2, 0]),
    ]);
    let expected = "a3767503c54b72e8c8c47f34543dc888b20e4b05db81bae2e25d1dd65bd16b2c";
    for form in FORMS {
        assert_eq!(digests(form, write(&data_set, form)).attributes.n1.to_string(), expected);
    }
}

#[test]
fn the_same_in_every_form() {
    for form in FORMS {
        assert_eq!(digests(form, write(&rich(), form)), of(&rich()), "{form:?}");
    }
}

/// Changes that no reader can see.
fn harmless() -> Vec<(&'static str, DataSet)> {
    let with = |name: &'static str, change: &dyn Fn(&mut DataSet)| {
        let mut data_set = rich();
        change(&mut data_set);
        (name, data_set)
    };
    let put = |name: &'static str, element: Element| {
        with(name, &move |data_set: &mut DataSet| data_set.put(element.clone()))
    };
    vec![
        with("Latin-1 to UTF-8", &|data_set| {
            data_set.put(text((0x0008, 0x0005), Vr::CS, "ISO_IR 192"));
            data_set.put(text((0x0010, 0x0010), Vr::PN, "M\u{fc}ller^J\u{f6}rg^^"));
        }),
        put(
            "a person name without empty components",
            Element::new(Tag(0x0010, 0x0010), Vr::PN, &b"M\xfcller^J\xf6rg"[..]),
        ),
        put("a decimal string in another form", text((0x0018, 0x0050), Vr::DS, "+1.5E0")),
        put("an integer string in another form", text((0x0020, 0x0013), Vr::IS, "7")),
        put("padding before and behind", text((0x0010, 0x0020), Vr::LO, " 4711  ")),
        put("an empty element", text((0x0008, 0x0090), Vr::PN, "")),
        put("an empty sequence", Element::sequence(Tag(0x0008, 0x1140), vec![])),
        put("a group length", Element::new(Tag(0x0008, 0), Vr::UL, vec![1, 1, 0, 0])),
        put("trailing padding", Element::new(Tag(0xFFFC, 0xFFFC), Vr::OB, vec![0; 8])),
        put("where it lies", text((0x0008, 0x0054), Vr::AE, "ELSEWHERE")),
        put("a private text as UN", text((0x0009, 0x1001), Vr::UN, "private text")),
        put("a private number as UN", Element::new(Tag(0x0009, 0x1003), Vr::UN, vec![7, 1])),
        put("a public text as UN", text((0x0008, 0x0070), Vr::UN, "ACME")),
        put("a padded OB", Element::new(Tag(0x5400, 0x0110), Vr::OB, vec![1, 2, 3, 0])),
        put("LUT data as OW", Element::new(Tag(0x0028, 0x3006), Vr::OW, vec![1, 0, 2, 0])),
        put("a creator without elements", text((0x0011, 0x0010), Vr::LO, "NOBODY")),
        put("compression that never was", text((0x0028, 0x2110), Vr::CS, "00")),
        with("an element twice", &|data_set| {
            let twice = data_set.elements[4].clone();
            data_set.elements.insert(4, twice);
        }),
        with("a private sequence as UN", &|data_set| {
            let item = data_set.items(Tag(0x0009, 0x1002))[0].clone();
            let wrapped = set([Element::sequence(Tag(0x0009, 0x1002), vec![item])]);
            let bytes = write(&wrapped, Form::ImplicitLittle);
            data_set.put(Element::new(Tag(0x0009, 0x1002), Vr::UN, bytes[8..].to_vec()));
        }),
        with("a private block moved", &|data_set| {
            for element in &mut data_set.elements {
                if element.tag.0 == 0x0009 {
                    let moved = if element.tag.1 == 0x0010 { 0x0011 } else { element.tag.1 + 0x0100 };
                    element.tag = Tag(0x0009, moved);
                }
            }
        }),
    ]
}

#[test]
fn what_no_reader_can_see_changes_nothing() {
    let expected = of(&rich());
    for (name, data_set) in harmless() {
        for form in FORMS {
            let found = digests(form, write(&data_set, form));
            assert_eq!(found.attributes.n1, expected.attributes.n1, "{name}, {form:?}");
            assert_eq!(found.attributes.technical, expected.attributes.technical, "{name}, {form:?}");
            assert_eq!(found.attributes.private, expected.attributes.private, "{name}, {form:?}");
            assert_eq!(found.pixel, expected.pixel, "{name}, {form:?}");
        }
    }
}

#[test]
fn undefined_lengths_change_nothing() {
    let code = b"\x08\0\0\x01SH\x08\0T-D1100 \x19\0\x10\0LO\x06\0ACME 1\x19\0\x01\x10LO\x0e\0nested private";
    let sequence = [
        &b"\x08\0\x18\x22SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"[..],
        code,
        ITEM_END,
        SEQUENCE_END,
    ]
    .concat();
    let (before, behind): (Vec<Element>, Vec<Element>) = rich()
        .elements
        .into_iter()
        .filter(|element| element.tag != Tag(0x0008, 0x2218))
        .partition(|element| element.tag < Tag(0x0008, 0x2218));
    let part = |elements| write(&set(elements), Form::ExplicitLittle);
    let bytes = [part(before), sequence, part(behind)].concat();
    assert_eq!(digests(Form::ExplicitLittle, bytes), of(&rich()));
}

#[test]
fn any_element_altered_removed_or_added_is_seen() {
    let whole = fingerprint(&rich());
    let volatile = [Tag(0x0008, 0x0005), Tag(0x0009, 0x0010)];
    for (place, element) in rich().elements.iter().enumerate() {
        if volatile.contains(&element.tag) {
            continue;
        }
        let mut altered = rich();
        altered.elements[place] = match &element.value {
            Value::Bytes(bytes) => {
                let mut bytes = bytes.to_vec();
                bytes[0] ^= 1;
                Element::new(element.tag, element.vr, bytes)
            }
            _ => Element::sequence(element.tag, vec![set([text((0x0008, 0x0104), Vr::LO, "other")])]),
        };
        let mut removed = rich();
        removed.elements.remove(place);
        for data_set in [altered, removed] {
            let verdict = compare(&whole, &fingerprint(&data_set));
            assert!(!verdict.is_in_step(), "{} {verdict:?}", element.tag);
        }
    }
    let mut added = rich();
    added.put(text((0x0018, 0x1030), Vr::LO, "new"));
    assert_eq!(compare(&whole, &fingerprint(&added)), Verdict::Content);
}

#[test]
fn verdicts() {
    let check = |expected: Verdict, change: &dyn Fn(&mut DataSet)| {
        let mut data_set = rich();
        change(&mut data_set);
        assert_eq!(compare(&fingerprint(&rich()), &fingerprint(&data_set)), expected);
        assert_eq!(compare(&fingerprint(&data_set), &fingerprint(&rich())), expected);
    };
    check(Verdict::Identical, &|_| {});
    check(Verdict::ReEncoded, &|data_set| data_set.put(text((0x0020, 0x0013), Vr::IS, "7")));
    // What an encoder says of how it wrote the same pixels; without pixels, or with others, it is content.
    let derived = || text((0x0008, 0x2111), Vr::ST, "Lossless JPEG compression, selection value 1");
    check(Verdict::ReEncoded, &|data_set| data_set.put(derived()));
    check(Verdict::Content, &|data_set| {
        data_set.put(derived());
        data_set.put(Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![1, 0, 2, 0, 3, 0, 5, 0]));
    });
    let mut without = rich();
    without.remove(Tag(0x7FE0, 0x0010));
    let mut said = without.clone();
    said.put(derived());
    assert_eq!(compare(&fingerprint(&without), &fingerprint(&said)), Verdict::Content);
    check(Verdict::Demographic, &|data_set| data_set.put(text((0x0010, 0x0020), Vr::LO, "4712")));
    check(Verdict::Demographic, &|data_set| data_set.put(text((0x0040, 0x0244), Vr::DA, "20261124")));
    check(Verdict::PrivateLoss, &|data_set| data_set.remove(Tag(0x0009, 0x1004)));
    check(Verdict::PrivateLoss, &|data_set| data_set.elements.retain(|element| element.tag.0 % 2 == 0));
    check(Verdict::PrivateLoss, &|data_set| {
        let code = set([text((0x0008, 0x0100), Vr::SH, "T-D1100")]);
        data_set.put(Element::sequence(Tag(0x0008, 0x2218), vec![code]));
    });
    check(Verdict::DemographicAndPrivateLoss, &|data_set| {
        data_set.remove(Tag(0x0009, 0x1004));
        data_set.remove(Tag(0x0010, 0x0020));
    });
    check(Verdict::Content, &|data_set| data_set.put(text((0x0010, 0x1030), Vr::DS, "80")));
    check(Verdict::Content, &|data_set| data_set.remove(Tag(0x7FE0, 0x0010)));
    check(Verdict::Content, &|data_set| {
        data_set.put(Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![1, 0, 2, 0, 3, 0, 5, 0]));
    });
    check(Verdict::Relocated, &|data_set| data_set.put(text((0x0020, 0x000D), Vr::UI, "2.25.7")));
    check(Verdict::OtherObject, &|data_set| data_set.put(text((0x0008, 0x0018), Vr::UI, "2.25.7")));
}

fn outline(form: Form, bytes: &[u8], piece: usize) -> Outline {
    let mut outliner = Outliner::new(&syntax(form));
    for piece in bytes.chunks(piece) {
        outliner.push(piece);
    }
    outliner.finish()
}

#[test]
fn outlines_decide_without_decoding() {
    let bytes = |data_set: &DataSet, form| write(data_set, form);
    let explicit = bytes(&rich(), Form::ExplicitLittle);
    let original = outline(Form::ExplicitLittle, &explicit, usize::MAX);
    for piece in [1, 7, 100] {
        assert_eq!(outline(Form::ExplicitLittle, &explicit, piece), original, "by {piece}");
    }
    let implicit = outline(Form::ImplicitLittle, &bytes(&rich(), Form::ImplicitLittle), 9);
    assert_eq!(compare_outlines(&original, &implicit), Some(Verdict::ReEncoded));
    let big = outline(Form::ExplicitBig, &bytes(&rich(), Form::ExplicitBig), 9);
    assert_eq!(compare_outlines(&original, &big), None);
    let changed = |element: Element| {
        let mut data_set = rich();
        data_set.put(element);
        compare_outlines(
            &original,
            &outline(Form::ImplicitLittle, &bytes(&data_set, Form::ImplicitLittle), 9),
        )
    };
    assert_eq!(changed(text((0x0010, 0x0020), Vr::LO, "4712")), Some(Verdict::Demographic));
    assert_eq!(changed(text((0x0018, 0x0050), Vr::DS, "2")), Some(Verdict::Content));
    assert_eq!(changed(Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![9; 8])), None);
    assert_eq!(changed(Element::new(Tag(0x0028, 0x0102), Vr::US, vec![10, 0])), None);
}

#[test]
fn outlines_of_deflated_and_damaged_objects() {
    use std::io::Write as _;
    let plain = write(&rich(), Form::ExplicitLittle);
    let original = outline(Form::ExplicitLittle, &plain, usize::MAX);
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&plain).unwrap();
    let packed = encoder.finish().unwrap();
    let deflated = |bytes: &[u8]| {
        let mut outliner = Outliner::new(&TransferSyntaxUid::known("1.2.840.10008.1.2.1.99"));
        outliner.push(bytes);
        outliner.finish()
    };
    assert_eq!(compare_outlines(&original, &deflated(&packed)), Some(Verdict::ReEncoded));
    assert_eq!(compare_outlines(&original, &deflated(&packed[..packed.len() / 2])), None);
    assert_eq!(compare_outlines(&original, &outline(Form::ExplicitLittle, &plain[..200], 9)), None);
    assert_eq!(
        compare_outlines(&original, &outline(Form::ExplicitLittle, &plain[..plain.len() - 1], 9)),
        None
    );
}

#[test]
fn what_cannot_be_read_is_the_same_only_by_its_bytes() {
    let of =
        |bytes: &'static [u8]| Fingerprint::of(&TransferSyntaxUid::known("1.2.3"), Bytes::from_static(bytes));
    assert_eq!(compare(&of(b"abc"), &of(b"abc")), Verdict::Identical);
    assert_eq!(compare(&of(b"abc"), &of(b"abd")), Verdict::NotComparable);
}

/// Bytes inside bytes inside bytes must not be followed for ever.
#[test]
fn private_bytes_are_followed_to_a_limit() {
    let mut bytes = b"bottom".to_vec();
    for _ in 0..2_000 {
        let item = write(&set([Element::new(Tag(0x0009, 0x1001), Vr::UN, bytes)]), Form::ImplicitLittle);
        let length = u32::try_from(item.len()).unwrap().to_le_bytes();
        bytes = [&b"\xfe\xff\0\xe0"[..], &length, &item].concat();
    }
    let data_set = |bytes: Vec<u8>| set([Element::new(Tag(0x0009, 0x1001), Vr::UN, bytes)]);
    let whole = of(&data_set(bytes.clone()));
    bytes.last_mut().map(|byte| *byte ^= 1).unwrap();
    assert_ne!(of(&data_set(bytes)).attributes.n1, whole.attributes.n1);
}
