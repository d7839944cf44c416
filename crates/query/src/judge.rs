//! Whether what a member gave is the version that was planned.
//!
//! The digest of what was accepted is known for good, its bytes are not: a copy with other bytes is proven by making of it what
//! was accepted, or by a second copy that says the same. What nobody can prove is told apart, so that no series is mixed of both.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use outrigger_dataset::normal::{Outline, Outliner, Verdict, compare_outlines};
use outrigger_dataset::scan::{ScanError, Scanner};
use outrigger_dataset::transcode;
use outrigger_model::{InstanceHeader, MemberName, Sha256Digest, SopInstanceUid, TransferSyntaxUid};
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource, Body, Threads};
use sha2::{Digest, Sha256};

use crate::lines::FetchError;
use crate::plan::{Keeping, Planned};

/// The largest copy of which the accepted bytes are made again to prove it: both are in memory then, and some are opened at once.
const REMADE_BYTES_MAX: u64 = 64 << 20;

/// A copy as a member gave it.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Arc<dyn BlockSource>,
}

/// What a copy is.
#[derive(Debug)]
pub(crate) enum Judged {
    /// The version that was planned, as far as anything is known of it.
    Proven(Copy),
    /// The right object with other bytes, and nothing to tell whether it says the same.
    Doubtful(Doubtful),
}

/// A copy with other bytes, and what it is compared by.
#[derive(Debug)]
pub(crate) struct Doubtful {
    pub(crate) member: MemberName,
    pub(crate) copy: Copy,
    outline: Box<Outline>,
}

/// Why what a member gave is not passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("what it gave is no whole data set")]
    Scan(#[source] ScanError),
    #[error("what it gave is another object, {found}")]
    Another { found: SopInstanceUid },
    #[error("what it gave could not be read again")]
    Read(#[source] BlockError),
    #[error("what it gave could not be looked at")]
    Thread(#[source] WorkLost),
    #[error("by the books it holds another version, and what it gave is not the one accepted")]
    OtherVersion,
    #[error("it has another version of the series than was given before")]
    OtherSeries,
    #[error("what it has of the series cannot be compared with what was given before")]
    Uncompared(#[source] Box<FetchError>),
    #[error("its copy and that of {other} differ from what was accepted and from one another")]
    Undecided { other: MemberName },
}

/// Looks a copy over; what has the bytes that were accepted needs no further look.
pub(crate) async fn judge(
    threads: Threads,
    instance: &Planned,
    member: &MemberName,
    transfer_syntax: TransferSyntaxUid,
    body: Body,
) -> Result<Judged, Unfit> {
    if let Keeping::Accepted { sha256, .. } = instance.keeping
        && Sha256Digest(body.sha256) == sha256
    {
        let transfer_syntax = instance.transfer_syntax.clone();
        return Ok(Judged::Proven(Copy { transfer_syntax, bytes: Arc::new(body) }));
    }
    let (instance, member) = (instance.clone(), member.clone());
    let copy = Copy { transfer_syntax, bytes: Arc::new(body) };
    threads.blocking("copy judged", move || look(&instance, member, copy)).await.map_err(Unfit::Thread)?
}

/// Synchronous, may block.
fn look(instance: &Planned, member: MemberName, copy: Copy) -> Result<Judged, Unfit> {
    let mut scanner = Scanner::new(&copy.transfer_syntax);
    let mut outliner = Outliner::new(&copy.transfer_syntax);
    let mut whole = (copy.bytes.length() <= REMADE_BYTES_MAX).then(BytesMut::new);
    for index in 0.. {
        let block = copy.bytes.read_block(index).map_err(Unfit::Read)?;
        if block.is_empty() {
            break;
        }
        scanner.push(&block);
        outliner.push(&block);
        if let Some(whole) = &mut whole {
            whole.extend_from_slice(&block);
        }
    }
    is_the_object(instance, &scanner.finish().map_err(Unfit::Scan)?.header)?;
    let Keeping::Accepted { sha256, .. } = instance.keeping else { return Ok(Judged::Proven(copy)) };
    let remade = whole.and_then(|whole| remade(instance, &copy.transfer_syntax, whole.freeze(), sha256));
    Ok(match remade {
        Some(bytes) => {
            let transfer_syntax = instance.transfer_syntax.clone();
            Judged::Proven(Copy { transfer_syntax, bytes: Arc::new(bytes) })
        }
        None => Judged::Doubtful(Doubtful { member, copy, outline: Box::new(outliner.finish()) }),
    })
}

/// The UIDs must be those that were planned, whatever the rest says.
pub(crate) fn is_the_object(instance: &Planned, header: &InstanceHeader) -> Result<(), Unfit> {
    let is_it = header.sop_instance == instance.sop_instance
        && header.sop_class == instance.sop_class
        && header.study == instance.study
        && header.series == instance.series;
    if is_it { Ok(()) } else { Err(Unfit::Another { found: header.sop_instance.clone() }) }
}

/// The bytes that were accepted, if writing the copy in their encoding makes them again.
fn remade(instance: &Planned, from: &TransferSyntaxUid, copy: Bytes, sha256: Sha256Digest) -> Option<Bytes> {
    // What cannot be written so proves nothing.
    let bytes = transcode::transcode(copy, from, &instance.transfer_syntax).ok()?;
    (Sha256Digest(Sha256::digest(&bytes).into()) == sha256).then(|| bytes.into())
}

/// What is to be passed on of copies that nobody could prove.
pub(crate) enum Decision {
    /// Two members keep the same content under other bytes: neither can have it from anywhere but from what was accepted.
    Agreed(Copy),
    /// The word of one member.
    Alone(Doubtful),
    /// They contradict one another.
    Undecided(Unfit),
    /// There is none.
    Nothing,
}

/// Decides by what the copies say of one another.
pub(crate) fn decide(doubtful: Vec<Doubtful>) -> Decision {
    for (number, one) in doubtful.iter().enumerate() {
        let agrees = |other: &&Doubtful| {
            compare_outlines(&one.outline, &other.outline).is_some_and(Verdict::is_in_step)
        };
        if doubtful.iter().skip(number + 1).any(|other| agrees(&other)) {
            return Decision::Agreed(one.copy.clone());
        }
    }
    let mut doubtful = doubtful.into_iter();
    match (doubtful.next(), doubtful.next()) {
        (None, _) => Decision::Nothing,
        (Some(one), None) => Decision::Alone(one),
        (Some(_), Some(other)) => Decision::Undecided(Unfit::Undecided { other: other.member }),
    }
}

#[cfg(test)]
mod tests;
