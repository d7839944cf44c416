//! Why the ledger could not do what it was asked.

use outrigger_journal::{AppendError, ReadError};
use outrigger_model::{MemberName, MemberNumber, Seq};
use outrigger_runtime::threads::WorkLost;

use crate::record::RecordError;
use crate::store::StoreError;
use crate::worker::Gone;

/// Why the ledger could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database failed; stores go on, delivery waits.
    #[error("the ledger's database could not be used")]
    Store(#[from] StoreError),
    /// The journal did not take the record.
    #[error("the journal did not take the decision")]
    Journal(#[from] AppendError),
    /// The journal could not be read.
    #[error("the journal could not be read")]
    JournalRead(#[from] ReadError),
    /// A record could not be written or read.
    #[error("a record of the journal could not be used")]
    Record(#[from] RecordError),
    /// The record stands in the journal; the books do not show yet what follows from it.
    #[error("it is recorded, and takes effect as soon as the ledger's database can be written again")]
    Recorded(#[source] Box<LedgerError>),
    /// The ledger is closed.
    #[error("the ledger could not be asked")]
    Closed(#[from] Gone),
    /// A check of the database did not come to its end.
    #[error("the ledger's database was not checked to its end")]
    Scrub(#[source] WorkLost),
    /// No member owns this number.
    #[error("no member in the books has the number {}; `outrigger member list` shows them", number.0)]
    UnknownMember {
        /// The number given.
        number: MemberNumber,
    },
    /// The member is out of the books for ever.
    #[error("the member `{name}` is retired; a retired member cannot come back, give it a new name")]
    Retired {
        /// Its name.
        name: MemberName,
    },
}

/// Why the bytes of an entry cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// They were let go; a member has them.
    #[error("the bytes of entry {0} are released; a member has them")]
    Released(Seq),
    /// They are not as they were written.
    #[error("the bytes of entry {entry} are damaged in the journal")]
    Damaged {
        /// The entry.
        entry: Seq,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// There is no such entry.
    #[error("there is no entry {0}")]
    Unknown(Seq),
    /// The journal could not be read.
    #[error("the journal could not be read for entry {entry}")]
    Journal {
        /// The entry.
        entry: Seq,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// Its record could not be read.
    #[error("the record of entry {entry} could not be read")]
    Record {
        /// The entry.
        entry: Seq,
        /// The cause.
        #[source]
        source: RecordError,
    },
    /// The thread that read it is gone.
    #[error("entry {entry} was not read to its end")]
    Thread {
        /// The entry.
        entry: Seq,
        /// The cause.
        #[source]
        source: WorkLost,
    },
}
