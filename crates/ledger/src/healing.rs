//! Objects sent again to a member that had lost them, and when that is enough: somebody there removes them on purpose.

use std::time::Duration;

use outrigger_model::WallTime;

use crate::entry::LaneNumber;
use crate::posting::PostingKey;

/// Losses of one study closer to each other than this are one: a study that is gone is found out object by object, and a
/// member that is slow or away for a while draws that out.
const ONE_LOSS: Duration = Duration::from_secs(3600);

/// Times a study is sent again to a member before its further loss there needs a person.
const TIMES_MAX: u32 = 2;

/// What is added to the words of a posting that is not sent again any more.
pub(crate) const TOO_OFTEN: &str = "its study was stored there again twice already, so that somebody or something there seems to remove it; find out what, then `outrigger suspense retry`, or `write-off` if it is to be gone there";

/// How often an entry was sent again to a member that had lost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healing {
    /// The entry at the member.
    pub posting: PostingKey,
    /// Its study.
    pub lane: LaneNumber,
    /// How often.
    pub times: u32,
    /// When last.
    pub at: WallTime,
}

/// Whether an object that the member has lost at `now` is not sent again: its study was, twice, before this loss.
///
/// `study` is what was sent again of it before. Objects outside studies stand for themselves.
pub fn is_enough(study: &[Healing], posting: PostingKey, lane: LaneNumber, now: WallTime) -> bool {
    let own = study.iter().find(|healing| healing.posting == posting).map_or(0, |healing| healing.times);
    if own >= TIMES_MAX {
        return true;
    }
    let is_one_more = study.iter().all(|healing| is_apart(healing.at, now));
    lane != LaneNumber(0) && is_one_more && times(study) >= TIMES_MAX
}

/// How often a study was sent again: as often as any one object of it, or as often as others of it at times far apart.
fn times(study: &[Healing]) -> u32 {
    let of_one = study.iter().map(|healing| healing.times).max().unwrap_or(0);
    let mut at: Vec<WallTime> = study.iter().map(|healing| healing.at).collect();
    at.sort();
    let gaps = at.windows(2).filter(|pair| matches!(pair, [one, next] if is_apart(*one, *next))).count();
    let apart = if at.is_empty() { 0 } else { u32::try_from(gaps).unwrap_or(u32::MAX).saturating_add(1) };
    of_one.max(apart)
}

fn is_apart(one: WallTime, next: WallTime) -> bool {
    one.after(ONE_LOSS) < next
}

#[cfg(test)]
mod tests {
    use outrigger_model::{MemberNumber, Seq};

    use super::*;

    const STUDY: LaneNumber = LaneNumber(7);
    const HOUR: i64 = 3_600_000_000;

    fn key(entry: u64) -> PostingKey {
        PostingKey { entry: Seq(entry), member: MemberNumber(0) }
    }

    /// Entry, times, and the hour of the last.
    fn healed(rows: &[(u64, u32, i64)]) -> Vec<Healing> {
        let healing = |(entry, times, hour): &(u64, u32, i64)| Healing {
            posting: key(*entry),
            lane: STUDY,
            times: *times,
            at: WallTime(hour * HOUR),
        };
        rows.iter().map(healing).collect()
    }

    fn enough(rows: &[(u64, u32, i64)], entry: u64, hour: i64) -> bool {
        is_enough(&healed(rows), key(entry), STUDY, WallTime(hour * HOUR))
    }

    #[test]
    fn a_study_is_sent_again_twice_whichever_of_its_objects_are_lost() {
        assert!(!enough(&[], 1, 100));
        assert!(!enough(&[(1, 1, 10), (2, 1, 10)], 1, 100), "lost for the second time");
        assert!(!enough(&[(1, 1, 10)], 2, 100), "another object of it, once before");
        assert!(enough(&[(1, 1, 10), (2, 1, 50)], 3, 100), "each time another object");
        assert!(enough(&[(1, 2, 50), (2, 1, 10)], 2, 100), "one object twice, this one once");
        assert!(enough(&[(1, 2, 50)], 3, 100));
    }

    #[test]
    fn what_is_found_out_together_is_one_loss() {
        assert!(!enough(&[(1, 1, 10), (2, 1, 11), (3, 1, 12)], 4, 13), "one loss found out over hours");
        assert!(!enough(&[(1, 2, 100), (2, 1, 10)], 2, 100), "the second loss goes on");
        assert!(
            enough(&[(1, 2, 100), (2, 1, 10)], 1, 100),
            "the same object for the third time, however soon"
        );
    }

    #[test]
    fn objects_outside_studies_stand_for_themselves() {
        let rows = healed(&[(1, 1, 10), (2, 1, 50)]);
        assert!(!is_enough(&rows, key(3), LaneNumber(0), WallTime(100 * HOUR)));
        assert!(is_enough(&healed(&[(1, 2, 10)]), key(1), LaneNumber(0), WallTime(10 * HOUR)));
    }
}
