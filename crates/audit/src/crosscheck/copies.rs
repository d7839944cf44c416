//! Copies of one instance side by side, and what was accepted beside them.

use bytes::{Bytes, BytesMut};
use outrigger_dataset::normal::{Fingerprint, Outline, Outliner, Verdict, compare, compare_outlines};
use outrigger_dataset::transcode;
use outrigger_ledger::finding::Witness;
use outrigger_model::{MemberNumber, Sha256Digest, TransferSyntaxUid};
use outrigger_runtime::{BlockError, BlockSource};
use sha2::{Digest, Sha256};

/// The largest copy that is held in memory, to be decoded or written anew: one is looked at at a time, with one beside it.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// What two copies are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// They say the same, as far as an archive has to keep it.
    Alike,
    /// One was altered.
    Differs,
    /// They cannot be compared.
    Unknown,
}

impl From<Verdict> for Likeness {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            // An archive may coerce the attributes of patient and study, and need not keep private ones (PS3.4 sections B.4.1.3
            // and B.4.1.1); what it shows of the former is compared by its answers.
            Verdict::Identical
            | Verdict::ReEncoded
            | Verdict::Demographic
            | Verdict::PrivateLoss
            | Verdict::DemographicAndPrivateLoss => Self::Alike,
            Verdict::Content | Verdict::Relocated | Verdict::OtherObject => Self::Differs,
            Verdict::NotComparable => Self::Unknown,
        }
    }
}

/// What copies show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing: there are too few that can be compared.
    Unknown,
    /// They say the same.
    InStep,
    /// Somebody gives another instance than was accepted, or than others give.
    Altered {
        /// Who; all that contradict one another where nobody decides.
        wrong: Vec<MemberNumber>,
        /// Who decided.
        witness: Witness,
    },
}

/// What is known of what was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Its bytes, in the journal.
    Bytes,
    /// Its digest.
    Digest,
    /// Nothing.
    Nothing,
}

/// Decides on copies; each with what it is to what was accepted, `like` tells what two of them are to each other.
pub fn judge(
    known: Known,
    copies: &[(MemberNumber, Likeness)],
    like: impl Fn(usize, usize) -> Likeness,
) -> Judgement {
    let places = || 0..copies.len();
    let to_accepted = |place: usize| copies.get(place).map_or(Likeness::Unknown, |(_, likeness)| *likeness);
    let proven = places().find(|place| to_accepted(*place) == Likeness::Alike);
    match (known, proven) {
        (Known::Bytes, _) => by(copies, to_accepted, Witness::Journal),
        (Known::Digest, Some(proven)) => {
            let to_proven = |place| match to_accepted(place) {
                Likeness::Alike => Likeness::Alike,
                Likeness::Differs | Likeness::Unknown => like(place, proven),
            };
            by(copies, to_proven, Witness::Digest)
        }
        (Known::Digest | Known::Nothing, _) => among_themselves(copies, like),
    }
}

/// What copies are to the one that is right.
fn by(
    copies: &[(MemberNumber, Likeness)],
    to_right: impl Fn(usize) -> Likeness,
    witness: Witness,
) -> Judgement {
    let found = |likeness| -> Vec<MemberNumber> {
        let is_so = copies.iter().enumerate().filter(|(place, _)| to_right(*place) == likeness);
        is_so.map(|(_, (member, _))| *member).collect()
    };
    let (wrong, unknown) = (found(Likeness::Differs), found(Likeness::Unknown));
    match (wrong.is_empty(), unknown.is_empty() && !copies.is_empty()) {
        (false, _) => Judgement::Altered { wrong, witness },
        (true, true) => Judgement::InStep,
        (true, false) => Judgement::Unknown,
    }
}

fn among_themselves(
    copies: &[(MemberNumber, Likeness)],
    like: impl Fn(usize, usize) -> Likeness,
) -> Judgement {
    let places = || 0..copies.len();
    let count = |place, likeness| places().filter(|other| like(place, *other) == likeness).count();
    let contradicted = |place: &usize| count(*place, Likeness::Differs) > 0;
    let members = |places: Vec<usize>| -> Vec<MemberNumber> {
        places.into_iter().filter_map(|place| copies.get(place)).map(|(member, _)| *member).collect()
    };
    if let Some(right) = places().find(|place| count(*place, Likeness::Alike) * 2 > copies.len())
        && copies.len() > 1
    {
        return by(copies, |place| like(place, right), Witness::Members);
    }
    let wrong = members(places().filter(contradicted).collect());
    if wrong.is_empty() {
        Judgement::Unknown
    } else {
        Judgement::Altered { wrong, witness: Witness::Undecided }
    }
}

/// A copy as a member gave it, or as it was accepted.
pub(crate) struct Bytewise<'b> {
    pub(crate) transfer_syntax: &'b TransferSyntaxUid,
    pub(crate) bytes: &'b dyn BlockSource,
}

/// What was accepted, as far as it is there.
pub(crate) struct Original<'b> {
    pub(crate) transfer_syntax: &'b TransferSyntaxUid,
    pub(crate) sha256: Sha256Digest,
    pub(crate) bytes: Option<&'b dyn BlockSource>,
}

struct Looked<'b> {
    copy: Bytewise<'b>,
    outline: Outline,
}

/// Compares copies with what was accepted and with one another; synchronous, may block.
pub(crate) fn compared(
    original: Option<&Original<'_>>,
    copies: Vec<(MemberNumber, Bytewise<'_>)>,
) -> Result<Judgement, BlockError> {
    let mut members = Vec::with_capacity(copies.len());
    let mut looked = Vec::with_capacity(copies.len());
    for (member, copy) in copies {
        members.push(member);
        looked.push(Looked::at(copy)?);
    }
    let known = match original {
        Some(Original { bytes: Some(_), .. }) => Known::Bytes,
        Some(_) => Known::Digest,
        None => Known::Nothing,
    };
    let mut likenesses = Vec::with_capacity(looked.len());
    for copy in &looked {
        likenesses.push(match original {
            Some(original) => to_original(copy, original)?,
            None => Likeness::Unknown,
        });
    }
    let pairs = if known == Known::Bytes { Vec::new() } else { pairs(&looked)? };
    let like = |one: usize, other: usize| {
        let found = pairs.iter().find(|(left, right, _)| (*left, *right) == (one.min(other), one.max(other)));
        if one == other {
            Likeness::Alike
        } else {
            found.map_or(Likeness::Unknown, |(.., likeness)| *likeness)
        }
    };
    let copies: Vec<_> = members.into_iter().zip(likenesses).collect();
    Ok(judge(known, &copies, like))
}

fn pairs(looked: &[Looked<'_>]) -> Result<Vec<(usize, usize, Likeness)>, BlockError> {
    let mut pairs = Vec::new();
    for (left, one) in looked.iter().enumerate() {
        for (right, other) in looked.iter().enumerate().skip(left + 1) {
            pairs.push((left, right, likeness(one, other)?));
        }
    }
    Ok(pairs)
}

fn to_original(copy: &Looked<'_>, original: &Original<'_>) -> Result<Likeness, BlockError> {
    if let Some(bytes) = original.bytes {
        let accepted = Looked::at(Bytewise { transfer_syntax: original.transfer_syntax, bytes })?;
        return likeness(copy, &accepted);
    }
    let Some(bytes) = whole(copy.copy.bytes)? else { return Ok(Likeness::Unknown) };
    let is_it = |bytes: &[u8]| Sha256Digest(Sha256::digest(bytes).into()) == original.sha256;
    let remade = || transcode::transcode(bytes.clone(), copy.copy.transfer_syntax, original.transfer_syntax);
    // What cannot be written so proves nothing.
    let is_proven = is_it(&bytes) || remade().is_ok_and(|remade| is_it(&remade));
    Ok(if is_proven { Likeness::Alike } else { Likeness::Unknown })
}

fn likeness(one: &Looked<'_>, other: &Looked<'_>) -> Result<Likeness, BlockError> {
    if let Some(verdict) = compare_outlines(&one.outline, &other.outline) {
        return Ok(verdict.into());
    }
    let (Some(left), Some(right)) = (one.fingerprint()?, other.fingerprint()?) else {
        return Ok(Likeness::Unknown);
    };
    Ok(compare(&left, &right).into())
}

impl<'b> Looked<'b> {
    fn at(copy: Bytewise<'b>) -> Result<Self, BlockError> {
        let mut outliner = Outliner::new(copy.transfer_syntax);
        each_block(copy.bytes, |block| outliner.push(block))?;
        Ok(Self { copy, outline: outliner.finish() })
    }

    fn fingerprint(&self) -> Result<Option<Fingerprint>, BlockError> {
        let whole = whole(self.copy.bytes)?;
        Ok(whole.map(|bytes| Fingerprint::of(self.copy.transfer_syntax, bytes)))
    }
}

/// All bytes of a copy; `None` where they are too many.
fn whole(bytes: &dyn BlockSource) -> Result<Option<Bytes>, BlockError> {
    if bytes.length() > WHOLE_BYTES_MAX {
        return Ok(None);
    }
    let mut whole = BytesMut::new();
    each_block(bytes, |block| whole.extend_from_slice(block))?;
    Ok(Some(whole.freeze()))
}

fn each_block(bytes: &dyn BlockSource, mut visit: impl FnMut(&[u8])) -> Result<(), BlockError> {
    for index in 0.. {
        let block = bytes.read_block(index)?;
        if block.is_empty() {
            break;
        }
        visit(&block);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
