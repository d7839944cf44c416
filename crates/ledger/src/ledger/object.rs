//! The bytes of an entry, and what came with them.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_journal::{Entry, JournalReader, ReadError, Record, RecordKind, Seq as JournalSeq};
use outrigger_model::{InstanceHeader, Oddity, Origin, Seq, Sha256Digest, TransferSyntaxUid, WallTime};
use outrigger_runtime::BlockSource;

use crate::applier::repeats::Lent;
use crate::entry::Marks;
use crate::error::{LedgerError, ObjectError};
use crate::ledger::Ledger;
use crate::record::{ObjectRecord, decode};

/// An object as it stands in the journal.
#[derive(Debug, Clone)]
pub struct StoredObject {
    /// Its entry.
    pub entry: Seq,
    /// When it was accepted.
    pub at: WallTime,
    /// Identifying attributes.
    pub header: InstanceHeader,
    /// What is odd about it.
    pub oddities: Vec<Oddity>,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Where it came from.
    pub origin: Origin,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Length of its bytes.
    pub length: u64,
    /// The bytes; each block is checked when it is read.
    pub bytes: Arc<dyn BlockSource>,
}

impl Ledger {
    /// Opens the bytes of an entry, from the journal alone: the database is not asked. Where they are damaged or gone and the same bytes
    /// came again, those are read.
    pub async fn object(&self, entry: Seq) -> Result<StoredObject, ObjectError> {
        self.opened(entry, |_| None).await
    }

    /// Opens the bytes of an entry that is sent at once: what is no more than a block is read on the way and is at hand.
    pub async fn object_at_hand(&self, entry: Seq) -> Result<StoredObject, ObjectError> {
        self.opened(entry, |bytes| bytes.only_block()?.ok()).await
    }

    async fn opened(
        &self,
        entry: Seq,
        read: impl FnOnce(&dyn BlockSource) -> Option<Bytes> + Send + 'static,
    ) -> Result<StoredObject, ObjectError> {
        let (reader, repeats) = (self.shared.journal.reader(), self.shared.repeats.clone());
        // So it is for each of a study's instances that was let go, and needs no thread to find out.
        if repeats.of(entry).is_empty() && reader.is_known_released(JournalSeq(entry.0)) {
            return Err(ObjectError::Released(entry));
        }
        let opened = self.shared.threads.blocking("opening an object", move || {
            let object = opened(&reader, entry).or_else(|error| match error {
                ObjectError::Released(_)
                | ObjectError::Damaged { .. }
                | ObjectError::Journal { .. }
                | ObjectError::Record { .. } => {
                    repeats.of(entry).into_iter().find_map(|again| opened(&reader, again).ok()).ok_or(error)
                }
                other => Err(other),
            })?;
            // What cannot be read says so to whoever reads it.
            let whole = read(&*object.bytes);
            let bytes = Arc::new(Lent { own: object.bytes, whole, entry, reader, repeats });
            Ok(StoredObject { entry, bytes, ..object })
        });
        opened.await.map_err(|lost| ObjectError::Thread { entry, source: lost })?
    }

    /// How often the bytes of an entry came again and lie in the journal more than once.
    pub fn came_again(&self, entry: Seq) -> usize {
        self.shared.repeats.of(entry).len()
    }

    /// Where an entry stands at the members, by the books alone: known however damaged the journal is.
    pub async fn marks(&self, entry: Seq) -> Result<Option<Marks>, LedgerError> {
        Ok(self.query(move |books| books.entry(entry)).await?.map(|row| row.marks))
    }
}

/// Opens what stands in the journal under one entry.
fn opened(reader: &JournalReader, entry: Seq) -> Result<StoredObject, ObjectError> {
    let bytes = reader.body(JournalSeq(entry.0)).map_err(|error| match error {
        ReadError::Released(_) => ObjectError::Released(entry),
        ReadError::Unknown(_) => ObjectError::Unknown(entry),
        source @ ReadError::Damaged { .. } => ObjectError::Damaged { entry, source },
        source @ ReadError::Io { .. } => ObjectError::Journal { entry, source },
    })?;
    let (header, record) = record_of(reader, entry)?;
    let body = header.body.ok_or(ObjectError::Unknown(entry))?;
    Ok(StoredObject {
        entry,
        at: WallTime(header.at_us),
        header: record.instance,
        oddities: record.oddities,
        transfer_syntax: record.transfer_syntax,
        origin: record.origin,
        sha256: Sha256Digest(body.sha256),
        length: body.length,
        bytes,
    })
}

fn record_of(reader: &JournalReader, entry: Seq) -> Result<(Record, ObjectRecord), ObjectError> {
    let before = JournalSeq(entry.0.saturating_sub(1));
    let found = reader.records(before, 1).map_err(|source| ObjectError::Journal { entry, source })?;
    object_record(entry, found)
}

fn object_record(entry: Seq, found: Vec<Entry>) -> Result<(Record, ObjectRecord), ObjectError> {
    match found.into_iter().next() {
        Some(Entry::Record(record)) if record.seq.0 == entry.0 && record.kind == RecordKind::Object => {
            let object = decode(&record.header).map_err(|source| ObjectError::Record { entry, source })?;
            Ok((record, object))
        }
        Some(Entry::Damaged(damage)) => {
            let source = ReadError::Damaged { seq: JournalSeq(entry.0), damage };
            Err(ObjectError::Damaged { entry, source })
        }
        Some(Entry::Record(_)) | None => Err(ObjectError::Unknown(entry)),
    }
}
