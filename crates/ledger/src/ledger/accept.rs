//! Taking an object in: the acknowledgement rests on what is returned here.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outrigger_catalogue::Located;
use outrigger_journal::{
    Append, AppendError, Durable, JournalReader, ReadError, RecordKind, Seq as JournalSeq,
};
use outrigger_model::{
    ConfirmLevel, InstanceHeader, MemberNumber, Oddity, Origin, Seq, Sha256Digest, SopInstanceUid,
    TransferSyntaxUid,
};
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, Body};

use crate::entry::{Relation, Standing};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::record::{AtMember, Decision, DecisionRecord, ObjectRecord, RECORD_VERSION, RecordError, encode};
use crate::store::{LedgerReads, StoreError};
use crate::tail::Earlier;

/// How long an acceptance waits for the catalogue before it goes on without: far below any peer's patience, far above a healthy answer.
const LOOKUP_MAX: Duration = Duration::from_secs(1);

/// How long after such a wait in vain nobody waits.
const LOOKUP_AGAIN: Duration = Duration::from_secs(10);

/// An object that has arrived complete.
#[derive(Debug)]
pub struct Acceptance {
    /// Identifying attributes.
    pub header: InstanceHeader,
    /// What is odd about it.
    pub oddities: Vec<Oddity>,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set exactly as transferred.
    pub body: Body,
    /// Where it came from.
    pub origin: Origin,
}

/// How an object was taken; its bytes are on stable storage in every case.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted {
    /// First of its SOP Instance UID.
    New {
        /// The receipt.
        durable: Durable,
    },
    /// Other bytes under a SOP Instance UID that was here already.
    NewVersion {
        /// The receipt.
        durable: Durable,
        /// The latest entry with other bytes.
        of: Seq,
    },
    /// The catalogue could not be asked whether it is new; the applier settles it.
    Unresolved {
        /// The receipt.
        durable: Durable,
    },
    /// The same bytes were here already, and are damaged there or were let go: the new entry lends that one its bytes, which is owed
    /// as before, or anew.
    ///
    /// It takes the place of the bytes, not that of the version: had they been sound, nothing would have been entered. Versions
    /// that came between stay later ones.
    Renewed {
        /// The receipt.
        durable: Durable,
        /// The entry whose bytes are damaged, or gone.
        of: Seq,
    },
    /// The same bytes were here already, and can be read: no new entry was made.
    Repeated {
        /// The entry that holds them; it was durable before.
        entry: Seq,
    },
}

/// Why an object was not taken; nothing of it may be claimed.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The journal does not take it now: the sender shall try again.
    #[error("the object cannot be stored now")]
    NotNow {
        /// The cause.
        #[source]
        source: AppendError,
    },
    /// It cannot be stored at all.
    #[error("the object cannot be stored")]
    Failed {
        /// The cause.
        #[source]
        source: LedgerError,
    },
}

impl From<AppendError> for AcceptError {
    fn from(source: AppendError) -> Self {
        match source {
            AppendError::Full
            | AppendError::QueueTimeout { .. }
            | AppendError::Failed
            | AppendError::Closed
            | AppendError::Stalled { .. } => Self::NotNow { source },
            AppendError::HeaderTooLong { .. } => Self::Failed { source: source.into() },
        }
    }
}

impl From<RecordError> for AcceptError {
    fn from(source: RecordError) -> Self {
        Self::Failed { source: source.into() }
    }
}

impl Accepted {
    /// The entry that holds the bytes.
    pub fn entry(&self) -> Seq {
        match self {
            Self::New { durable }
            | Self::NewVersion { durable, .. }
            | Self::Renewed { durable, .. }
            | Self::Unresolved { durable } => Seq(durable.seq().0),
            Self::Repeated { entry } => *entry,
        }
    }
}

impl Ledger {
    /// Takes an object: appends it to the journal unless the same bytes stand there under the same SOP Instance UID.
    ///
    /// Bytes that the journal has let go count as not there: that every member had them once is no promise that one has them now,
    /// and nobody sends an object again for pleasure.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, AcceptError> {
        let Acceptance { header, oddities, transfer_syntax, body, origin } = acceptance;
        let instance = header.sop_instance.clone();
        let sha256 = Sha256Digest(body.sha256);
        let _turn = self.shared.accepting.turn(&instance).await;
        let earlier = self.earlier(&instance, sha256).await;
        let (mut renews, mut revives) = (None, None);
        if let Earlier::Same(entry) = earlier {
            match self.unsound(entry).await {
                None => {
                    self.shared.repeated.fetch_add(1, Ordering::Relaxed);
                    self.look_again(entry).await;
                    return Ok(Accepted::Repeated { entry });
                }
                Some(Unsound::LetGo) => revives = Some(entry),
                Some(_) => renews = Some(entry),
            }
        }
        let wanted = self.policies().wanting(&header, &origin);
        let v = RECORD_VERSION;
        let record =
            ObjectRecord { v, instance: header, transfer_syntax, origin, oddities, wanted, renews, revives };
        let append = Append { kind: RecordKind::Object, header: encode(&record)?, body: Some(body) };
        let durable = self.shared.journal.append(append).await?;
        self.shared.tail.accepted(Seq(durable.seq().0), &instance, sha256);
        Ok(match earlier {
            Earlier::Other(of) => Accepted::NewVersion { durable, of },
            Earlier::Nothing => Accepted::New { durable },
            Earlier::Same(of) => Accepted::Renewed { durable, of },
            Earlier::Unknown => Accepted::Unresolved { durable },
        })
    }

    /// Has members that confirmed an entry show it again: who deleted an object at a member and sends it again expects it there, and
    /// the journal lets go what the books say everybody has. Who does not show it is sent it, as after any other loss.
    ///
    /// A member that is asked for no more than acceptance is left alone: its word is all there is, and sent there by whoever repeats,
    /// an object that it forwards to us would go round for ever. The acknowledgement rests on the journal, and not on this.
    async fn look_again(&self, entry: Seq) {
        let Some(found) = self.asked(move |books| confirmed(books, entry)).await else {
            tracing::warn!(%entry, "members are not asked for a repeated object: the books do not say who has it");
            return;
        };
        let policies = self.policies();
        let shows =
            |member| policies.get(member).is_some_and(|policy| policy.confirm > ConfirmLevel::Accepted);
        for (entry, member) in found.into_iter().filter(|(_, member)| shows(*member)) {
            let decision = Decision::Reopened(AtMember { member, entries: vec![entry] });
            if let Err(error) = self.append(RecordKind::Decision, &DecisionRecord::of_system(decision)).await
            {
                tracing::warn!(%entry, error = &error as &dyn std::error::Error, "a member is not asked for a repeated object");
            }
        }
    }

    /// Why the bytes of an entry are nothing that an acknowledgement may rest on; `None` where they can be read from beginning to
    /// end, there or where they came again, which may take as long as storing them would.
    async fn unsound(&self, entry: Seq) -> Option<Unsound> {
        let (reader, repeats) = (self.shared.journal.reader(), self.shared.repeats.of(entry));
        let read = self.shared.threads.blocking("reading a repeated object", move || {
            read_whole(&reader, entry).or_else(|why| {
                let again = repeats.into_iter().find(|again| read_whole(&reader, *again).is_ok());
                again.map(drop).ok_or(why)
            })
        });
        let why = read.await.map_err(Unsound::Thread).flatten().err()?;
        if let Unsound::LetGo = why {
            tracing::info!(%entry, "an object came again whose bytes have left the journal: it is stored and delivered anew");
        } else {
            tracing::warn!(%entry, %why, "an object came again whose bytes cannot be read here: it is stored anew");
        }
        Some(why)
    }

    /// What came before under this SOP Instance UID, from what is not applied yet and from the catalogue.
    async fn earlier(&self, instance: &SopInstanceUid, sha256: Sha256Digest) -> Earlier {
        // In this order: what leaves the tail meanwhile is in the catalogue by then.
        let held = self.shared.tail.find(instance, &sha256);
        if let Earlier::Same(_) = held {
            return held;
        }
        let wanted = instance.clone();
        let located = self.asked(move |books| books.lookup(&wanted)).await;
        located.map_or(Earlier::Unknown, |located| combine(held, located.as_ref(), &sha256))
    }

    /// What the books say; nothing while they are away, or slow, which nobody waits for twice.
    async fn asked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn LedgerReads) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        if self.lookups_are_slow() {
            return None;
        }
        match tokio::time::timeout(LOOKUP_MAX, self.look_up(work)).await {
            Ok(Ok(said)) => Some(said),
            Ok(Err(error)) => {
                // Said once, louder, by the applier.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "an object is accepted without knowing whether it is new"
                );
                None
            }
            Err(_) => {
                tracing::warn!(
                    "objects are accepted without knowing whether they are new: the catalogue is slow"
                );
                let mut slow = self.shared.lookups_slow.lock().unwrap_or_else(PoisonError::into_inner);
                *slow = Some(self.shared.clock.now());
                None
            }
        }
    }

    /// Whether an answer was waited for in vain lately, so that not every sender waits as long.
    fn lookups_are_slow(&self) -> bool {
        let slow = *self.shared.lookups_slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.is_some_and(|since| self.shared.clock.now().saturating_duration_since(since) < LOOKUP_AGAIN)
    }
}

/// Why the bytes of an entry are nothing that an acknowledgement may rest on.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error("they were let go")]
    LetGo,
    #[error("the entry cannot be read: {0}")]
    Entry(ReadError),
    #[error("its bytes cannot be read: {0}")]
    Block(BlockError),
    #[error("the reading did not finish: {0}")]
    Thread(WorkLost),
}

/// The members that confirmed an entry, or those before it that it repeats or encodes anew, each with the entry.
fn confirmed(books: &dyn LedgerReads, entry: Seq) -> Result<Vec<(Seq, MemberNumber)>, StoreError> {
    let (mut found, mut next) = (Vec::new(), Some(entry));
    while let Some(seq) = next {
        let Some(row) = books.entry(seq)? else { break };
        let confirmed = row.marks.confirmed.iter();
        found.extend(
            confirmed
                .filter(|member| row.marks.standing(*member) == Standing::Confirmed)
                .map(|member| (seq, member)),
        );
        next = match row.relation {
            Relation::RepeatOf(earlier) | Relation::ReEncodes(earlier) => Some(earlier),
            Relation::First | Relation::Uncompared(_) | Relation::Contradicts(_) => None,
        };
    }
    Ok(found)
}

/// Reads the bytes of an entry, each block against its checksum.
fn read_whole(reader: &JournalReader, entry: Seq) -> Result<(), Unsound> {
    let body = match reader.body(JournalSeq(entry.0)) {
        Err(ReadError::Released(_)) => return Err(Unsound::LetGo),
        other => other.map_err(Unsound::Entry)?,
    };
    for index in 0.. {
        if body.read_block(index).map_err(Unsound::Block)?.is_empty() {
            break;
        }
    }
    Ok(())
}

/// What the catalogue adds to what is held.
fn combine(held: Earlier, located: Option<&Located>, sha256: &Sha256Digest) -> Earlier {
    let Some(located) = located else { return held };
    let versions = || located.versions();
    if let Some(same) = versions().find(|version| version.sha256 == *sha256) {
        return Earlier::Same(Seq(same.place));
    }
    let latest = versions().map(|version| Seq(version.place)).max();
    match (held, latest) {
        (Earlier::Nothing, Some(latest)) => Earlier::Other(latest),
        (Earlier::Other(_) | Earlier::Unknown | Earlier::Same(_) | Earlier::Nothing, _) => held,
    }
}
