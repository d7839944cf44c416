//! What a member may be sent now, and what is to be confirmed.

use std::time::Duration;

use outrigger_model::{AeTitle, ConfirmLevel, MemberNumber, Seq, Sha256Digest, TransferSyntaxUid, WallTime};
use tokio::time::Instant;

use crate::applier::writer::Writer;
use crate::claims::Claimed;
use crate::entry::{Bytes, EntryRow, InstanceIds};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::order::{Deed, Keyed, interleave, may_start};
use crate::policy::Policies;
use crate::posting::{PostingKey, Stage};
use crate::steady::micros;
use crate::store::{DueQuery, EntryList, First, Lanes, Lately, LedgerReads, Owed, StoreError, read};

/// Of what a member is asked for, one in so many is of the latest.
const HALF: usize = 2;

/// Retries get at most one in so many places while others wait, so that a stock of failing objects cannot hold up fresh work.
const RETRY_SHARE_FRESH: usize = 4;

/// The same for the backlog.
const RETRY_SHARE_BACKLOG: usize = 2;

/// Unverified entries looked at for each that is asked for: those of other members stand between.
const UNVERIFIED_LOOKED_AT: usize = 4;

/// How long the preferred member is left to give an entry back before any other may: it may have fallen after it confirmed it, and
/// modalities wait for storage commitment.
const PREFERRED_FOR: Duration = Duration::from_secs(60);

/// How long an entry is open at a member before it is read back from another: most are closed everywhere sooner, and the preferred
/// member gives them back.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// How long "nothing" is answered from memory while the books do not change: all connections of a member ask at the same news,
/// and the first takes what there is. A posting whose waiting time is over is seen so much later at most.
const NOTHING_FOR: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAsk {
    /// At most so many.
    pub limit: usize,
    /// Fresh work or backlog.
    pub lane: Lane,
}

/// Fresh work or backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Studies that grew lately, the newest first, with all that is owed of them; expedited ones before.
    Fresh,
    /// The others, the oldest first.
    Backlog,
}

/// A posting to be worked on, claimed until it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The posting.
    pub posting: PostingKey,
    /// What it is.
    pub header: InstanceIds,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Length of its bytes.
    pub length: u64,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// When it was accepted here.
    pub accepted_at: WallTime,
    /// Attempts since it last got further; of a closed posting, times it could not be read back since the start.
    pub attempts: u32,
    /// How often it was sent again after the member had said that it was stored.
    pub healed: u32,
    /// The level reached so far.
    pub level: Option<ConfirmLevel>,
    /// Its time.
    pub not_before: WallTime,
    /// Whether the journal still has its bytes; else a member that has it must give them.
    pub bytes: Bytes,
    /// The entry before it under the same SOP Instance UID: a member may still show that one.
    pub earlier: Option<Seq>,
}

impl Ledger {
    /// Claims postings that may be sent to a member now.
    pub async fn due(&self, member: MemberNumber, ask: DueAsk) -> Result<Vec<Due>, LedgerError> {
        let (lately, settle) = (self.lately(), self.policies().settle(member));
        self.write(move |writer| {
            let (lanes, share) = match ask.lane {
                Lane::Fresh => (Lanes::Fresh(lately), RETRY_SHARE_FRESH),
                Lane::Backlog => (Lanes::Backlog(lately), RETRY_SHARE_BACKLOG),
            };
            if writer.found_nothing(member, ask.lane) {
                return Ok(Vec::new());
            }
            let limit = ask.limit + writer.claims.at(member);
            let query = DueQuery { member, lanes, come: writer.steady.come(settle), limit };
            let claimed = writer.claim(member, ask.limit, |books| {
                let rows = books.due(&query)?;
                Ok(Candidates { rows: rows.untried, beside: rows.retries, share })
            })?;
            if claimed.is_empty() {
                writer.note_nothing(member, ask.lane);
            }
            Ok(claimed)
        })
        .await
    }

    /// Claims postings that a member has up to `level`, below the one it must reach, and whose time to be asked again has come.
    ///
    /// Half of them are those that came last: modalities wait for these, and what a member was behind with may be thousands.
    pub async fn awaiting(
        &self,
        member: MemberNumber,
        level: ConfirmLevel,
        limit: usize,
    ) -> Result<Vec<Due>, LedgerError> {
        let settle = self.policies().settle(member);
        self.write(move |writer| {
            let more = limit + writer.claims.at(member);
            let come = writer.steady.come(settle);
            writer.claim(member, limit, |books| {
                let waiting = |first| books.waiting(member, Stage::Stored(level), come, first, more);
                let rows = waiting(First::Longest)?;
                // Where these are all, and all are taken, the latest are among them.
                let are_all = rows.len() < more && rows.len() <= limit;
                let beside = if are_all { Vec::new() } else { waiting(First::Latest)? };
                Ok(Candidates { rows, beside, share: HALF })
            })
        })
        .await
    }

    /// Claims entries that were read back from nobody and are for this member to give: the preferred one of those that confirmed them,
    /// and any of them once that one had its time. Those that another member does not close soon are among them: one that is away
    /// holds up neither storage commitment nor the rest of the journal.
    ///
    /// Half of them are the latest, as modalities wait for those; the others are gone through from the oldest on, beyond those that
    /// other members must give or that are asked for later.
    pub async fn unverified(&self, member: MemberNumber, limit: usize) -> Result<Vec<Due>, LedgerError> {
        let policies = self.policies();
        self.write(move |writer| {
            if !writer.is_active(member) {
                return Ok(Vec::new());
            }
            let more = (limit + writer.claims.at(member)).saturating_mul(UNVERIFIED_LOOKED_AT);
            let after = writer.read_back_to.get(&member).copied().unwrap_or(Seq(0));
            let (latest, oldest) = read(&*writer.store, |books| {
                let latest = books.entries(EntryList::LatestUnverified, Seq(0), more)?;
                Ok((latest, books.entries(EntryList::Unverified, after, more)?))
            })?;
            let (mut claimed, _) = writer.claim_to_give_back(&policies, &latest, member, limit.div_ceil(2));
            let (rest, last) = writer.claim_to_give_back(&policies, &oldest, member, limit - claimed.len());
            claimed.extend(rest);
            // Behind the last they are gone through anew.
            let is_end = oldest.len() < more && last == oldest.last().map(|entry| entry.seq);
            writer.read_back_to.insert(member, if is_end { Seq(0) } else { last.unwrap_or(after) });
            Ok(claimed)
        })
        .await
    }

    /// What counts as fresh: a clock that was set back a little makes nothing backlog.
    pub(crate) fn lately(&self) -> Lately {
        let (now, fresh_for) = (self.shared.steady.wall(), self.shared.fresh_for);
        Lately { since: WallTime(now.0.saturating_sub(micros(fresh_for))), until: now.after(fresh_for) }
    }

    /// Gives claimed postings back untouched.
    pub async fn give_back(&self, due: &[Due]) -> Result<(), LedgerError> {
        let keys: Vec<PostingKey> = due.iter().map(|due| due.posting).collect();
        self.write(move |writer| {
            writer.claims.end_all(keys);
            Ok(())
        })
        .await
    }
}

/// An ask that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nothing {
    /// How often the books had changed, and claims had ended.
    changes: (u64, u64),
    at: Instant,
}

impl Writer {
    /// Whether the same ask found nothing just before, and nothing has changed since.
    fn found_nothing(&self, member: MemberNumber, lane: Lane) -> bool {
        let fresh = |nothing: &Nothing| {
            let age = self.steady.clock().now().saturating_duration_since(nothing.at);
            nothing.changes == (self.changes, self.claims.ended()) && age < NOTHING_FOR
        };
        self.nothing_due.get(&(member, lane)).is_some_and(fresh)
    }

    fn note_nothing(&mut self, member: MemberNumber, lane: Lane) {
        let nothing = Nothing { changes: (self.changes, self.claims.ended()), at: self.steady.clock().now() };
        self.nothing_due.insert((member, lane), nothing);
    }
}

/// What may be claimed.
struct Candidates {
    rows: Vec<Owed>,
    /// One in `share` is taken of these.
    beside: Vec<Owed>,
    share: usize,
}

impl Writer {
    /// Claims what a member is to give back of these entries, and says which was the last looked at.
    fn claim_to_give_back(
        &mut self,
        policies: &Policies,
        entries: &[EntryRow],
        member: MemberNumber,
        limit: usize,
    ) -> (Vec<Due>, Option<Seq>) {
        let now = self.steady.clock().now();
        let (mut claimed, mut last) = (Vec::new(), None);
        for entry in entries {
            if claimed.len() >= limit {
                break;
            }
            last = Some(entry.seq);
            let key = PostingKey { entry: entry.seq, member };
            // What is on its way to another member is not that one's to give back.
            let mut confirmed = entry.marks.confirmed.iter();
            let others =
                confirmed.any(|member| !self.claims.is_free(PostingKey { entry: entry.seq, member }, now));
            if !others && self.may_read_back(policies, entry, member) {
                self.claims.claim(key, now);
                let attempts = self.read_back_later.get(&key).map_or(0, |later| later.failed);
                claimed.push(Due { attempts, ..Due::of_entry(entry, key) });
            }
        }
        (claimed, last)
    }

    /// Whether a member is to give an entry back: it confirmed it, it can, it is not to be asked later, and it is preferred or the preferred one had its time.
    fn may_read_back(&self, policies: &Policies, entry: &EntryRow, member: MemberNumber) -> bool {
        let (steady, wall) = (self.steady.now(), self.steady.wall());
        let may = |member: MemberNumber| {
            let later = self.read_back_later.get(&PostingKey { entry: entry.seq, member });
            entry.marks.confirmed.contains(member)
                && self.is_active(member)
                && !self.unable.contains(&(member, ConfirmLevel::Verified))
                && later.is_none_or(|later| later.at <= steady)
        };
        let preferred = policies
            .iter()
            .filter(|(number, _)| may(*number))
            .min_by_key(|(number, policy)| (policy.preference, *number))
            .map(|(number, _)| number);
        // What was noted by a clock that was ahead has had its time, as far as anybody knows.
        let had = |at: WallTime, time: Duration| at.after(time) <= wall || at > wall;
        let is_ready = entry.balanced_at.is_some() || had(entry.at, OPEN_FOR);
        let overdue = had(entry.balanced_at.unwrap_or(entry.at), PREFERRED_FOR);
        may(member) && is_ready && (overdue || preferred == Some(member))
    }

    /// Claims up to `limit` of what is found, in its order, leaving out what others work on and what must wait for an earlier posting.
    fn claim(
        &mut self,
        member: MemberNumber,
        limit: usize,
        find: impl FnOnce(&dyn LedgerReads) -> Result<Candidates, StoreError>,
    ) -> Result<Vec<Due>, LedgerError> {
        // What is done while nothing can be noted would be done again.
        if self.is_down() || !self.is_active(member) {
            return Ok(Vec::new());
        }
        let free = read(&*self.store, |books| {
            let Candidates { mut rows, mut beside, share } = find(books)?;
            for list in [&mut rows, &mut beside] {
                keep_startable(books, list)?;
            }
            Ok((rows, beside, share))
        });
        let (mut rows, mut beside, share) = free?;
        let now = self.steady.clock().now();
        for list in [&mut rows, &mut beside] {
            list.retain(|owed| {
                let key = owed.posting.key;
                self.claims.is_free(key, now) && !self.committing.contains(&key)
            });
        }
        let taken = interleave(rows, beside, limit, share);
        let claimed =
            taken.into_iter().filter(|owed| self.claims.claim(owed.posting.key, now) == Claimed::Now);
        Ok(claimed.map(|owed| Due::of(&owed)).collect())
    }
}

/// Leaves out postings that must wait for an earlier one of the same instance.
fn keep_startable(books: &dyn LedgerReads, list: &mut Vec<Owed>) -> Result<(), StoreError> {
    let mut startable = Vec::with_capacity(list.len());
    for owed in list.drain(..) {
        let mut open = Vec::new();
        let mut next = owed.entry.relation.earlier();
        while let Some(entry) = next.map(|seq| books.entry(seq)).transpose()?.flatten() {
            let key = PostingKey { entry: entry.seq, member: owed.posting.key.member };
            let posting = books.posting(key, entry.lane)?;
            open.extend(posting.filter(|posting| posting.stage != Stage::Suspense).map(|_| keyed(&entry)));
            next = entry.relation.earlier();
        }
        if may_start(&keyed(&owed.entry), &open) {
            startable.push(owed);
        }
    }
    *list = startable;
    Ok(())
}

fn keyed(entry: &EntryRow) -> Keyed {
    Keyed { entry: entry.seq, deed: Deed::Store(entry.header.sop_instance.clone()), lane: entry.lane }
}

impl Due {
    pub(crate) fn of(owed: &Owed) -> Self {
        let Owed { entry, posting } = owed;
        Self {
            attempts: posting.attempts,
            healed: posting.healed + u32::from(entry.marks.healed.contains(posting.key.member)),
            level: posting.level(),
            not_before: posting.not_before,
            ..Self::of_entry(entry, posting.key)
        }
    }

    pub(crate) fn of_entry(entry: &EntryRow, posting: PostingKey) -> Self {
        Self {
            posting,
            header: entry.header.clone(),
            transfer_syntax: entry.transfer_syntax.clone(),
            sha256: entry.sha256,
            length: entry.length,
            calling_ae: entry.calling_ae.clone(),
            accepted_at: entry.at,
            attempts: 0,
            healed: u32::from(entry.marks.healed.contains(posting.member)),
            level: entry.marks.level(posting.member),
            not_before: WallTime(0),
            bytes: entry.bytes,
            earlier: entry.relation.earlier(),
        }
    }
}
