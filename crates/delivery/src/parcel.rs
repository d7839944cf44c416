//! An object on its way: its bytes from the journal, or, where they are gone or damaged there, from a member that has it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use outrigger_dataset::transcode;
use outrigger_ledger::entry::Marks;
use outrigger_ledger::{Due, Ledger, ObjectError};
use outrigger_member::{MemberError, Need, Outgoing};
use outrigger_model::TransferSyntaxUid;
use outrigger_runtime::{BlockError, BlockSource, Body, Threads};

use crate::setup::{MemberSetup, Route};

/// Largest object transcoded: its old and its new bytes are in memory together, and connections work at the same time.
const TRANSCODE_BYTES_MAX: u64 = 512 << 20;

/// Times that an object fails in its own encoding, where the member is not to blame, before another one is tried first.
const OWN_ENCODING_FAULTS: u32 = 2;

/// An object and what it needs of a connection.
#[derive(Debug)]
pub struct Parcel {
    /// The posting.
    pub due: Due,
    /// The bytes as received.
    pub bytes: Arc<dyn BlockSource>,
    /// The AE title of its sender.
    pub sender: outrigger_model::AeTitle,
    /// The encoding of `bytes`.
    pub encoding: TransferSyntaxUid,
    /// What it needs of a connection: that encoding first, or another after the object failed in that one repeatedly.
    pub need: Need,
}

/// Why an object cannot be had or encoded.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// Not in the journal, and no other member gives it.
    #[error("the bytes of entry {entry} are not to be had")]
    Gone {
        /// The entry.
        entry: outrigger_model::Seq,
        /// What the journal said.
        #[source]
        source: ObjectError,
    },
    /// Not in the journal, and a member that may have it could not be reached.
    #[error(
        "the bytes of entry {entry} are not to be had now: a member that may have them cannot be reached"
    )]
    HolderAway {
        /// The entry.
        entry: outrigger_model::Seq,
        /// What the journal said.
        #[source]
        source: ObjectError,
    },
    /// Not in the journal, and a member that may have it answers and could not give it this time.
    #[error(
        "the bytes of entry {entry} are not to be had now: a member that may have them breaks off or refuses to give them"
    )]
    HolderFails {
        /// The entry.
        entry: outrigger_model::Seq,
        /// What the journal said.
        #[source]
        source: ObjectError,
    },
    /// The ledger or the disk failed; it may work later.
    #[error("the bytes of entry {entry} cannot be read now")]
    NotNow {
        /// The entry.
        entry: outrigger_model::Seq,
        /// The cause.
        #[source]
        source: ObjectError,
    },
}

/// Why an object cannot be written in another encoding.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Too large to be transcoded in memory.
    #[error("the object has {length} bytes, more than the {TRANSCODE_BYTES_MAX} that are transcoded")]
    TooLarge {
        /// Its length, in bytes.
        length: u64,
    },
    /// Its bytes cannot be read.
    #[error("the object's bytes cannot be read")]
    Read(#[source] BlockError),
    /// It cannot become that.
    #[error("the object cannot be transcoded")]
    Transcode(#[source] transcode::TranscodeError),
    /// The working thread is gone.
    #[error("the transcoding did not finish")]
    Thread(#[source] outrigger_runtime::threads::WorkLost),
}

/// Where the bytes of an object may be beside the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    /// At those that have it by the books.
    ByTheBooks,
    /// At others than the one it is for that have it by the books.
    Beside,
    /// At any that ever had it: the journal let the bytes go when all had confirmed them, whatever was decided since. The one that is
    /// to get it is asked too, if nobody else gives it.
    Once,
}

/// What came of asking members for an object.
pub(crate) enum Asked {
    Given(TransferSyntaxUid, Arc<dyn BlockSource>),
    Not(Want),
}

/// Why nobody gave an object; of several reasons that of most hope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    /// Nobody has it.
    Nobody,
    /// One that may have it answers, and could not give it this time.
    Fails,
    /// One that may have it could not be reached.
    Away,
}

/// Gets an object's bytes for `due`.
pub async fn prepare(
    ledger: &Ledger,
    members: &[MemberSetup],
    due: Due,
) -> Result<Parcel, (Due, ParcelError)> {
    let entry = due.posting.entry;
    let source = match ledger.object(entry).await {
        Ok(object) => {
            let encoding = due.transfer_syntax.clone();
            return Ok(packed(due, encoding, object.bytes));
        }
        Err(source @ ObjectError::Thread { .. }) => {
            return Err((due, ParcelError::NotNow { entry, source }));
        }
        Err(source) => source,
    };
    let had = if matches!(source, ObjectError::Released(_)) { Had::Once } else { Had::ByTheBooks };
    match elsewhere(ledger, members, &due, had).await {
        Asked::Given(encoding, bytes) => Ok(packed(due, encoding, bytes)),
        Asked::Not(want) => Err((due, wanting(want, entry, source))),
    }
}

fn wanting(want: Want, entry: outrigger_model::Seq, source: ObjectError) -> ParcelError {
    let is_gone = matches!(source, ObjectError::Released(_) | ObjectError::Damaged { .. });
    match want {
        Want::Away => ParcelError::HolderAway { entry, source },
        Want::Fails => ParcelError::HolderFails { entry, source },
        Want::Nobody if is_gone => ParcelError::Gone { entry, source },
        Want::Nobody => ParcelError::NotNow { entry, source },
    }
}

/// The same object with its bytes from another member: those of the parcel turned out on their way not to be readable.
pub async fn renewed(ledger: &Ledger, members: &[MemberSetup], due: Due) -> Option<Parcel> {
    match elsewhere(ledger, members, &due, Had::ByTheBooks).await {
        Asked::Given(encoding, bytes) => Some(packed(due, encoding, bytes)),
        Asked::Not(_) => None,
    }
}

/// All but the bytes is in the books: a record that cannot be read costs nothing more.
fn packed(due: Due, encoding: TransferSyntaxUid, bytes: Arc<dyn BlockSource>) -> Parcel {
    let need = need(&due, &encoding, 0);
    Parcel { sender: due.calling_ae.clone(), encoding, due, bytes, need }
}

fn need(due: &Due, encoding: &TransferSyntaxUid, faults: u32) -> Need {
    let mut encodings = order(encoding, faults).into_iter();
    Need {
        sop_class: due.header.sop_class.clone(),
        transfer_syntax: encodings.next().unwrap_or_else(|| encoding.clone()),
        alternatives: encodings.collect(),
    }
}

impl Parcel {
    /// Chooses the encodings by how often the object failed while the member fared well. What a member that is away loses, or one that
    /// refuses all, says nothing of them; and a copy in another encoding cannot be told from a wrong one once the bytes have left
    /// the journal.
    pub fn prefer_after(&mut self, faults: u32) {
        self.need = need(&self.due, &self.encoding, faults);
    }
}

/// The encodings an object can be sent in, the one to try first in front: its own, and, since some archives accept an
/// encoding and then break off, the others in turn after that was tried in vain.
fn order(own: &TransferSyntaxUid, faults: u32) -> Vec<TransferSyntaxUid> {
    let mut encodings = vec![own.clone()];
    encodings.extend(transcode::targets(own));
    let turn = usize::try_from(faults.saturating_sub(OWN_ENCODING_FAULTS - 1)).unwrap_or(0) % encodings.len();
    encodings.rotate_left(turn);
    encodings
}

/// The object as others than the one it is for have it by the books, for comparison with what that one gives.
pub(crate) async fn beside(ledger: &Ledger, members: &[MemberSetup], due: &Due) -> Asked {
    elsewhere(ledger, members, due, Had::Beside).await
}

/// The bytes from whoever has them, or where they came again while others were asked.
async fn elsewhere(ledger: &Ledger, members: &[MemberSetup], due: &Due, had: Had) -> Asked {
    let entry = due.posting.entry;
    let came_before = ledger.came_again(entry);
    let asked = from_members(ledger, members, due, had).await;
    if matches!(asked, Asked::Given(..)) || ledger.came_again(entry) == came_before {
        return asked;
    }
    match ledger.object(entry).await {
        Ok(object) => Asked::Given(object.transfer_syntax, object.bytes),
        Err(_) => asked,
    }
}

/// The members that may have the object, by each of their routes: those it was read back from and the preferred ones first, the one it
/// is for last.
fn holders<'a>(
    members: &'a [MemberSetup],
    marks: &Marks,
    due: &Due,
    had: Had,
) -> Vec<(&'a MemberSetup, &'a Route)> {
    let by_the_books = marks.verified.and(marks.confirmed);
    let may_have = match had {
        Had::ByTheBooks | Had::Beside => by_the_books,
        Had::Once => by_the_books.and(marks.wanted).and(marks.origin),
    };
    let mut holders: Vec<&MemberSetup> =
        members.iter().filter(|member| may_have.contains(member.number)).collect();
    if had == Had::Beside {
        holders.retain(|member| member.number != due.posting.member);
    }
    holders.sort_by_key(|member| {
        let number = member.number;
        let doubt =
            [number == due.posting.member, !by_the_books.contains(number), !marks.verified.contains(number)];
        (doubt, member.preference)
    });
    holders.into_iter().flat_map(|holder| holder.routes.iter().map(move |route| (holder, route))).collect()
}

/// Asks members that may have the object; only bytes with the digest of what was accepted count, so whoever has them may give
/// them, or, where nobody does, with that of a copy which said the same when it was compared: a member that encodes all it takes
/// anew has no other.
async fn from_members(ledger: &Ledger, members: &[MemberSetup], due: &Due, had: Had) -> Asked {
    let entry = due.posting.entry;
    let (Ok(copies), Ok(marks)) = (ledger.copies(entry).await, ledger.marks(entry).await) else {
        return Asked::Not(Want::Away);
    };
    let is_copy = |syntax: &TransferSyntaxUid, body: &Body| {
        copies.iter().any(|copy| copy.sha256.0 == body.sha256 && copy.transfer_syntax == *syntax)
    };
    let (mut re_encoded, mut want) = (None, Want::Nobody);
    // An entry that the books do not know is at no member.
    for (holder, route) in holders(members, &marks.unwrap_or_default(), due, had) {
        match fetched(&*route.member, due).await {
            Ok((syntax, body)) if body.sha256 == due.sha256.0 && syntax == due.transfer_syntax => {
                tracing::info!(member = %holder.name, %entry, "an object that the journal cannot give is taken from a member");
                return Asked::Given(syntax, Arc::new(body));
            }
            Ok((syntax, body)) if is_copy(&syntax, &body) => {
                tracing::info!(member = %holder.name, %entry, "a member has an object in another encoding, as it was compared");
                re_encoded.get_or_insert((syntax, body));
            }
            Ok(_) => tracing::info!(member = %holder.name, "a copy read back is encoded in another way"),
            Err(error) => {
                tracing::info!(member = %holder.name, %error, "a copy could not be read back");
                want = want.max(wants(&error));
            }
        }
    }
    re_encoded.map_or(Asked::Not(want), |(syntax, body)| Asked::Given(syntax, Arc::new(body)))
}

fn wants(error: &MemberError) -> Want {
    match error {
        MemberError::Connect(_) => Want::Away,
        error if error.may_pass() => Want::Fails,
        _ => Want::Nobody,
    }
}

/// Reads the object of a posting back from a member.
pub async fn fetched(
    member: &dyn outrigger_member::Member,
    due: &Due,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let header = &due.header;
    let (Some(study), Some(series)) = (&header.study, &header.series) else {
        return Err(MemberError::OutsideStudies);
    };
    member.fetch(study, series, &header.sop_instance, &header.sop_class, &encodings(due)).await
}

/// The encodings in which the object of a posting may be read back.
pub fn encodings(due: &Due) -> Vec<TransferSyntaxUid> {
    outrigger_member::encodings(Some(&due.transfer_syntax))
}

/// The parcel as a connection takes it, transcoded where `encoding` is not its own.
pub async fn outgoing(
    parcel: &Parcel,
    encoding: TransferSyntaxUid,
    threads: Threads,
) -> Result<Outgoing, EncodeError> {
    let native = encoding == parcel.encoding;
    let bytes: Arc<dyn BlockSource> = if native {
        Arc::clone(&parcel.bytes)
    } else {
        let (source, from, to) = (Arc::clone(&parcel.bytes), parcel.encoding.clone(), encoding.clone());
        let work = threads.blocking("transcoding", move || transcoded(&*source, &from, &to));
        Arc::new(work.await.map_err(EncodeError::Thread)??)
    };
    Ok(Outgoing {
        sop_class: parcel.need.sop_class.clone(),
        sop_instance: parcel.due.header.sop_instance.clone(),
        transfer_syntax: encoding,
        bytes,
    })
}

fn transcoded(
    source: &dyn BlockSource,
    from: &TransferSyntaxUid,
    to: &TransferSyntaxUid,
) -> Result<Bytes, EncodeError> {
    let whole = whole(source, TRANSCODE_BYTES_MAX)?;
    transcode::transcode(whole, from, to).map(Bytes::from).map_err(EncodeError::Transcode)
}

/// All bytes of a source of at most `limit` bytes.
pub fn whole(source: &dyn BlockSource, limit: u64) -> Result<Bytes, EncodeError> {
    let length = source.length();
    let room = usize::try_from(length).ok().filter(|_| length <= limit);
    let mut all = BytesMut::with_capacity(room.ok_or(EncodeError::TooLarge { length })?);
    for index in 0.. {
        let block = source.read_block(index).map_err(EncodeError::Read)?;
        if block.is_empty() {
            break;
        }
        all.extend_from_slice(&block);
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_encoding_comes_first_only_after_two_faults() {
        let own = TransferSyntaxUid::known("1.2.840.10008.1.2.1.99");
        let first = |faults| order(&own, faults).remove(0);
        assert_eq!([first(0), first(1)], [own.clone(), own.clone()]);
        assert_ne!(first(2), own);
        let all = order(&own, 0).len();
        assert_eq!(first(1 + u32::try_from(all).unwrap()), own, "every encoding has its turn");
        assert_eq!(order(&own, 5).len(), all);
    }
}
