//! Pictures are those that DCMTK makes of the same images.

#![allow(clippy::disallowed_methods, reason = "a test hands files to another program")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use image::{DynamicImage, GenericImageView};
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::part10;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_model::{SopClassUid, SopInstanceUid, Tag, TransferSyntaxUid};

use crate::rendering::{EXPLICIT, PIXEL_DATA, image, rendered, with, words};

/// Rows and columns of the images made here.
const SIDE: u16 = 64;
/// Most that a level may differ by: DCMTK cuts off where we round.
const DIFFERENCE_MAX: u8 = 1;

/// What DCMTK makes of a file: columns, rows and the levels of all samples; `None` where it gives up.
fn shown_by_dcmtk(file: &Path, options: &[impl AsRef<std::ffi::OsStr>]) -> Option<(u32, u32, Vec<u8>)> {
    let out = file.with_extension("pnm");
    let run = Command::new("dcmj2pnm").args(options).arg("+op").arg(file).arg(&out).output().unwrap();
    if !run.status.success() {
        return None;
    }
    let pnm = fs::read(&out).unwrap();
    let mut rest = &pnm[..];
    let mut word = || {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
        let (word, behind) = rest.split_at(end);
        rest = &behind[1..];
        std::str::from_utf8(word).unwrap().to_owned()
    };
    let (kind, columns, rows, most) = (word(), word().parse().unwrap(), word().parse().unwrap(), word());
    assert!(matches!(kind.as_str(), "P5" | "P6") && most == "255", "{kind} {most}");
    Some((columns, rows, rest.to_vec()))
}

/// Our levels, in the order of DCMTK's: grey as one, colour as three.
fn levels(picture: &DynamicImage, samples: usize) -> Vec<u8> {
    match samples {
        1 => picture.to_luma8().into_raw(),
        _ => picture.to_rgb8().into_raw(),
    }
}

/// The most that two lists of levels differ.
fn difference(ours: &[u8], theirs: &[u8]) -> u8 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(one, two)| one.abs_diff(*two)).max().unwrap_or(0)
}

fn short(tag: Tag, value: u16) -> Element {
    Element::new(tag, Vr::US, value.to_le_bytes().to_vec())
}

/// A square grey image of all kinds of values.
fn square(photometric: &str, bits_stored: u16, is_signed: bool, extra: Vec<Element>) -> DataSet {
    let count = u32::from(SIDE) * u32::from(SIDE);
    let values: Vec<u16> = (0..count)
        .map(|place| {
            let value = place * 97 % (1 << bits_stored);
            let value = if is_signed { value.wrapping_sub(1 << (bits_stored - 1)) } else { value };
            u16::try_from(value & 0xFFFF).unwrap()
        })
        .collect();
    let mut data_set = image(photometric, 1, 16, SIDE, &words(&values));
    for element in [
        short(Tag::ROWS, SIDE),
        short(Tag(0x0028, 0x0101), bits_stored),
        short(Tag(0x0028, 0x0102), bits_stored - 1),
        short(Tag(0x0028, 0x0103), u16::from(is_signed)),
        Element::new(PIXEL_DATA, Vr::OW, words(&values)),
    ] {
        data_set.put(element);
    }
    with(data_set, extra)
}

fn number(tag: u16, text: &str) -> Element {
    Element::text(Tag(0x0028, tag), Vr::DS, text)
}

fn window(center: &str, width: &str) -> Vec<Element> {
    vec![number(0x1050, center), number(0x1051, width)]
}

/// A sequence with one item: a table.
fn table(sequence: u16, vr: Vr, descriptor: [u16; 3], entries: &[u16]) -> Element {
    let item: DataSet = [
        Element::new(Tag(0x0028, 0x3002), vr, words(&descriptor)),
        Element::new(Tag(0x0028, 0x3006), Vr::OW, words(entries)),
    ]
    .into_iter()
    .collect();
    Element::sequence(Tag(0x0028, sequence), vec![item])
}

/// An overlay over part of the image, and beyond its edge.
fn overlay(group: u16, origin: [i16; 2]) -> Vec<Element> {
    let bits: Vec<u8> = (0..32 * 32 / 8).map(|place| [0x0F, 0xA5, 0x00, 0xFF][place % 4]).collect();
    let origin: Vec<u8> = origin.iter().flat_map(|place| place.to_le_bytes()).collect();
    vec![
        short(Tag(group, 0x0010), 32),
        short(Tag(group, 0x0011), 32),
        Element::text(Tag(group, 0x0040), Vr::CS, "G"),
        Element::new(Tag(group, 0x0050), Vr::SS, origin),
        short(Tag(group, 0x0100), 1),
        short(Tag(group, 0x0102), 0),
        Element::new(Tag(group, 0x3000), Vr::OW, bits),
    ]
}

/// The description of values of a CT.
fn ct() -> Vec<Element> {
    let mut elements = window("40\\400", "350\\1500");
    elements.extend([number(0x1052, "-1024"), number(0x1053, "1")]);
    elements
}

fn both(one: Vec<Element>, two: Vec<Element>) -> Vec<Element> {
    one.into_iter().chain(two).collect()
}

/// An image with the options by which DCMTK shows it as it describes itself.
type Case = (&'static str, DataSet, &'static [&'static str]);

fn cases() -> Vec<Case> {
    let mut cases = windows();
    cases.extend(tables());
    cases.extend(overlays());
    cases
}

fn windows() -> Vec<Case> {
    let sigmoid = |mut elements: Vec<Element>| {
        elements.push(Element::text(Tag(0x0028, 0x1056), Vr::CS, "SIGMOID"));
        elements
    };
    vec![
        ("whole range", square("MONOCHROME2", 12, false, Vec::new()), &["+Wm"]),
        ("window after rescaling", square("MONOCHROME2", 12, false, ct()), &["+Wi", "1"]),
        ("signed values", square("MONOCHROME2", 16, true, window("100.5", "20001")), &["+Wi", "1"]),
        (
            "slope and sign",
            square(
                "MONOCHROME2",
                12,
                true,
                both(window("10", "900"), vec![number(0x1052, "7.5"), number(0x1053, "0.25")]),
            ),
            &["+Wi", "1"],
        ),
        ("sigmoid", square("MONOCHROME2", 12, false, sigmoid(ct())), &["+Wi", "1", "+Wfs"]),
        ("narrow window", square("MONOCHROME2", 12, false, window("2048", "2")), &["+Wi", "1"]),
        ("white is zero", square("MONOCHROME1", 12, false, ct()), &["+Wi", "1"]),
    ]
}

fn tables() -> Vec<Case> {
    let ramp: Vec<u16> = (0..4096_u32).map(|at| u16::try_from(at * at / 4096).unwrap()).collect();
    let eight: Vec<u16> = (0..256_u16).map(|at| 255 - at).collect();
    let signed: Vec<u16> = (0..4096_u16).map(|at| (at / 3) | 0x0100).collect();
    vec![
        (
            "table of values of interest",
            square("MONOCHROME2", 12, false, vec![table(0x3010, Vr::US, [4096, 0, 12], &ramp)]),
            &["+Wl", "1"],
        ),
        (
            "the same, white is zero",
            square("MONOCHROME1", 12, false, vec![table(0x3010, Vr::US, [4096, 0, 12], &ramp)]),
            &["+Wl", "1"],
        ),
        (
            "table of eight bits that covers a part",
            square("MONOCHROME2", 12, false, vec![table(0x3010, Vr::US, [256, 1000, 8], &eight)]),
            &["+Wl", "1"],
        ),
        (
            "table of signed values",
            square("MONOCHROME2", 12, true, vec![table(0x3010, Vr::SS, [4096, 0xF800, 12], &signed)]),
            &["+Wl", "1"],
        ),
        (
            "table of the modality",
            square(
                "MONOCHROME2",
                12,
                false,
                both(window("600", "900"), vec![table(0x3000, Vr::US, [4096, 0, 16], &ramp)]),
            ),
            &["+Wi", "1"],
        ),
    ]
}

fn overlays() -> Vec<Case> {
    vec![
        (
            "overlays",
            square(
                "MONOCHROME2",
                12,
                false,
                both(ct(), both(overlay(0x6000, [9, 17]), overlay(0x6002, [40, 50]))),
            ),
            &["+Wi", "1"],
        ),
        (
            "overlay before the edge",
            square("MONOCHROME2", 12, false, both(ct(), overlay(0x6000, [-3, -5]))),
            &["+Wi", "1"],
        ),
        (
            "overlay over white is zero",
            square("MONOCHROME1", 12, false, both(ct(), overlay(0x6000, [9, 17]))),
            &["+Wi", "1"],
        ),
    ]
}

/// Goal: grey images are shown as DCMTK shows them, whatever describes their values. The control: what DCMTK makes without
/// the description is something else.
#[test]
fn peer_dcmtk_shows_the_same_levels() {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (number, (name, data_set, options)) in cases().into_iter().enumerate() {
        let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
        let uid = |text| SopInstanceUid::new(text).unwrap();
        let class = SopClassUid::new("1.2.840.10008.5.1.4.1.1.7").unwrap();
        let syntax = TransferSyntaxUid::new(EXPLICIT).unwrap();
        let path = directory.path().join(format!("{number}.dcm"));
        fs::write(&path, part10::file(&class, &uid("1.2.3"), &syntax, &bytes)).unwrap();
        let (columns, rows, theirs) = shown_by_dcmtk(&path, options).unwrap_or_else(|| panic!("{name}"));
        let ours = rendered(&bytes, EXPLICIT, 1, &[]).unwrap();
        assert_eq!(ours.dimensions(), (columns, rows), "{name}");
        let difference = difference(&levels(&ours, 1), &theirs);
        if difference > DIFFERENCE_MAX {
            wrong.push((name, difference));
        }
        let (_, _, plain) = shown_by_dcmtk(&path, &["-M", "-W", "-O", "+P"]).unwrap();
        assert!(self::difference(&levels(&ours, 1), &plain) > 2 * DIFFERENCE_MAX, "{name} tells nothing");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What a sample says of itself, in the options of DCMTK, which takes the rescaling out of functional groups and no window.
fn options(data_set: &DataSet) -> Vec<String> {
    let has =
        |tag| data_set.get(tag).is_some_and(|_| data_set.bytes(tag).is_none_or(|bytes| !bytes.is_empty()));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match data_set.items(Tag(0x5200, 0x9229)).first().and_then(window_of_group) {
        Some((center, width)) => vec!["+Ww".to_owned(), center.to_string(), width.to_string()],
        None if !data_set.items(Tag(0x0028, 0x3010)).is_empty() => words(&["+Wl", "1"]),
        None if has(Tag(0x0028, 0x1050)) && has(Tag(0x0028, 0x1051)) => words(&["+Wi", "1"]),
        None => words(&["+Wm"]),
    }
}

/// Center and width of a group's window.
fn window_of_group(group: &DataSet) -> Option<(f64, f64)> {
    let item = group.items(Tag(0x0028, 0x9132)).first()?;
    let number = |tag| -> Option<f64> { item.plain(tag)?.split('\\').next()?.trim().parse().ok() };
    Some((number(Tag(0x0028, 0x1050))?, number(Tag(0x0028, 0x1051))?))
}

/// Goal: the same of images made by real devices, as far as both can decode them.
#[test]
fn peer_dcmtk_shows_samples_alike() {
    let folder =
        std::env::var_os("OUTRIGGER_SAMPLES").expect("OUTRIGGER_SAMPLES names the folder of the samples");
    let directory = tempfile::tempdir().unwrap();
    let (mut alike, mut wrong) = (0, Vec::new());
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let file = Bytes::from(fs::read(&path).unwrap());
        let Some(parts) = part10::parts(&file) else { continue };
        let Ok(meta) = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(parts.meta)) else { continue };
        let Some(syntax) = meta.plain(Tag(0x0002, 0x0010)).map(str::to_owned) else { continue };
        let known = [
            "1.2.840.10008.1.2",
            EXPLICIT,
            "1.2.840.10008.1.2.5",
            "1.2.840.10008.1.2.4.70",
            "1.2.840.10008.1.2.4.57",
        ];
        if !known.contains(&syntax.as_str()) {
            continue;
        }
        let form = if syntax == "1.2.840.10008.1.2" { Form::ImplicitLittle } else { Form::ExplicitLittle };
        let bytes = file.slice_ref(parts.data_set);
        let Ok(data_set) = read_form(form, bytes) else { continue };
        let grey = data_set.plain(Tag(0x0028, 0x0004)).is_some_and(|term| term.starts_with("MONOCHROME"));
        if !grey || data_set.get(PIXEL_DATA).is_none() || Shape::read(&data_set).is_err() {
            continue;
        }
        let again = Bytes::from(write(&data_set, Form::ExplicitLittle));
        let ours = if syntax == "1.2.840.10008.1.2" { EXPLICIT } else { &syntax };
        let Ok(ours) = rendered(&again, ours, 1, &[]) else { continue };
        let copy = directory.path().join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        let Some((_, _, theirs)) = shown_by_dcmtk(&copy, &options(&data_set)) else { continue };
        match difference(&levels(&ours, 1), &theirs) {
            0..=DIFFERENCE_MAX => alike += 1,
            difference => wrong.push((path.file_name().unwrap().to_owned(), options(&data_set), difference)),
        }
    }
    assert!(wrong.is_empty() && alike > 20, "{alike} alike; {wrong:#?}");
}
