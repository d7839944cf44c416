//! How much a deflated data set holds, before anybody holds it.

use bytes::Bytes;

use crate::inflate::Inflater;

/// Bytes that a deflated data set inflates to, of which none are kept; `None` where it is damaged or inflates to more
/// than `limit`. `read` gives bytes from a position on, none at the end.
pub fn inflated_length<R, E>(limit: u64, mut read: R) -> Result<Option<u64>, E>
where
    R: FnMut(u64) -> Result<Bytes, E>,
{
    let mut inflater = Inflater::new(limit);
    let (mut position, mut inflated) = (0, 0);
    loop {
        let piece = read(position)?;
        if piece.is_empty() {
            return Ok(inflater.finish().ok().map(|_| inflated));
        }
        position += piece.len() as u64;
        if inflater.push(&piece, |bytes| inflated += bytes.len() as u64).is_err() {
            return Ok(None);
        }
    }
}
