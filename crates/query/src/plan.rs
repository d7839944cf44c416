//! Listing what a retrieval takes, before any of it is sent.

use outrigger_catalogue::{Cursor, Located};
use outrigger_ledger::LedgerError;
use outrigger_model::{
    Selection, Seq, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid,
};

use crate::reader::Reader;

/// Instances listed at once.
const PAGE: usize = 1000;
/// Instances of one retrieval: the counters of its responses have 16 bits (PS3.7 table 9.3-9).
pub const INSTANCES_MAX: usize = 65_535;

/// An instance to be retrieved, in the one version that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID, where it stands in a study.
    pub study: Option<StudyUid>,
    /// Series Instance UID, where it stands in a series.
    pub series: Option<SeriesUid>,
    /// The encoding it was accepted in.
    pub transfer_syntax: TransferSyntaxUid,
    /// Digest of its data set as accepted.
    pub sha256: Sha256Digest,
    /// Length of the data set as accepted, in bytes.
    pub length: u64,
    /// Its entry in the journal.
    pub entry: Seq,
}

/// Why a retrieval cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The catalogue could not be read.
    #[error("the catalogue could not be read")]
    Catalogue(#[source] LedgerError),
    /// More instances than a response can count.
    #[error("more than {INSTANCES_MAX} instances are selected; ask for them by series")]
    TooMany,
}

impl Reader {
    /// Lists the instances of a selection, each once.
    pub async fn plan(&self, selection: Selection) -> Result<Vec<Planned>, PlanError> {
        let ledger = &self.shared.ledger;
        ledger.caught_up().await.map_err(PlanError::Catalogue)?;
        let mut found = Vec::new();
        let mut after = Cursor::default();
        loop {
            let page = ledger.select(selection.clone(), after, PAGE).await.map_err(PlanError::Catalogue)?;
            found.extend(page.items.into_iter().map(planned));
            if found.len() > INSTANCES_MAX {
                return Err(PlanError::TooMany);
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(found),
            }
        }
    }
}

fn planned(located: Located) -> Planned {
    Planned {
        sop_class: located.sop_class,
        sop_instance: located.sop_instance,
        study: located.study,
        series: located.series,
        transfer_syntax: located.current.transfer_syntax,
        sha256: located.current.sha256,
        length: located.current.length,
        entry: Seq(located.current.place),
    }
}
