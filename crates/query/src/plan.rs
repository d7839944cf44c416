//! Listing what a retrieval takes, before any of it is sent.

use outrigger_catalogue::{Current, Cursor, Inherited, Located};
use outrigger_ledger::LedgerError;
use outrigger_model::{
    MemberSet, Selection, Seq, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid,
    TransferSyntaxUid, transfer_syntax,
};

use crate::reader::Reader;

/// Instances listed at once.
const PAGE: usize = 1000;
/// Instances of one retrieval: some hundred bytes of memory each, so that a handful of the largest stay below a gigabyte. The
/// counters of the responses have 16 bits (PS3.7 table 9.3-9) and stay at their end.
pub const INSTANCES_MAX: usize = 1 << 18;

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
    /// The encoding it was accepted in; a guess where it never was.
    pub transfer_syntax: TransferSyntaxUid,
    /// Length of the data set as accepted, in bytes; 0 where it never was.
    pub length: u64,
    /// Who has it.
    pub keeping: Keeping,
}

/// Who has an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It was accepted: the journal while it keeps the bytes, then the members it was delivered to.
    Accepted {
        /// Its entry in the journal.
        entry: Seq,
        /// Digest of its data set as accepted.
        sha256: Sha256Digest,
    },
    /// It was never accepted, and these members were seen to have it.
    Inherited {
        /// The members.
        members: MemberSet,
    },
}

impl std::fmt::Display for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted { entry, .. } => write!(f, "entry {entry}"),
            Self::Inherited { .. } => f.write_str("no entry: it was at members before"),
        }
    }
}

/// Why a retrieval cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The catalogue could not be read.
    #[error("the catalogue could not be read")]
    Catalogue(#[source] LedgerError),
    /// More instances than are held in memory.
    #[error("more than {INSTANCES_MAX} instances are selected; ask for them by series")]
    TooMany,
}

impl Reader {
    /// Lists the instances of a selection, each once.
    pub async fn plan(&self, selection: Selection) -> Result<Vec<Planned>, PlanError> {
        let ledger = &self.shared.ledger;
        ledger.caught_up().await.map_err(PlanError::Catalogue)?;
        let mut found: Vec<Planned> = Vec::new();
        let mut after = Cursor::default();
        loop {
            let page = ledger.select(selection.clone(), after, PAGE).await.map_err(PlanError::Catalogue)?;
            for located in page.items {
                let mut next = planned(located);
                if let Some(before) = found.last() {
                    share(&mut next, before);
                }
                found.push(next);
            }
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

/// Lets an instance share the UIDs it has in common with the one before: the instances of a series have four.
fn share(instance: &mut Planned, before: &Planned) {
    fn same<T: PartialEq + Clone>(mine: &mut T, theirs: &T) {
        if mine == theirs {
            *mine = theirs.clone();
        }
    }
    same(&mut instance.sop_class, &before.sop_class);
    same(&mut instance.study, &before.study);
    same(&mut instance.series, &before.series);
    same(&mut instance.transfer_syntax, &before.transfer_syntax);
}

pub(crate) fn planned(located: Located) -> Planned {
    let (transfer_syntax, length, keeping) = match located.current {
        Current::Kept(version) => {
            let keeping = Keeping::Accepted { entry: Seq(version.place), sha256: version.sha256 };
            (version.transfer_syntax, version.length, keeping)
        }
        // Nothing says in which encoding members have it: most is kept uncompressed.
        Current::Inherited(Inherited { members, .. }) => {
            (TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE), 0, Keeping::Inherited { members })
        }
    };
    Planned {
        sop_class: located.sop_class,
        sop_instance: located.sop_instance,
        study: located.study,
        series: located.series,
        transfer_syntax,
        length,
        keeping,
    }
}
