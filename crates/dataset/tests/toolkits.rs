//! Samples written again by other toolkits must compare as in step: their idea of what may change is not ours.

#![allow(clippy::disallowed_methods, reason = "a test reads what tools wrote")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outrigger_dataset::normal::{Fingerprint, compare};

use crate::samples::{Sample, sample, sample_paths};

/// Larger samples hold more pixels and nothing else that is new; smaller ones are all alike.
const SAMPLE_BYTES: std::ops::Range<u64> = 1_000..300_000;

/// Options that make `dcmconv` write a file in another way.
const WAYS: [&[&str]; 7] = [&["+ti"], &["+te"], &["+tb"], &["+td"], &["-e"], &["+e", "+g"], &["+U8"]];

fn small(folder: &str) -> Vec<PathBuf> {
    let is_small = |path: &PathBuf| SAMPLE_BYTES.contains(&fs::metadata(path).unwrap().len());
    sample_paths(folder).into_iter().filter(is_small).collect()
}

/// A sample and what others are compared with.
struct Original {
    name: String,
    fingerprint: Fingerprint,
}

/// Takes a sample; `None` for what cannot be read at all, which nothing else can be in step with.
fn original(path: &Path) -> Option<Original> {
    let Sample { name, transfer_syntax, data_set, .. } = sample(path)?;
    let fingerprint = Fingerprint::of(&transfer_syntax, data_set);
    fingerprint.digests.is_some().then_some(Original { name, fingerprint })
}

/// Whether a file that was written again is in step with the original.
fn check(original: &Original, written: &Path) {
    let written = sample(written).unwrap();
    let verdict =
        compare(&original.fingerprint, &Fingerprint::of(&written.transfer_syntax, written.data_set));
    assert!(verdict.is_in_step(), "{} as {}: {verdict:?}", original.name, written.name);
}

#[test]
fn peer_dcmtk_writes_samples_in_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for path in small("").iter().chain(&small("odd")) {
        let Some(original) = original(path) else { continue };
        for options in WAYS {
            let target = folder.path().join(options.concat());
            let done =
                Command::new("dcmconv").args(options).arg("-q").arg(path).arg(&target).output().unwrap();
            // Some it cannot convert: characters it does not know, codecs it does not have.
            if done.status.success() {
                check(&original, &target);
                checked += 1;
            }
        }
    }
    assert!(checked > 600, "{checked} checked");
}

#[test]
fn peer_pynetdicom_and_pydicom_write_samples_in_step() {
    let venv = std::env::var_os("OUTRIGGER_VENV").expect("OUTRIGGER_VENV names the Python environment");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reencode.py");
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = small("").into_iter().chain(small("odd")).collect();
    let done = Command::new(Path::new(&venv).join("bin/python"))
        .arg(script)
        .arg(folder.path())
        .args(&paths)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut checked = 0;
    for path in paths {
        let Some(original) = original(&path) else { continue };
        for way in ["parsed", "utf8", "undefined", "implicit", "explicit"] {
            let target = folder.path().join(format!("{}.{way}.dcm", original.name));
            if target.exists() {
                check(&original, &target);
                checked += 1;
            }
        }
    }
    assert!(checked > 600, "{checked} checked");
}
