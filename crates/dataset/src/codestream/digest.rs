//! The digest C: the compressed frames as they are, without decoding.

use outrigger_model::{Sha256Digest, TransferSyntaxUid};
use sha2::{Digest, Sha256};

use super::family::Family;
use super::frames::{comparable, split};
use crate::element::{DataSet, Fragments, Value};
use crate::pixel::{EXTENDED_OFFSET_TABLE, PIXEL_DATA, frame_count};

/// Digest of the compressed frames: equal however frames are split into fragments, whatever the offset tables and the
/// padding. The only proof of equality where compression may be lossy. `None`: native, or no encapsulated pixel data.
///
/// `SHA-256("pdc1" 00, family, 00, frames as u32, then for each frame its length as u64 and its bytes)`, numbers big
/// endian. Fragments that cannot be told apart by frame count as one frame, under the number 0.
pub fn digest(transfer_syntax: &TransferSyntaxUid, data_set: &DataSet) -> Option<Sha256Digest> {
    let family = Family::of(transfer_syntax)?;
    let Value::Fragments(encapsulated) = &data_set.get(PIXEL_DATA)?.value else { return None };
    let mut hash = Sha256::new();
    hash.update(b"pdc1\0");
    hash.update(family.digest_name());
    hash.update([0]);
    let table = data_set.bytes(EXTENDED_OFFSET_TABLE).map_or(&[][..], |bytes| bytes);
    let frames = frame_count(data_set).ok();
    match frames
        .and_then(|frames| split(family, encapsulated, table, frames).ok().map(|split| (frames, split)))
    {
        Some((frames, streams)) => {
            hash.update(frames.to_be_bytes());
            for stream in &streams {
                hash_frame(&mut hash, family, stream);
            }
        }
        None => hash_unsplit(&mut hash, family, encapsulated),
    }
    Some(Sha256Digest(hash.finalize().into()))
}

fn hash_frame(hash: &mut Sha256, family: Family, stream: &[u8]) {
    let (stream, padding) = comparable(family, stream);
    hash.update(((stream.len() + padding.len()) as u64).to_be_bytes());
    hash.update(stream);
    hash.update(padding);
}

fn hash_unsplit(hash: &mut Sha256, family: Family, encapsulated: &Fragments) {
    let whole: Vec<u8> = encapsulated.fragments.iter().flatten().copied().collect();
    hash.update(0_u32.to_be_bytes());
    hash_frame(hash, family, &whole);
}
