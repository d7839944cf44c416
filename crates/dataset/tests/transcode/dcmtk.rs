//! The same objects decoded and encoded by DCMTK.

use std::process::Command;

use bytes::Bytes;
use outrigger_dataset::element::DataSet;
use outrigger_dataset::form::Form;
use outrigger_dataset::transcode::{targets, transcode};
use outrigger_dataset::write::write;
use outrigger_dataset::{pixel, read};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, Pixels, traits};
use outrigger_model::{Sha256Digest, TransferSyntaxUid};

use super::files::{self, Object, samples};
use super::images::{ALL, PIXEL_DATA};

/// Options that make DCMTK write each lossless transfer syntax in each way it can.
const ENCODERS: [(&str, &[&str]); 15] = [
    ("dcmcjpeg", &["+e1"]),
    ("dcmcjpeg", &["+e1", "+fs", "1", "-ot"]),
    ("dcmcjpeg", &["+el", "+sv", "1"]),
    ("dcmcjpeg", &["+el", "+sv", "2"]),
    ("dcmcjpeg", &["+el", "+sv", "3"]),
    ("dcmcjpeg", &["+el", "+sv", "4"]),
    ("dcmcjpeg", &["+el", "+sv", "5"]),
    ("dcmcjpeg", &["+el", "+sv", "6"]),
    ("dcmcjpeg", &["+el", "+sv", "7"]),
    ("dcmcjpls", &["+el", "+il"]),
    ("dcmcjpls", &["+el", "+is", "+fs", "1"]),
    ("dcmcjpls", &["+el", "+in", "+pz", "-ot"]),
    ("dcmcjpls", &["+el", "+pc", "+t1", "4", "+t2", "9", "+t3", "25", "+rs", "32"]),
    ("dcmcrle", &[]),
    ("dcmcrle", &["-ot"]),
];

/// Runs a DCMTK tool on an object; `None` when it refuses.
fn run(tool: &str, options: &[&str], object: &Object) -> Option<Object> {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.dcm", "out.dcm"].map(|name| folder.path().join(name));
    files::write(&input, object);
    let done = Command::new(tool).args(options).arg("-q").arg(&input).arg(&output).output().unwrap();
    done.status.success().then(|| files::read(&output).unwrap())
}

fn digest(object: &Object) -> Option<Sha256Digest> {
    let tree = read::read(&object.transfer_syntax, object.bytes.clone()).unwrap();
    pixel::digest(&object.transfer_syntax, &tree).unwrap()
}

fn decoded_by_dcmtk(object: &Object) -> Option<Object> {
    let (tool, options): (_, &[&str]) = match object.transfer_syntax.as_str() {
        "1.2.840.10008.1.2.5" => ("dcmdrle", &[]),
        "1.2.840.10008.1.2.4.80" => ("dcmdjpls", &[]),
        "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => ("dcmdjpeg", &["+cn"]),
        _ => ("dcmconv", &["+te"]),
    };
    run(tool, options, object)
}

fn object(name: &str, data_set: &DataSet) -> Object {
    Object {
        name: name.to_owned(),
        transfer_syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
        bytes: Bytes::from(write(data_set, Form::ExplicitLittle)),
    }
}

fn images() -> Vec<Object> {
    ALL.iter().map(|image| object(&format!("{image:?}"), &image.data_set())).collect()
}

/// One sample of each layout of pixels, as many encodings of one prove nothing more.
fn sample_layouts() -> Vec<Object> {
    let mut seen = Vec::new();
    let mut chosen = Vec::new();
    for sample in samples() {
        let is_native = traits(&sample.transfer_syntax).pixels == Pixels::Native;
        let Ok(tree) = read::read(&sample.transfer_syntax, sample.bytes.clone()) else { continue };
        let layout = pixel::Shape::read(&tree).map(|shape| pixel::Shape { rows: 1, columns: 1, ..shape });
        let Some(layout) = layout.ok().filter(|_| is_native && tree.get(PIXEL_DATA).is_some()) else {
            continue;
        };
        if !seen.contains(&layout) {
            seen.push(layout);
            chosen.push(sample);
        }
    }
    chosen
}

/// Has DCMTK encode each object in every way, and both decode it.
fn check_decoding(objects: &[Object]) -> usize {
    let mut checked = 0;
    for object in objects {
        for (tool, options) in ENCODERS {
            let Some(encoded) = run(tool, options, object) else { continue };
            if encoded.transfer_syntax == object.transfer_syntax {
                continue;
            }
            let Some(theirs) = decoded_by_dcmtk(&encoded) else { continue };
            assert_eq!(digest(&encoded), digest(&theirs), "{} by {tool} {options:?}", object.name);
            let explicit = TransferSyntaxUid::known(EXPLICIT_VR_LE);
            let ours = transcode(encoded.bytes.clone(), &encoded.transfer_syntax, &explicit).unwrap();
            let ours = Object { name: String::new(), transfer_syntax: explicit, bytes: ours.into() };
            assert_eq!(digest(&ours), digest(&theirs), "{} by {tool} {options:?}, transcoded", object.name);
            checked += 1;
        }
    }
    checked
}

/// Has DCMTK read each object in every way that we write it.
fn check_encoding(objects: &[Object]) -> usize {
    let mut checked = 0;
    for object in objects {
        for to in targets(&object.transfer_syntax) {
            let Ok(bytes) = transcode(object.bytes.clone(), &object.transfer_syntax, &to) else { continue };
            let ours = Object { name: object.name.clone(), transfer_syntax: to, bytes: bytes.into() };
            let Some(theirs) = decoded_by_dcmtk(&ours) else {
                panic!("DCMTK refuses {} as {}", object.name, ours.transfer_syntax)
            };
            assert_eq!(digest(&theirs), digest(object), "{} as {}", object.name, ours.transfer_syntax);
            checked += 1;
        }
    }
    checked
}

#[test]
fn peer_dcmtk_decodes_as_we_do() {
    let checked = check_decoding(&images());
    assert!(checked >= 140, "only {checked} encodings were made");
}

#[test]
fn peer_dcmtk_reads_what_we_write() {
    let checked = check_encoding(&images());
    assert!(checked >= 45, "only {checked} encodings were made");
}

#[test]
fn samples_encoded_by_dcmtk_decode_as_it_decodes_them() {
    let checked = check_decoding(&sample_layouts());
    assert!(checked >= 280, "only {checked} encodings were made");
}

#[test]
fn samples_encoded_by_us_are_read_by_dcmtk() {
    let checked = check_encoding(&sample_layouts());
    assert!(checked >= 90, "only {checked} encodings were made");
}
