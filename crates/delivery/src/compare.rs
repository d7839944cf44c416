//! The one comparison of two copies of an object: by their outlines, and decoded only where those cannot tell.

use outrigger_dataset::normal::{self, Fingerprint, Outline, Outliner, Verdict, compare_outlines};
use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::BlockSource;

use crate::parcel::{self, EncodeError};

/// Largest object compared by what it decodes to: both copies are in memory then.
const DECODED_BYTES_MAX: u64 = 512 << 20;

/// A copy of an object.
#[derive(Clone, Copy)]
pub struct Copy<'a> {
    /// How it is encoded.
    pub transfer_syntax: &'a TransferSyntaxUid,
    /// Its data set.
    pub bytes: &'a dyn BlockSource,
}

/// Compares two copies; reads them block by block, and as a whole only where the encodings of their pixels differ.
pub fn compare(left: Copy<'_>, right: Copy<'_>) -> Result<Verdict, EncodeError> {
    if let Some(verdict) = compare_outlines(&outline(left)?, &outline(right)?) {
        return Ok(verdict);
    }
    let fingerprint = |copy: Copy<'_>| {
        parcel::whole(copy.bytes, DECODED_BYTES_MAX).map(|bytes| Fingerprint::of(copy.transfer_syntax, bytes))
    };
    match (fingerprint(left), fingerprint(right)) {
        (Ok(left), Ok(right)) => Ok(normal::compare(&left, &right)),
        (Err(EncodeError::TooLarge { .. }), _) | (_, Err(EncodeError::TooLarge { .. })) => {
            Ok(Verdict::NotComparable)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn outline(copy: Copy<'_>) -> Result<Outline, EncodeError> {
    let mut outliner = Outliner::new(copy.transfer_syntax);
    for index in 0.. {
        let block = copy.bytes.read_block(index).map_err(EncodeError::Read)?;
        if block.is_empty() {
            break;
        }
        outliner.push(&block);
    }
    Ok(outliner.finish())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outrigger_dataset::phantom::{Phantom, Place, Shape};
    use outrigger_dataset::transcode::transcode;
    use outrigger_model::transfer_syntax::{DEFLATED, IMPLICIT_VR_LE};

    use super::*;

    const RLE: &str = "1.2.840.10008.1.2.5";

    fn verdict(left: (&TransferSyntaxUid, &Bytes), right: (&TransferSyntaxUid, &Bytes)) -> Verdict {
        let left = Copy { transfer_syntax: left.0, bytes: left.1 };
        compare(left, Copy { transfer_syntax: right.0, bytes: right.1 }).unwrap()
    }

    #[test]
    fn copies_are_in_step_in_every_encoding_and_not_with_another_object() {
        let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
        let other = Phantom::new(2, Place::default(), Shape::SmallCt);
        let sent = (&phantom.transfer_syntax, &phantom.data_set);
        assert_eq!(verdict(sent, sent), Verdict::Identical);
        for encoding in [IMPLICIT_VR_LE, DEFLATED] {
            let to = TransferSyntaxUid::known(encoding);
            let bytes = transcode(phantom.data_set.clone(), &phantom.transfer_syntax, &to).unwrap().into();
            assert_eq!(verdict(sent, (&to, &bytes)), Verdict::ReEncoded, "{encoding}");
        }
        assert!(!verdict(sent, (&other.transfer_syntax, &other.data_set)).is_in_step());
        let mut altered = phantom.data_set.to_vec();
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(verdict(sent, (&phantom.transfer_syntax, &altered.into())), Verdict::Content);
        let torn = phantom.data_set.slice(..300);
        assert!(!verdict(sent, (&TransferSyntaxUid::known(RLE), &torn)).is_in_step());
    }
}
