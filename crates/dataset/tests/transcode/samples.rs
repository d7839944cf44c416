//! Objects of real devices and test suites, in every way their pixels allow.

use std::collections::HashMap;

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Value};
use outrigger_dataset::form::Form;
use outrigger_dataset::pixel::{self, PixelError};
use outrigger_dataset::transcode::{TranscodeError, targets, transcode};
use outrigger_dataset::write::write;
use outrigger_dataset::{codestream, read};
use outrigger_model::{Sha256Digest, Tag, TransferSyntaxUid};

use super::files::{Object, samples};
use super::images::PIXEL_DATA;

/// What transcoding may change beside the pixel data: Photometric Interpretation, Planar Configuration, offset tables.
const ABOUT_PIXELS: [Tag; 5] =
    [Tag(0x0028, 0x0004), Tag(0x0028, 0x0006), Tag(0x7FE0, 0x0001), Tag(0x7FE0, 0x0002), PIXEL_DATA];

/// The pixels and streams of an object, and all its other elements in one form.
#[derive(PartialEq)]
struct Seen {
    pixels: Result<Option<Sha256Digest>, PixelError>,
    stream: Option<Sha256Digest>,
    others: Vec<u8>,
}

fn seen(transfer_syntax: &TransferSyntaxUid, tree: &DataSet) -> Seen {
    let mut others = tree.clone();
    others
        .elements
        .retain(|element| !ABOUT_PIXELS.contains(&element.tag) && element.tag != Tag(0x0008, 0x0001));
    drop_group_lengths(&mut others);
    Seen {
        pixels: pixel::digest(transfer_syntax, tree),
        stream: codestream::digest(transfer_syntax, tree),
        others: write(&others, Form::ImplicitLittle),
    }
}

fn drop_group_lengths(data_set: &mut DataSet) {
    data_set.elements.retain(|element| element.tag.1 != 0);
    for element in &mut data_set.elements {
        if let Value::Sequence(items) = &mut element.value {
            items.iter_mut().for_each(drop_group_lengths);
        }
    }
}

/// Whether the pixels are the same: where they may be lossy, by their streams.
fn same_pixels(before: &Seen, after: &Seen) -> bool {
    match (&before.pixels, &after.pixels) {
        (Ok(Some(before)), Ok(Some(after))) => before == after,
        _ => before.stream == after.stream,
    }
}

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
fn samples_stay_the_same_in_every_way_their_pixels_allow() {
    let mut turned = 0;
    for (object, tree) in readable() {
        let before = seen(&object.transfer_syntax, &tree);
        assert!(
            before.pixels.is_ok() || object.name.contains("badVR"),
            "{}: {:?}",
            object.name,
            before.pixels
        );
        for to in targets(&object.transfer_syntax) {
            match transcode(object.bytes.clone(), &object.transfer_syntax, &to) {
                Err(error) => assert!(is_expected(&object.name, &error), "{} as {to}: {error}", object.name),
                Ok(bytes) => {
                    let tree = read::read(&to, Bytes::from(bytes)).unwrap();
                    let after = seen(&to, &tree);
                    assert!(same_pixels(&before, &after), "pixels of {} as {to}", object.name);
                    assert!(before.others == after.others, "elements of {} as {to}", object.name);
                    turned += 1;
                }
            }
        }
    }
    assert!(turned > 900, "only {turned} ways were tried");
}

#[test]
fn samples_with_one_changed_pixel_differ() {
    let mut changed = 0;
    for (object, mut tree) in readable() {
        let before = seen(&object.transfer_syntax, &tree);
        let Some(element) = tree.elements.iter_mut().find(|element| element.tag == PIXEL_DATA) else {
            continue;
        };
        match &mut element.value {
            Value::Bytes(bytes) => flip(bytes),
            Value::Fragments(fragments) => flip(&mut fragments.fragments[0]),
            Value::Sequence(_) => continue,
        }
        let after = seen(&object.transfer_syntax, &tree);
        assert!(before.pixels.is_err() || !same_pixels(&before, &after), "{}", object.name);
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
