//! Reading an instance back: what is asked for, and how its bytes are taken in.

use outrigger_dimse::{Association, AssociationError};
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid};
use outrigger_runtime::spool::SpoolError;
use outrigger_runtime::{Body, Spool};

use crate::arrived::Arrived;

/// The instance wanted, with the unique keys of the levels above it (PS3.4 section C.4.1.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) study: &'a StudyUid,
    pub(super) series: &'a SeriesUid,
    pub(super) instance: &'a SopInstanceUid,
}

/// Why an object that comes is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error(transparent)]
    Association(#[from] AssociationError),
    #[error("the object could not be taken in")]
    Spool(#[source] SpoolError),
}

/// Takes the data set of the message last received; after a failure of ours the rest of it is read and dropped.
pub(crate) async fn take(
    association: &mut Association,
    spool: &Spool,
    arrived: &Arrived,
) -> Result<Body, TakeError> {
    let mut writer = spool.begin();
    while let Some(fragment) = association.fragment().await? {
        arrived.add(fragment.len());
        if let Err(error) = writer.push(fragment).await {
            drop(writer);
            while association.fragment().await?.is_some() {}
            return Err(TakeError::Spool(error));
        }
    }
    writer.finish().await.map_err(TakeError::Spool)
}
