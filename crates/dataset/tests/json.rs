//! Metadata in DICOM JSON by the rules of PS3.18 Annex F, and as other toolkits write it.

#![allow(clippy::disallowed_methods, reason = "a test reads what tools wrote")]

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Fragments, Value as Held, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::json::metadata;
use outrigger_dataset::write::write;
use outrigger_model::Tag;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::build::ct;
use crate::samples::{Sample, sample, sample_paths};
use crate::survey::look;

const BULK: &str = "https://h/bulkdata";

fn written(data_set: &DataSet) -> Vec<u8> {
    let bytes = Bytes::from(write(data_set, Form::ExplicitLittle));
    metadata(&look(Form::ExplicitLittle, &bytes, 4096).unwrap(), BULK)
}

fn check(elements: Vec<Element>, expected: &Value) {
    let text = written(&elements.into_iter().collect());
    let found: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(&found, expected);
}

/// PS3.18 table F.2.3-1, for values as they are stored.
#[test]
fn binary_values_by_representation() {
    let le16 = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    for (vr, bytes, expected) in [
        (Vr::AT, vec![0x20, 0, 0x0D, 0], json!({"vr": "AT", "Value": ["0020000D"]})),
        (Vr::FD, 0.1_f64.to_le_bytes().to_vec(), json!({"vr": "FD", "Value": [0.1]})),
        (Vr::FD, f64::NEG_INFINITY.to_le_bytes().to_vec(), json!({"vr": "FD", "Value": ["-inf"]})),
        (Vr::FL, 0.1_f32.to_le_bytes().to_vec(), json!({"vr": "FL", "Value": [0.1]})),
        (Vr::FL, 1e-40_f32.to_le_bytes().to_vec(), json!({"vr": "FL", "Value": [1e-40]})),
        (Vr::FL, f32::NAN.to_le_bytes().to_vec(), json!({"vr": "FL", "Value": ["NaN"]})),
        (Vr::OB, vec![1, 2], json!({"vr": "OB", "InlineBinary": "AQI="})),
        (Vr::OW, vec![1, 2], json!({"vr": "OW", "InlineBinary": "AQI="})),
        (Vr::SL, (-5_i32).to_le_bytes().to_vec(), json!({"vr": "SL", "Value": [-5]})),
        (Vr::SV, i64::MIN.to_le_bytes().to_vec(), json!({"vr": "SV", "Value": ["-9223372036854775808"]})),
        (Vr::UL, vec![0xFF; 4], json!({"vr": "UL", "Value": [4_294_967_295_u32]})),
        (Vr::US, le16(&[1, 512]), json!({"vr": "US", "Value": [1, 512]})),
        (Vr::UV, 7_u64.to_le_bytes().to_vec(), json!({"vr": "UV", "Value": [7]})),
        (Vr::US, Vec::new(), json!({"vr": "US"})),
        (Vr::OB, Vec::new(), json!({"vr": "OB"})),
    ] {
        check(vec![Element::new(Tag(0x0011, 0x1001), vr, bytes)], &json!({"00111001": expected}));
    }
}

#[test]
fn keys_ascend_and_group_lengths_and_file_meta_stay_out() {
    let text = written(
        &[
            Element::new(Tag(0x0008, 0x0000), Vr::UL, vec![0; 4]),
            Element::text(Tag::MODALITY, Vr::CS, "CT"),
            Element::text(Tag::STUDY_DATE, Vr::DA, "20261128"),
            Element::text(Tag::MODALITY, Vr::CS, "MR"),
            Element::text(Tag(0x0002, 0x0010), Vr::UI, "1.2"),
        ]
        .into_iter()
        .collect(),
    );
    let expected = r#"{"00080020":{"vr":"DA","Value":["20261128"]},"00080060":{"vr":"CS","Value":["CT"]}}"#;
    assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
}

#[test]
fn text_is_utf_8_whatever_it_was_and_items_may_differ() {
    let item: DataSet = [
        Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 144"),
        Element::new(Tag(0x0008, 0x0104), Vr::LO, &b"\xbb\xde"[..]),
    ]
    .into_iter()
    .collect();
    let inherits: DataSet = [Element::new(Tag(0x0008, 0x0104), Vr::LO, &b"\xe9 "[..])].into_iter().collect();
    check(
        vec![
            Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 100"),
            Element::sequence(Tag(0x0008, 0x1032), vec![item, DataSet::default(), inherits]),
            Element::new(Tag::PATIENT_NAME, Vr::PN, &b"M\xfcller^J\xf6rg"[..]),
        ],
        &json!({
            "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
            "00081032": {"vr": "SQ", "Value": [
                {
                    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
                    "00080104": {"vr": "LO", "Value": ["\u{41b}\u{43e}"]},
                },
                {},
                {"00080104": {"vr": "LO", "Value": ["\u{e9}"]}},
            ]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "M\u{fc}ller^J\u{f6}rg"}]},
        }),
    );
}

#[test]
fn large_values_and_pixel_data_are_named_by_uri() {
    let fragments = Fragments { offset_table: Bytes::new(), fragments: vec![Bytes::from_static(b"ab")] };
    let icon: DataSet = [Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![1, 2])].into_iter().collect();
    check(
        vec![
            Element::sequence(Tag(0x0088, 0x0200), vec![icon]),
            Element::new(Tag(0x0042, 0x0011), Vr::OB, vec![1; 4098]),
            Element::new(Tag(0x0011, 0x1001), Vr::OB, vec![0; 4095]),
            Element { tag: Tag(0x7FE0, 0x0010), vr: Vr::OB, value: Held::Fragments(fragments) },
        ],
        &json!({
            "00880200": {"vr": "SQ", "Value": [
                {"7FE00010": {"vr": "OW", "BulkDataURI": "https://h/bulkdata/00880200/1/7FE00010"}},
            ]},
            "00420011": {"vr": "OB", "BulkDataURI": "https://h/bulkdata/00420011"},
            "00111001": {"vr": "OB", "InlineBinary": format!("{}A==", "A".repeat(5461))
                .get(..5464).map(str::to_owned)},
            "7FE00010": {"vr": "OB", "BulkDataURI": "https://h/bulkdata/7FE00010"},
        }),
    );
}

/// UN of an attribute that the dictionary knows is read as what it is (PS3.5 section 6.2.2 note 5).
#[test]
fn unknown_representations_are_looked_up() {
    check(
        vec![
            Element::text(Tag::PATIENT_ID, Vr::UN, "4711"),
            Element::new(Tag(0x0011, 0x1001), Vr::UN, vec![1, 2]),
        ],
        &json!({
            "00100020": {"vr": "LO", "Value": ["4711"]},
            "00111001": {"vr": "UN", "InlineBinary": "AQI="},
        }),
    );
}

proptest! {
    /// Goal: whatever can be read is written as JSON that can be read, its keys in ascending order.
    #[test]
    fn whatever_is_read_is_written_as_sound_json(
        changes in proptest::collection::vec((0_usize..600, any::<u8>()), 1..8),
    ) {
        for form in [Form::ImplicitLittle, Form::ExplicitLittle] {
            let mut bytes = write(&ct(), form);
            for (place, byte) in &changes {
                if let Some(found) = bytes.get_mut(*place) {
                    *found = *byte;
                }
            }
            let Ok(survey) = look(form, &bytes.into(), 4096) else { continue };
            let text = metadata(&survey, BULK);
            prop_assert!(serde_json::from_slice::<Value>(&text).is_ok());
            let keys = keys(std::str::from_utf8(&text).unwrap());
            prop_assert!(keys.is_sorted_by(|left, right| left < right), "{:?}", keys);
        }
    }
}

/// The keys of a JSON object of attributes, in the order they stand in.
fn keys(text: &str) -> Vec<&str> {
    let (mut depth, mut is_string, mut is_escaped) = (0, false, false);
    let mut keys = Vec::new();
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_string = !is_string,
            b':' if !is_string && depth == 1 => keys.extend(text.get(place - 9..place - 1)),
            b'{' | b'[' if !is_string => depth += 1,
            b'}' | b']' if !is_string => depth -= 1,
            _ => {}
        }
    }
    keys
}

/// The samples in JSON beside those that `tool` makes of them; how many were compared.
fn compare(theirs: impl Fn(&Path) -> Option<Value>) -> usize {
    let mut compared = 0;
    for path in sample_paths("") {
        let Some(Sample { name, transfer_syntax, data_set, .. }) = sample(&path) else { continue };
        let Some(form) = Form::of(&transfer_syntax).filter(|form| *form != Form::ExplicitBig) else {
            continue;
        };
        let Ok(survey) = look(form, &data_set, 1 << 20) else { continue };
        let Some(theirs) = theirs(&path) else { continue };
        let ours: Value = serde_json::from_slice(&metadata(&survey, BULK)).unwrap();
        same_object(&name, &ours, &theirs);
        compared += 1;
    }
    compared
}

/// Holds two objects against each other: the same attributes (pydicom leaves group lengths in), and the same values in those that both write out.
fn same_object(what: &str, ours: &Value, theirs: &Value) {
    let keys = |value: &Value| {
        let keys = value.as_object().unwrap().keys();
        keys.filter(|key| !key.starts_with("0002") && !key.ends_with("0000")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(ours), keys(theirs), "{what}");
    for key in keys(ours) {
        same_attribute(&format!("{what} {key}"), &ours[&key], &theirs[&key]);
    }
}

fn same_attribute(what: &str, ours: &Value, theirs: &Value) {
    let written_out = |attribute: &Value| attribute.get("Value").and_then(Value::as_array).cloned();
    if what.ends_with("00080005") || ours["vr"] != theirs["vr"] {
        // The character set is ours to name, and attributes written as UN are ours to look up.
        return;
    }
    let (Some(ours), Some(theirs)) = (written_out(ours), written_out(theirs)) else { return };
    assert_eq!(ours.len(), theirs.len(), "{what}: {ours:?} {theirs:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        match (number(ours), number(theirs)) {
            _ if ours.is_object() && !is_name(ours) => same_object(what, ours, theirs),
            (Some(ours), Some(theirs)) => {
                // Floats of four bytes are written with the digits that tell them apart, not with all they have.
                let close = (ours - theirs).abs() <= 1e-6 * ours.abs().max(theirs.abs()) + 1e-40;
                assert!(close, "{what}: {ours} {theirs}");
            }
            _ => assert_eq!(bare(ours), bare(theirs), "{what}"),
        }
    }
}

fn is_name(value: &Value) -> bool {
    ["Alphabetic", "Ideographic", "Phonetic"].iter().any(|group| value.get(group).is_some())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A value without what pads it or says nothing: pydicom leaves empty values as empty strings where PS3.18 section
/// F.2.5 asks for null, and DCMTK cuts the empty components of names.
fn bare(value: &Value) -> Value {
    match value {
        Value::Null => Value::String(String::new()),
        Value::String(text) => Value::String(text.trim_matches([' ', '\0', '^']).to_owned()),
        Value::Object(groups) => {
            let groups = groups.iter().filter(|(_, text)| text.as_str() != Some(""));
            groups.map(|(group, text)| (group.clone(), bare(text))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn peer_dcmtk_writes_the_same_json() {
    let compared = compare(|path| {
        let done = Command::new("dcm2json").arg("-fc").arg(path).output().unwrap();
        done.status.success().then(|| serde_json::from_slice(&done.stdout).unwrap())
    });
    assert!(compared > 50, "{compared} compared");
}

#[test]
fn peer_pynetdicom_and_pydicom_write_the_same_json() {
    let venv = std::env::var_os("OUTRIGGER_VENV").expect("OUTRIGGER_VENV names the Python environment");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json/metadata.py");
    let done = Command::new(Path::new(&venv).join("bin/python"))
        .arg(script)
        .args(sample_paths(""))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let theirs: Value = serde_json::from_slice(&done.stdout).unwrap();
    let compared = compare(|path| theirs.get(path.to_str()?).filter(|value| value.is_object()).cloned());
    assert!(compared > 50, "{compared} compared");
}
