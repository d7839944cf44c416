//! What a transfer syntax can become without loss.

use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{
    DEFLATED, EXPLICIT_VR_BE, EXPLICIT_VR_LE, IMPLICIT_VR_LE, Pixels, traits,
};

use crate::codestream::Codec;

/// RLE Lossless.
pub(super) const RLE: &str = "1.2.840.10008.1.2.5";

/// What native and decoded objects can be written as, best first: what is read most widely, then what is smaller,
/// then what is retired.
const WRITTEN: [&str; 5] = [EXPLICIT_VR_LE, IMPLICIT_VR_LE, RLE, DEFLATED, EXPLICIT_VR_BE];

/// Lossless transfer syntaxes, each with one whose streams include all of its own: only the name changes.
const INCLUDED: [(&str, &str); 5] = [
    ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57"),
    ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"),
    ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"),
    ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"),
    ("1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.201"),
];

/// The transfer syntaxes that an object of `from` can be turned into without loss, best first. Whether one object can
/// depends on its pixel data too: `transcode` says so.
///
/// Nothing is for private and lossy syntaxes: what they lost is lost, and decoders of them do not agree.
pub fn targets(from: &TransferSyntaxUid) -> Vec<TransferSyntaxUid> {
    let included = INCLUDED.iter().filter(|(narrow, _)| *narrow == from.as_str()).map(|(_, wide)| *wide);
    let is_written = traits(from).pixels == Pixels::Native || Codec::of(from).is_some();
    let written = WRITTEN.iter().copied().filter(|to| is_written && *to != from.as_str());
    included.chain(written).map(TransferSyntaxUid::known).collect()
}

/// Whether every stream of `from` is one of `to`.
pub(super) fn is_included(from: &TransferSyntaxUid, to: &TransferSyntaxUid) -> bool {
    from == to || INCLUDED.contains(&(from.as_str(), to.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_first_and_never_lossy() {
        let check = |from: &str, expected: &[&str]| {
            let short = |uid: &TransferSyntaxUid| uid.as_str().replace("1.2.840.10008.1.2", "~");
            let targets: Vec<_> =
                targets(&TransferSyntaxUid::new(&from.replace('~', "1.2.840.10008.1.2")).unwrap())
                    .iter()
                    .map(short)
                    .collect();
            assert_eq!(targets, expected, "{from}");
        };
        check("~", &["~.1", "~.5", "~.1.99", "~.2"]);
        check("~.1.99", &["~.1", "~", "~.5", "~.2"]);
        check("~.4.90", &["~.4.91", "~.1", "~", "~.5", "~.1.99", "~.2"]);
        check("~.4.57", &["~.1", "~", "~.5", "~.1.99", "~.2"]);
        check("~.4.202", &["~.4.201"]);
        for none in ["~.4.50", "~.4.91", "~.4.107", "1.2.840.113619.5.2"] {
            check(none, &[]);
        }
    }
}
