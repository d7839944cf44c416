//! Objects made by real devices and by other test suites.

#![allow(clippy::disallowed_methods, reason = "a test reads its samples itself")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::normal::{Fingerprint, Outline, Outliner, compare, compare_outlines};
use outrigger_dataset::part10;
use outrigger_dataset::read::{read, read_form};
use outrigger_dataset::scan::{ScanError, Scanned, Scanner};
use outrigger_dataset::write::write;
use outrigger_model::transfer_syntax::{Pixels, traits};
use outrigger_model::{Status, Tag, TransferSyntaxUid};

use crate::build::{FORMS, syntax};

pub(crate) struct Sample {
    pub(crate) name: String,
    /// Media Storage SOP Instance UID, which another program wrote.
    instance: String,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) data_set: Bytes,
}

/// The samples that are files of PS3.10; those in `odd` are not meant to be stored.
fn samples(folder: &str) -> Vec<Sample> {
    let samples: Vec<Sample> = sample_paths(folder).iter().filter_map(|path| sample(path)).collect();
    assert!(samples.len() > 20, "{} samples", samples.len());
    samples
}

/// The files of the samples.
pub(crate) fn sample_paths(folder: &str) -> Vec<PathBuf> {
    let samples =
        std::env::var_os("OUTRIGGER_SAMPLES").expect("OUTRIGGER_SAMPLES names the folder of the samples");
    let files = fs::read_dir(Path::new(&samples).join(folder)).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// Reads a file of PS3.10; `None` if it is none.
pub(crate) fn sample(path: &Path) -> Option<Sample> {
    let file = Bytes::from(fs::read(path).unwrap());
    let parts = part10::parts(&file)?;
    let meta = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(parts.meta)).ok()?;
    let transfer_syntax = TransferSyntaxUid::new(meta.plain(Tag(0x0002, 0x0010))?).ok()?;
    let instance = meta.plain(Tag(0x0002, 0x0003)).unwrap_or_default().to_owned();
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(Sample { name, instance, transfer_syntax, data_set: file.slice_ref(parts.data_set) })
}

fn scan(sample: &Sample, piece: usize) -> Result<Scanned, ScanError> {
    let mut scanner = Scanner::new(&sample.transfer_syntax);
    for piece in sample.data_set.chunks(piece) {
        scanner.push(piece);
    }
    scanner.finish()
}

/// What cannot be taken, by a part of its name.
fn expected_refusal(name: &str) -> Option<Status> {
    let cut_or_unidentified = [
        ("truncated", Status::CANNOT_UNDERSTAND),
        ("JPEGLSNearLossless", Status::DATA_SET_MISMATCH),
        ("jls_lossy", Status::DATA_SET_MISMATCH),
    ];
    cut_or_unidentified.into_iter().find(|(part, _)| name.contains(part)).map(|(_, status)| status)
}

#[test]
fn samples_are_told_by_the_scan() {
    let mut same_instance = 0;
    let samples = samples("");
    for sample in &samples {
        let scanned = scan(sample, 16 * 1024);
        let refusal = scanned.as_ref().err().map(ScanError::refusal);
        assert_eq!(refusal, expected_refusal(&sample.name), "{}: {scanned:?}", sample.name);
        let header = scanned.map(|scanned| scanned.header);
        same_instance +=
            usize::from(header.is_ok_and(|header| header.sop_instance.as_str() == sample.instance));
    }
    assert!(
        same_instance * 10 > samples.len() * 9,
        "{same_instance} of {} as in the file meta",
        samples.len()
    );
}

#[test]
fn samples_scan_the_same_in_any_pieces() {
    for sample in samples("").into_iter().chain(samples("odd")) {
        let whole = format!("{:?}", scan(&sample, usize::MAX));
        for piece in [1, 7, 4096] {
            if sample.data_set.len() / piece < 1 << 20 {
                assert_eq!(format!("{:?}", scan(&sample, piece)), whole, "{} by {piece}", sample.name);
            }
        }
    }
}

/// Cut anywhere, a sample is refused, or the cut fell between elements and the identity is the same.
#[test]
fn samples_cut_anywhere() {
    for mut sample in samples("") {
        let Ok(whole) = scan(&sample, usize::MAX) else { continue };
        let data_set = sample.data_set.clone();
        let step = data_set.len() / 500 + 1;
        for end in (0..data_set.len()).step_by(step) {
            sample.data_set = data_set.slice(..end);
            if let Ok(part) = scan(&sample, usize::MAX) {
                assert_eq!(part.header.series, whole.header.series, "{} cut at {end}", sample.name);
                assert!(whole.header.attributes.starts_with(&part.header.attributes), "{}", sample.name);
            }
        }
    }
}

fn outline(transfer_syntax: &TransferSyntaxUid, bytes: &[u8]) -> Outline {
    let mut outliner = Outliner::new(transfer_syntax);
    for piece in bytes.chunks(16 * 1024) {
        outliner.push(piece);
    }
    outliner.finish()
}

/// Every encoding the pixels allow without a codec.
fn encodings(sample: &Sample, data_set: &DataSet) -> Vec<(TransferSyntaxUid, Bytes)> {
    let forms: &[Form] = match traits(&sample.transfer_syntax).pixels {
        Pixels::Native => &FORMS,
        _ => &[Form::ExplicitLittle],
    };
    let same = |form| if forms.len() == 1 { sample.transfer_syntax.clone() } else { syntax(form) };
    forms.iter().map(|form| (same(*form), write(data_set, *form).into())).collect()
}

#[test]
fn samples_re_encoded_are_in_step() {
    let (mut compared, mut undecided) = (0, 0);
    for sample in samples("").into_iter().chain(samples("odd")) {
        let Ok(data_set) = read(&sample.transfer_syntax, sample.data_set.clone()) else { continue };
        let original = Fingerprint::of(&sample.transfer_syntax, sample.data_set.clone());
        let outlined = outline(&sample.transfer_syntax, &sample.data_set);
        for (syntax, bytes) in encodings(&sample, &data_set) {
            let early = compare_outlines(&outlined, &outline(&syntax, &bytes));
            let verdict = compare(&original, &Fingerprint::of(&syntax, bytes));
            assert!(verdict.is_in_step(), "{} as {syntax}: {verdict:?}", sample.name);
            assert!(early.is_none_or(|early| early == verdict), "{} as {syntax}: {early:?}", sample.name);
            compared += 1;
            undecided += usize::from(early.is_none());
        }
    }
    assert!(compared > 400, "{compared} compared");
    assert!(undecided < compared / 4, "{undecided} of {compared} undecided by their outlines");
}

/// Each element of a sample altered in turn; the volatile ones may be.
#[test]
fn samples_altered_are_not_in_step() {
    for sample in samples("") {
        let Ok(data_set) = read(&sample.transfer_syntax, sample.data_set.clone()) else { continue };
        if sample.data_set.len() > 50_000 {
            continue;
        }
        let original = Fingerprint::of(&sample.transfer_syntax, sample.data_set.clone());
        let outlined = outline(&sample.transfer_syntax, &sample.data_set);
        for (place, element) in data_set.elements.iter().enumerate() {
            let Some(altered) = altered(element) else { continue };
            let mut changed = data_set.clone();
            changed.elements[place] = altered;
            for (syntax, bytes) in encodings(&sample, &changed) {
                let early = compare_outlines(&outlined, &outline(&syntax, &bytes));
                let verdict = compare(&original, &Fingerprint::of(&syntax, bytes));
                assert!(!verdict.is_in_step(), "{}: {} {verdict:?}", sample.name, element.tag);
                assert!(
                    early.is_none_or(|early| early == verdict),
                    "{}: {} {early:?}",
                    sample.name,
                    element.tag
                );
            }
        }
    }
}

/// Whether an attribute counts nowhere: group lengths, private creators, Length to End, character set, availability,
/// time zone, contributing equipment, storage media, original attributes, padding, claims about compression, and what an encoder says
/// of how it wrote the pixels.
fn says_nothing(tag: Tag) -> bool {
    let is_creator = tag.0 % 2 == 1 && (0x0010..=0x00FF).contains(&tag.1);
    match tag.0 {
        _ if is_creator || tag.1 == 0 => true,
        0x0008 => matches!(tag.1, 0x0001 | 0x0005 | 0x0056 | 0x0201 | 0x2111),
        0x0018 => tag.1 == 0xA001,
        0x0028 => matches!(tag.1, 0x2110 | 0x2112 | 0x2114),
        0x0088 => matches!(tag.1, 0x0130 | 0x0140),
        0x0400 => tag.1 == 0x0561,
        group => group == 0xFFFC,
    }
}

/// The element with another content; `None` if its content says nothing about the object.
fn altered(element: &Element) -> Option<Element> {
    if says_nothing(element.tag) {
        return None;
    }
    let mut altered = element.clone();
    match &mut altered.value {
        Value::Bytes(bytes) if element.tag == Tag(0x0028, 0x0103) => {
            *bytes = vec![bytes.first()? ^ 1, 0].into();
        }
        Value::Bytes(bytes) if bytes.iter().all(|byte| matches!(byte, 0 | b' ')) => return None,
        Value::Bytes(bytes) => {
            let mut changed = bytes.to_vec();
            let first = changed.iter_mut().find(|byte| !matches!(byte, 0 | b' '))?;
            *first = if *first == b'7' { b'8' } else { b'7' };
            *bytes = changed.into();
        }
        Value::Sequence(items) => {
            items.push(DataSet::from_iter([Element::text(Tag::MODALITY, Vr::CS, "XX")]));
        }
        Value::Fragments(fragments) => {
            let last = fragments.fragments.last_mut()?;
            let mut changed = last.to_vec();
            let middle = changed.len() / 2;
            *changed.get_mut(middle)? ^= 0xFF;
            *last = changed.into();
        }
    }
    Some(altered)
}
