//! Objects of real devices and test suites, in every way their pixels allow.

use std::collections::HashMap;

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::normal::{Fingerprint, Verdict, compare};
use outrigger_dataset::pixel::{self, PixelError};
use outrigger_dataset::read;
use outrigger_dataset::transcode::{TranscodeError, targets, transcode};
use outrigger_dataset::write::write;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{Tag, TransferSyntaxUid};

use super::files::{Object, samples};
use super::images::PIXEL_DATA;

/// What some samples cannot become, and why not.
fn is_expected(name: &str, error: &TranscodeError) -> bool {
    match error {
        TranscodeError::NotForRle { bits_allocated: 1, .. } => name.contains("liver"),
        TranscodeError::Subsampled => name.contains("SC_ybr_full_422_uncompressed"),
        TranscodeError::Pixels(PixelError::Shape(_)) => name.contains("badVR"),
        _ => false,
    }
}

fn readable() -> Vec<(Object, DataSet)> {
    let objects: Vec<_> = samples();
    let count = objects.len();
    let trees: Vec<_> = objects
        .into_iter()
        .filter_map(|object| {
            let tree = read::read(&object.transfer_syntax, object.bytes.clone());
            assert!(tree.is_ok() || object.name.contains("truncated"), "{}", object.name);
            tree.ok().map(|tree| (object, tree))
        })
        .collect();
    assert!(count > 200 && count - trees.len() <= 2, "{count} samples, {} of them readable", trees.len());
    trees
}

#[test]
fn samples_stay_in_step_in_every_way_their_pixels_allow() {
    let mut turned = 0;
    for (object, _) in readable() {
        let original = Fingerprint::of(&object.transfer_syntax, object.bytes.clone());
        for to in targets(&object.transfer_syntax) {
            match transcode(object.bytes.clone(), &object.transfer_syntax, &to) {
                Err(error) => assert!(is_expected(&object.name, &error), "{} as {to}: {error}", object.name),
                Ok(bytes) => {
                    let verdict = compare(&original, &Fingerprint::of(&to, bytes.clone().into()));
                    assert!(verdict.is_in_step(), "{} as {to}: {verdict:?}", object.name);
                    let verdict = compare(&original, &altered(&to, bytes.into()));
                    assert!(!verdict.is_in_step(), "{} as {to}, altered: {verdict:?}", object.name);
                    turned += 1;
                }
            }
        }
    }
    assert!(turned > 900, "only {turned} ways were tried");
}

/// The copy with another Protocol Name.
fn altered(transfer_syntax: &TransferSyntaxUid, bytes: Bytes) -> Fingerprint {
    let mut tree = read::read(transfer_syntax, bytes).unwrap();
    tree.put(Element::text(Tag(0x0018, 0x1030), Vr::LO, "altered"));
    written(transfer_syntax, &tree)
}

/// The tree as it is written; deflated data sets are compared as what they inflate to.
fn written(transfer_syntax: &TransferSyntaxUid, tree: &DataSet) -> Fingerprint {
    let explicit = TransferSyntaxUid::known(EXPLICIT_VR_LE);
    match Form::of(transfer_syntax) {
        Some(form) => Fingerprint::of(transfer_syntax, write(tree, form).into()),
        None => Fingerprint::of(&explicit, write(tree, Form::ExplicitLittle).into()),
    }
}

#[test]
fn samples_with_one_changed_pixel_are_not_in_step() {
    let mut changed = 0;
    for (object, mut tree) in readable() {
        let original = Fingerprint::of(&object.transfer_syntax, object.bytes.clone());
        let Some(element) = tree.elements.iter_mut().find(|element| element.tag == PIXEL_DATA) else {
            continue;
        };
        match &mut element.value {
            Value::Bytes(bytes) => flip(bytes),
            Value::Fragments(fragments) => flip(&mut fragments.fragments[0]),
            Value::Sequence(_) => continue,
        }
        let verdict = compare(&original, &written(&object.transfer_syntax, &tree));
        assert_eq!(verdict, Verdict::Content, "{}", object.name);
        changed += 1;
    }
    assert!(changed > 120, "only {changed} samples have pixels");
}

/// Changes a bit in the middle, one that is stored in every sample.
fn flip(bytes: &mut Bytes) {
    let mut changed = bytes.to_vec();
    let middle = changed.len() / 4 * 2;
    changed[middle] ^= 1;
    *bytes = changed.into();
}

/// Samples that are the same image in several transfer syntaxes, by the end of their names.
const SAME: [&[&str]; 8] = [
    &["MR2_J2KR.dcm", "MR2_UNCR.dcm"],
    &["RG1_J2KR.dcm", "RG1_UNCR.dcm"],
    &["RG3_J2KR.dcm", "RG3_UNCR.dcm"],
    &["US1_J2KR.dcm", "US1_UNCR.dcm"],
    &[
        "emri_small.dcm",
        "emri_small_RLE.dcm",
        "emri_small_big_endian.dcm",
        "emri_small_jpeg_2k_lossless.dcm",
        "emri_small_jpeg_ls_lossless.dcm",
    ],
    &[
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
    &["SC_rgb_16bit_2frame.dcm", "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_expb_16bit_2frame.dcm"],
    &["OBXXXX1A_2frame.dcm", "OBXXXX1A_rle_2frame.dcm", "OBXXXX1A_expb_2frame.dcm"],
];

#[test]
fn samples_of_one_image_have_one_digest() {
    let digests: HashMap<String, _> = readable()
        .into_iter()
        .filter_map(|(object, tree)| {
            let (_, name) = object.name.split_once('-')?;
            Some((name.to_owned(), pixel::digest(&object.transfer_syntax, &tree)))
        })
        .collect();
    for names in SAME {
        let found: Vec<_> = names.iter().map(|name| digests.get(*name)).collect();
        assert!(matches!(found[0], Some(Ok(Some(_)))), "{}", names[0]);
        for (digest, name) in found.iter().zip(names) {
            assert_eq!(*digest, found[0], "{name}");
        }
    }
}
