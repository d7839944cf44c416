//! Whether an object store can be used: an object is put, given and removed.

use object_store::{ObjectStore, ObjectStoreExt};
use outrigger_runtime::random::RandomError;
use outrigger_runtime::{Clock, Random};

use super::{Bucket, Call, S3Error, S3Options};

/// Why an object store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A call failed.
    #[error("an object of a few bytes could not be kept there")]
    Call(#[source] S3Error),
    /// It gave other bytes than it took.
    #[error("{at} was taken and given back otherwise")]
    Otherwise {
        /// The object.
        at: String,
    },
    /// It could not be named.
    #[error("an object to try it with could not be named")]
    Name(#[source] RandomError),
}

/// Puts an object of a few bytes below the prefix, reads it back and removes it.
pub async fn probe(options: &S3Options, random: &Random) -> Result<(), ProbeError> {
    let bucket = Bucket::new(options, Clock::System).map_err(ProbeError::Call)?;
    let name = random.u128().map_err(ProbeError::Name)?;
    let key = bucket.key(&format!("probe-{name:032x}"));
    let content = format!("{name:032x}");
    let called =
        |call, outcome: object_store::Result<()>| bucket.noted(call, &key, outcome).map_err(ProbeError::Call);
    let put = bucket.store.put(&key, content.clone().into()).await;
    called(Call::Take, put.map(drop))?;
    let given = match bucket.store.get_opts(&key, object_store::GetOptions::default()).await {
        Ok(given) => given.bytes().await,
        Err(error) => Err(error),
    };
    let removed = bucket.store.delete(&key).await;
    let given = bucket.noted(Call::Give, &key, given).map_err(ProbeError::Call)?;
    called(Call::Remove, removed)?;
    if given != content.as_bytes() {
        return Err(ProbeError::Otherwise { at: bucket.shown(&key) });
    }
    Ok(())
}
