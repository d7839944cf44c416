//! Data sets: any bytes in any pieces are scanned to the same end; what can be read is written so that it reads the
//! same, and its digests are the same in both forms.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outrigger_dataset::element::{DataSet, Value};
use outrigger_dataset::form::Form;
use outrigger_dataset::normal::{Digests, Outliner};
use outrigger_dataset::read::{read, read_form};
use outrigger_dataset::scan::{ScanError, Scanned, Scanner};
use outrigger_dataset::write::write;
use outrigger_model::{Oddity, TransferSyntaxUid};

const SYNTAXES: [&str; 7] = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.3.46.670589.33.1.4.1",
];

fuzz_target!(|bytes: &[u8]| {
    let [syntax, piece, bytes @ ..] = bytes else { return };
    let Some(syntax) = SYNTAXES.get(usize::from(syntax % 7)) else { return };
    let syntax = TransferSyntaxUid::known(syntax);
    let whole = scan(&syntax, bytes, bytes.len().max(1));
    let pieces = scan(&syntax, bytes, usize::from(*piece).max(1));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    let mut outliner = Outliner::new(&syntax);
    bytes.chunks(usize::from(*piece).max(1)).for_each(|piece| outliner.push(piece));
    outliner.finish();
    let Some(form) = Form::of(&syntax) else {
        return drop(read(&syntax, Bytes::copy_from_slice(bytes)));
    };
    match (&whole, read_form(form, Bytes::copy_from_slice(bytes))) {
        (_, Ok(tree)) => {
            // Odd lengths are made even once; from then on nothing may change.
            let written = Bytes::from(write(&tree, form));
            let again = read_form(form, written.clone()).expect("what was written can be read");
            assert_eq!(write(&again, form), written);
            // The byte that makes an odd number of bytes even may make another number of them (US of one byte).
            if !has_odd_length(&tree) {
                let digests = Digests::of_data_set(&syntax, &again);
                assert_eq!(digests.attributes, Digests::of_data_set(&syntax, &tree).attributes);
            }
        }
        (Ok(scanned), Err(error)) => {
            let lost = [Oddity::TooDeep, Oddity::BadInnerLength];
            assert!(scanned.oddities.iter().any(|oddity| lost.contains(oddity)), "{error}");
        }
        (Err(_), Err(_)) => {}
    }
});

/// Whether a value anywhere in the tree, which the reader keeps at 64 levels, has an odd length.
fn has_odd_length(tree: &DataSet) -> bool {
    tree.elements.iter().any(|element| match &element.value {
        Value::Bytes(bytes) => bytes.len() % 2 == 1,
        Value::Sequence(items) => items.iter().any(has_odd_length),
        Value::Fragments(fragments) => fragments.fragments.iter().any(|fragment| fragment.len() % 2 == 1),
    })
}

fn scan(syntax: &TransferSyntaxUid, bytes: &[u8], piece: usize) -> Result<Scanned, ScanError> {
    let mut scanner = Scanner::new(syntax);
    bytes.chunks(piece).for_each(|piece| scanner.push(piece));
    scanner.finish()
}
