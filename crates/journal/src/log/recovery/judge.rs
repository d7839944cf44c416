//! Telling what is torn from what is damaged.

use std::path::Path;

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::ids::Seq;
use crate::log::contents::{Behind, Contents, Gap};
use crate::ranges::Ranges;

/// Where a segment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Others follow, so all of it was durable once.
    Inner,
    /// It is the last, and what stands at its end may never have been acknowledged.
    Last,
}

/// What is to be done about a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) damaged: Vec<Damage>,
    /// Where the seal may be put.
    pub(crate) keep_end: u64,
    /// Bytes behind it that are torn.
    pub(crate) cut_bytes: u64,
}

/// Tells what is torn from what is damaged in a segment that was scanned.
///
/// A bad place with something sound behind it, or of a number that the ledger had applied, was durable once and is damaged; a
/// bad end beyond that was never acknowledged.
pub(crate) fn judge(
    file: &Path,
    contents: &Contents,
    position: Position,
    applied: Seq,
    void: &Ranges,
) -> Verdict {
    let mut verdict = Verdict { keep_end: contents.records_end, ..Verdict::default() };
    let certain = |last: Seq| match position {
        Position::Inner => Certainty::Acknowledged,
        Position::Last if last <= applied || last < contents.last_batch => Certainty::Acknowledged,
        Position::Last => Certainty::Perhaps,
    };
    let at =
        |offset, part, entries, certainty| Damage { file: file.to_owned(), offset, part, entries, certainty };
    for gap in &contents.gaps {
        match (gap.behind, gap.lost) {
            (Behind::Nothing, Some((first, _))) if position == Position::Last && first <= applied => {
                let lost = Some((first, applied));
                verdict.damaged.push(at(gap.offset, DamagedPart::Frame, lost, Certainty::Acknowledged));
                verdict.keep_end = gap.end;
            }
            (Behind::Nothing, _) if position == Position::Last => verdict.cut_bytes += gap.end - gap.offset,
            (Behind::Nothing, _) if contents.seal.is_some() => {
                verdict.damaged.push(at(gap.offset, DamagedPart::Padding, None, Certainty::NoEntry));
            }
            // All that can stand there is the seal, which is missed already.
            (Behind::Nothing, _) => {}
            (Behind::Sound, lost) => {
                let left = lost.map(|(first, last)| void.missing(first, last)).unwrap_or_default();
                if left.is_empty() && gap.bad.is_some() {
                    verdict.damaged.push(at(gap.offset, nothing_lost(gap), None, Certainty::NoEntry));
                }
                let part = if gap.bad.is_some() { DamagedPart::Frame } else { DamagedPart::Missing };
                for (first, last) in left {
                    verdict.damaged.push(at(gap.offset, part, Some((first, last)), certain(last)));
                }
            }
        }
    }
    for (offset, seq) in &contents.bodies {
        verdict.damaged.push(at(*offset, DamagedPart::Body, Some((*seq, *seq)), certain(*seq)));
    }
    verdict.damaged.sort_by_key(|damage| damage.offset);
    verdict
}

fn nothing_lost(gap: &Gap) -> DamagedPart {
    if gap.offset == 0 { DamagedPart::Opening } else { DamagedPart::Padding }
}
