//! An object held as a whole, to be transcoded or looked into.

use bytes::{Bytes, BytesMut};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::{BlockError, BlockSource};

/// The whole object, one block after another; synchronous, may block. How large it may be is for the caller to know.
pub(crate) fn whole(object: &dyn BlockSource) -> Result<Bytes, BlockError> {
    let blocks = object.length().div_ceil(BLOCK_BYTES as u64);
    if blocks == 1 {
        return object.read_block(0);
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(object.length()).unwrap_or_default());
    for index in 0..blocks {
        bytes.extend_from_slice(&object.read_block(index)?);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_of_it_is_there_once() {
        for length in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES] {
            let object: Bytes = (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
            assert_eq!(whole(&object).unwrap(), object, "{length}");
        }
    }
}
