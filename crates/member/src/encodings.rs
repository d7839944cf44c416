//! The encodings in which an instance may come back from a member.

use outrigger_dataset::transcode;
use outrigger_model::{TransferSyntaxUid, transfer_syntax};

/// Encodings a member may keep an instance in, whatever it was sent in: another version of it, or a copy it encoded anew.
const COMMON: [&str; 11] = [
    transfer_syntax::EXPLICIT_VR_LE,
    transfer_syntax::IMPLICIT_VR_LE,
    transfer_syntax::EXPLICIT_VR_BE,
    transfer_syntax::DEFLATED,
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.91",
];

/// The encodings an instance may come in: its own first, where it is known, what it can be made of losslessly, and what archives keep.
pub fn encodings(own: Option<&TransferSyntaxUid>) -> Vec<TransferSyntaxUid> {
    let mut encodings: Vec<TransferSyntaxUid> = own.cloned().into_iter().collect();
    let remade = own.map(transcode::targets).unwrap_or_default();
    let common = COMMON.iter().map(|uid| TransferSyntaxUid::known(uid));
    for encoding in remade.into_iter().chain(common) {
        if !encodings.contains(&encoding) {
            encodings.push(encoding);
        }
    }
    encodings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn its_own_comes_first_and_every_encoding_once() {
        let extended = TransferSyntaxUid::known("1.2.840.10008.1.2.4.51");
        for own in [None, Some(TransferSyntaxUid::known("1.2.840.10008.1.2.4.201")), Some(extended.clone())] {
            let all = encodings(own.as_ref());
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
            assert!(own.is_none_or(|own| all.first() == Some(&own)), "{all:?}");
            for common in COMMON {
                assert!(all.contains(&TransferSyntaxUid::known(common)), "{common}");
            }
            assert!(all.contains(&extended), "12 bits of JPEG, as mammography and angiography have them");
        }
    }
}
