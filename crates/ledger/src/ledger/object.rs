//! The bytes of an entry, and what came with them.

use std::sync::Arc;

use outrigger_journal::{Entry, JournalReader, ReadError, Record, RecordKind, Seq as JournalSeq};
use outrigger_model::{InstanceHeader, Oddity, Origin, Seq, Sha256Digest, TransferSyntaxUid, WallTime};
use outrigger_runtime::BlockSource;

use crate::entry::Marks;
use crate::error::ObjectError;
use crate::ledger::Ledger;
use crate::member_set::MemberSet;
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

/// What is known of an entry whose bytes are not here.
#[derive(Debug, Clone)]
pub struct EntryFacts {
    /// Members it was read back from.
    pub verified: MemberSet,
    entry: Seq,
    at: WallTime,
    record: ObjectRecord,
    sha256: Sha256Digest,
    length: u64,
}

impl EntryFacts {
    /// The object, given bytes from elsewhere that have its digest.
    pub fn object(self, bytes: Arc<dyn BlockSource>) -> StoredObject {
        StoredObject {
            entry: self.entry,
            at: self.at,
            header: self.record.instance,
            oddities: self.record.oddities,
            transfer_syntax: self.record.transfer_syntax,
            origin: self.record.origin,
            sha256: self.sha256,
            length: self.length,
            bytes,
        }
    }
}

impl Ledger {
    /// Opens the bytes of an entry, from the journal alone: the database is not asked.
    pub async fn object(&self, entry: Seq) -> Result<StoredObject, ObjectError> {
        let reader = self.shared.journal.reader();
        let opened = self.shared.threads.blocking("opening an object", move || {
            let facts = facts(&reader, entry, MemberSet::EMPTY)?;
            let bytes = reader.body(JournalSeq(entry.0)).map_err(|error| match error {
                ReadError::Released(_) => ObjectError::Released(entry),
                ReadError::Unknown(_) => ObjectError::Unknown(entry),
                source @ ReadError::Damaged { .. } => ObjectError::Damaged { entry, source },
                source @ ReadError::Io { .. } => ObjectError::Journal { entry, source },
            })?;
            Ok(facts.object(bytes))
        });
        opened.await.map_err(|lost| ObjectError::Thread { entry, source: lost })?
    }

    /// Where an entry stands at the members, by the books alone: known however damaged the journal is.
    pub async fn marks(&self, entry: Seq) -> Result<Option<Marks>, ObjectError> {
        let row = self.query(move |books| books.entry(entry)).await;
        let row = row.map_err(|source| ObjectError::Ledger { entry, source: Box::new(source) })?;
        Ok(row.map(|row| row.marks))
    }

    /// What is known of an entry though its bytes may be gone; `None` if its record cannot be read or there is no such entry.
    pub async fn facts(&self, entry: Seq) -> Result<Option<EntryFacts>, ObjectError> {
        let row = self.query(move |books| books.entry(entry)).await;
        let row = row.map_err(|source| ObjectError::Ledger { entry, source: Box::new(source) })?;
        let Some(row) = row else { return Ok(None) };
        let reader = self.shared.journal.reader();
        let verified = row.marks.verified;
        let read = self.shared.threads.blocking("reading a record", move || facts(&reader, entry, verified));
        match read.await.map_err(|lost| ObjectError::Thread { entry, source: lost })? {
            Ok(facts) => Ok(Some(facts)),
            Err(ObjectError::Unknown(_) | ObjectError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn facts(reader: &JournalReader, entry: Seq, verified: MemberSet) -> Result<EntryFacts, ObjectError> {
    let before = JournalSeq(entry.0.saturating_sub(1));
    let found = reader.records(before, 1).map_err(|source| ObjectError::Journal { entry, source })?;
    let (header, record) = object_record(entry, found)?;
    let body = header.body.ok_or(ObjectError::Unknown(entry))?;
    Ok(EntryFacts {
        verified,
        entry,
        at: WallTime(header.at_us),
        record,
        sha256: Sha256Digest(body.sha256),
        length: body.length,
    })
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
