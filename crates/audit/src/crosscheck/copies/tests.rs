use outrigger_dataset::phantom::{Phantom, Place, Shape};

use super::*;

const A: MemberNumber = MemberNumber(0);
const B: MemberNumber = MemberNumber(1);

#[test]
fn what_an_archive_may_change_is_no_alteration() {
    for (verdict, likeness) in [
        (Verdict::Identical, Likeness::Alike),
        (Verdict::ReEncoded, Likeness::Alike),
        (Verdict::Demographic, Likeness::Alike),
        (Verdict::PrivateLoss, Likeness::Alike),
        (Verdict::DemographicAndPrivateLoss, Likeness::Alike),
        (Verdict::Content, Likeness::Differs),
        (Verdict::Relocated, Likeness::Differs),
        (Verdict::OtherObject, Likeness::Differs),
        (Verdict::NotComparable, Likeness::Unknown),
    ] {
        assert_eq!(Likeness::from(verdict), likeness, "{verdict:?}");
    }
}

/// Goal: what was accepted is the witness as long as the journal has its bytes, then its digest, which also proves a copy in another
/// encoding; without either nobody is.
#[test]
fn what_was_accepted_is_the_witness_as_far_as_it_is_known() {
    let phantom = Phantom::new(5, Place::default(), Shape::SmallCt);
    let explicit = &phantom.transfer_syntax;
    let rle = TransferSyntaxUid::known("1.2.840.10008.1.2.5");
    let bytes = phantom.data_set.clone();
    let packed = Bytes::from(transcode::transcode(bytes.clone(), explicit, &rle).unwrap());
    let mut altered = bytes.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let altered = Bytes::from(altered);
    let original = |bytes| Original {
        transfer_syntax: explicit,
        sha256: Sha256Digest(Sha256::digest(&phantom.data_set).into()),
        bytes,
    };
    let (kept, released) = (original(Some(&bytes as &dyn BlockSource)), original(None));
    for (original, (syntax, right), witness) in [
        (Some(&kept), (explicit, &bytes), Witness::Journal),
        (Some(&kept), (&rle, &packed), Witness::Journal),
        (Some(&released), (explicit, &bytes), Witness::Digest),
        (Some(&released), (&rle, &packed), Witness::Digest),
        (None, (explicit, &bytes), Witness::Undecided),
    ] {
        let copies = vec![
            (A, Bytewise { transfer_syntax: syntax, bytes: right }),
            (B, Bytewise { transfer_syntax: explicit, bytes: &altered }),
        ];
        let wrong = if witness == Witness::Undecided { vec![A, B] } else { vec![B] };
        assert_eq!(compared(original, copies).unwrap(), Judgement::Altered { wrong, witness });
    }
}
