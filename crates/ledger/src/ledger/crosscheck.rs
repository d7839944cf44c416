//! What a cross-check goes by, and the differences it finds: noted once however often they are seen, closed when they are no more.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_catalogue::{Current, Cursor, Located, Page};
use outrigger_model::{
    MemberNumber, MemberSet, Selection, Seq, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid,
    TransferSyntaxUid, WallTime,
};
use serde::{Deserialize, Serialize};

use crate::calendar::rfc3339;
use crate::entry::{EntryRow, Standing};
use crate::error::LedgerError;
use crate::finding::{Finding, FindingKind};
use crate::ledger::Ledger;
use crate::note::{Note, NoteKind, NotesOf};
use crate::policy::Policies;
use crate::store::{LedgerReads, StoreError, read};

/// Differences open at once: a quarter of the findings kept, so that a member that was emptied leaves room for all others.
const DIFFERENCES_MAX: usize = 5_000;

/// How exactly it is kept when a difference was last seen: an hour, so that thousands of them are not written at each look.
const LAST_SEEN_TO: Duration = Duration::from_secs(3_600);

/// By whom it was decided which of two is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// The bytes in the journal.
    Journal,
    /// The digest of what was accepted, which another copy has; the journal has let the bytes go.
    Digest,
    /// The books: what they know of what was accepted, or that the member showed it.
    Books,
    /// More members than those that are wrong.
    Members,
    /// Nobody: they contradict one another.
    Undecided,
}

/// An instance as a cross-check looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Series Instance UID.
    pub series: SeriesUid,
    /// What was accepted of it; `None` where members had it before anything came through here.
    pub accepted: Option<Copy>,
    /// The members that have this version, by the books.
    pub holders: MemberSet,
    /// The members that owe it, or hold another version, so that nothing follows from what they show.
    pub unsettled: MemberSet,
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Its entry.
    pub entry: Seq,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Length of its bytes.
    pub length: u64,
}

/// A difference, as it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What makes it the same when it is seen again.
    pub about: String,
    /// What kind.
    pub kind: FindingKind,
    /// The study.
    pub study: StudyUid,
    /// The instance, if it is of one.
    pub instance: Option<SopInstanceUid>,
    /// Its entry, if it was accepted.
    pub entry: Option<Seq>,
    /// The member that is wrong, if that is decided.
    pub member: Option<MemberNumber>,
    /// Who decided.
    pub witness: Witness,
    /// What, in words, without anything of the patient.
    pub text: String,
    /// What each member that is wrong says or gives, as far as the words leave that open: they may stay the same while it changes.
    pub seen: Vec<Seen>,
}

/// What a member says or gives, as a digest, so that nothing of the patient stands in a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The member.
    pub member: MemberNumber,
    /// The digest.
    pub digest: Sha256Digest,
}

/// A difference that stands open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDifference {
    /// What makes it the same when it is seen again.
    pub about: String,
    /// The study.
    pub study: StudyUid,
    /// The instance, if it is of one.
    pub instance: Option<SopInstanceUid>,
    /// What was seen last.
    pub seen: Vec<Seen>,
}

impl OpenDifference {
    /// Whether a member says or gives something else now than when this was seen last.
    pub fn is_changed_by(&self, seen: &[Seen]) -> bool {
        is_other(&self.seen, seen)
    }
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Differences noted.
    pub opened: usize,
    /// Differences closed.
    pub closed: usize,
    /// Differences that stand open, where something else was seen by now.
    pub changed: usize,
    /// Differences there was no room for.
    pub left_out: usize,
}

/// What such a finding's note says beside what every finding's does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crosschecked {
    about: String,
    pub(crate) study: StudyUid,
    #[serde(default)]
    pub(crate) instance: Option<SopInstanceUid>,
    pub(crate) witness: Witness,
    #[serde(default)]
    seen: Vec<Seen>,
    /// How often something else was seen while it stood open.
    #[serde(default)]
    pub(crate) changes: u64,
    /// When that was last.
    #[serde(default)]
    pub(crate) changed_at: Option<WallTime>,
    /// When it was last seen, to [`LAST_SEEN_TO`].
    #[serde(default)]
    pub(crate) last_seen: Option<WallTime>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    kind: FindingKind,
    text: String,
    #[serde(default)]
    crosscheck: Option<Crosschecked>,
}

impl Witness {
    /// Who decided, as it stands behind a finding.
    fn told(self) -> &'static str {
        match self {
            Self::Journal => "witness: journal",
            Self::Digest => "witness: digest",
            Self::Books => "witness: books",
            Self::Members => "witness: members",
            Self::Undecided => "no witness: undecided",
        }
    }
}

impl Crosschecked {
    /// What a note says of a cross-check, if it is of one.
    pub(crate) fn of_note(note: &Note) -> Option<Self> {
        serde_json::from_str::<Body>(&note.body).ok()?.crosscheck
    }

    /// A finding's text with its witness, and whether it is still what was found first.
    pub(crate) fn told(&self, text: &str) -> String {
        let changed = match self.changed_at {
            None => String::new(),
            Some(at) if self.changes == 1 => format!("; since {} something else is seen there", rfc3339(at)),
            Some(at) => {
                let (at, times) = (rfc3339(at), self.changes);
                format!("; since {at} something else is seen there, changed {times} times in all")
            }
        };
        format!("{text} ({}){changed}", self.witness.told())
    }

    /// The note of a difference that is seen again, where it says something new; as old as it was.
    fn seen_again(&self, note: &Note, difference: &Difference, now: WallTime) -> Option<Self> {
        let is_told_else = Finding::of_note(note).text != difference.text;
        let is_other = is_other(&self.seen, &difference.seen);
        let is_stale = self.last_seen.is_none_or(|at| now.since(at) >= LAST_SEEN_TO);
        let mut seen = difference.seen.clone();
        let is_silent = |before: &&Seen| difference.seen.iter().all(|new| new.member != before.member);
        seen.extend(self.seen.iter().filter(is_silent));
        (is_told_else || is_other || is_stale || seen.len() != self.seen.len()).then(|| Self {
            seen,
            changes: self.changes.saturating_add(u64::from(is_other)),
            changed_at: if is_other { Some(now) } else { self.changed_at },
            last_seen: Some(now),
            ..difference.crosschecked(now)
        })
    }
}

/// Whether a member says or gives something else than before.
fn is_other(before: &[Seen], now: &[Seen]) -> bool {
    now.iter().any(|new| before.iter().any(|old| old.member == new.member && old.digest != new.digest))
}

impl Difference {
    fn crosschecked(&self, now: WallTime) -> Crosschecked {
        Crosschecked {
            about: self.about.clone(),
            study: self.study.clone(),
            instance: self.instance.clone(),
            witness: self.witness,
            seen: self.seen.clone(),
            changes: 0,
            changed_at: None,
            last_seen: Some(now),
        }
    }

    fn note(&self, at: WallTime, crosscheck: Crosschecked) -> Note {
        let Self { kind, entry, member, text, .. } = self.clone();
        let body = Body { kind, text: text.clone(), crosscheck: Some(crosscheck) };
        let body = serde_json::to_string(&body).unwrap_or_else(|error| error.to_string());
        Note { body, ..Finding { kind, entry, member, text, at }.note() }
    }
}

impl Ledger {
    /// Lists the instances of a study and who has them by the books, from `after` on, at most `limit`.
    pub async fn shelved(
        &self,
        study: StudyUid,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Shelved>, LedgerError> {
        let (policies, now) = (self.policies(), WallTime(self.shared.clock.wall_us()));
        self.query(move |books| {
            let page = books.select(&Selection::Studies(vec![study]), after, limit)?;
            let mut items = Vec::with_capacity(page.items.len());
            for located in page.items {
                items.extend(shelved(books, located, &policies, now)?);
            }
            Ok(Page { items, next: page.next })
        })
        .await
    }

    /// Notes differences: those seen before stay as old as they are, and those that were looked for and are no more are closed.
    ///
    /// `looked` has what every one that was looked for is [`about`](Difference::about), those found included.
    pub async fn note_differences(
        &self,
        looked: BTreeSet<String>,
        found: Vec<Difference>,
    ) -> Result<Settled, LedgerError> {
        self.write(move |writer| {
            let notes = read(&*writer.store, all)?;
            let settling = settle(&looked, &found, &notes, writer.now());
            if settling.opened.is_empty() && settling.closed.is_empty() {
                return Ok(settling.settled);
            }
            writer.change(|desk| {
                desk.changes.notes.extend(settling.opened.iter().cloned());
                desk.changes.notes_closed.extend(settling.closed.iter().copied());
                Ok(())
            })?;
            Ok(settling.settled)
        })
        .await
    }

    /// The differences that stand open.
    pub async fn differences(&self) -> Result<Vec<OpenDifference>, LedgerError> {
        let open = self.query(|books| all(books)).await?.into_iter().map(|(_, said)| OpenDifference {
            about: said.about,
            study: said.study,
            instance: said.instance,
            seen: said.seen,
        });
        Ok(open.collect())
    }
}

fn shelved(
    books: &dyn LedgerReads,
    located: Located,
    policies: &Policies,
    now: WallTime,
) -> Result<Option<Shelved>, StoreError> {
    let Some(series) = located.series else { return Ok(None) };
    let (accepted, holders, unsettled) = match located.current {
        Current::Inherited(inherited) => (None, inherited.members, MemberSet::default()),
        Current::Kept(version) => {
            let Some(row) = books.entry(Seq(version.place))? else { return Ok(None) };
            let (holders, unsettled) = standings(&row, policies, now);
            let copy = Copy {
                entry: row.seq,
                transfer_syntax: version.transfer_syntax,
                sha256: version.sha256,
                length: version.length,
            };
            (Some(copy), holders, unsettled)
        }
    };
    let (sop_class, sop_instance) = (located.sop_class, located.sop_instance);
    Ok(Some(Shelved { sop_class, sop_instance, series, accepted, holders, unsettled }))
}

/// Who has the entry, and of whom nothing can be said.
fn standings(row: &EntryRow, policies: &Policies, now: WallTime) -> (MemberSet, MemberSet) {
    let marks = &row.marks;
    let seen = marks.present.and(marks.committed).and(marks.verified);
    let (mut holders, mut unsettled) = (MemberSet::default(), MemberSet::default());
    for (member, policy) in policies.iter() {
        // Who only accepted it may still be at work with it.
        let has_settled = row.balanced_at.is_some_and(|at| now.since(at) >= policy.settle);
        match marks.standing(member) {
            Standing::Confirmed if seen.contains(member) || has_settled => holders.insert(member),
            Standing::NotWanted => {}
            _ => unsettled.insert(member),
        }
    }
    (holders, unsettled)
}

/// Every difference that stands open.
pub(crate) fn all(books: &dyn LedgerReads) -> Result<Vec<(Note, Crosschecked)>, StoreError> {
    let kept = usize::try_from(NoteKind::Finding.kept()).unwrap_or(usize::MAX);
    let notes = books.notes(NoteKind::Finding, NotesOf::Anything, kept)?;
    Ok(notes.into_iter().filter_map(|note| Crosschecked::of_note(&note).map(|said| (note, said))).collect())
}

struct Settling {
    opened: Vec<Note>,
    closed: Vec<(NoteKind, u64)>,
    settled: Settled,
}

/// Which notes are written and which are closed.
fn settle(
    looked: &BTreeSet<String>,
    found: &[Difference],
    notes: &[(Note, Crosschecked)],
    now: WallTime,
) -> Settling {
    let mut settling = Settling { opened: Vec::new(), closed: Vec::new(), settled: Settled::default() };
    let mut room = DIFFERENCES_MAX.saturating_sub(notes.len());
    for (note, said) in notes.iter().filter(|(_, said)| looked.contains(&said.about)) {
        if !found.iter().any(|difference| difference.about == said.about) {
            settling.closed.push((note.kind, note.id));
            settling.settled.closed += 1;
            room += 1;
        }
    }
    for difference in found {
        match notes.iter().find(|(_, said)| said.about == difference.about) {
            Some((note, said)) => {
                let Some(again) = said.seen_again(note, difference, now) else { continue };
                settling.settled.changed += usize::from(again.changes > said.changes);
                settling.closed.push((note.kind, note.id));
                settling.opened.push(difference.note(note.at, again));
            }
            None if room == 0 => settling.settled.left_out += 1,
            None => {
                room -= 1;
                settling.settled.opened += 1;
                settling.opened.push(difference.note(now, difference.crosschecked(now)));
            }
        }
    }
    settling
}

/// Differences among notes, the newest first, in words.
pub(crate) fn in_words(notes: &[Note]) -> Vec<(FindingKind, String)> {
    let told = notes.iter().filter_map(|note| {
        let finding = Finding::of_note(note);
        Some((finding.kind, Crosschecked::of_note(note)?.told(&finding.text)))
    });
    told.collect()
}

/// Differences of a study that stand open and are not told with one entry; those of `instance` alone, where one is meant.
pub(crate) fn of_study(
    notes: &[(Note, Crosschecked)],
    study: &StudyUid,
    instance: Option<&SopInstanceUid>,
    entries: &BTreeSet<Seq>,
) -> Vec<String> {
    let is_meant = |said: &Crosschecked| {
        said.study == *study
            && (instance.is_none() || said.instance.is_none() || said.instance.as_ref() == instance)
    };
    let is_told_there = |note: &Note, said: &Crosschecked| {
        said.instance.is_some() && note.entry.is_some_and(|entry| entries.contains(&entry))
    };
    let told = notes.iter().filter(|(note, said)| is_meant(said) && !is_told_there(note, said));
    told.map(|(note, said)| said.told(&Finding::of_note(note).text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(about: &str, text: &str) -> Difference {
        Difference {
            about: about.to_owned(),
            kind: FindingKind::Altered,
            study: StudyUid::known("1.2"),
            instance: None,
            entry: Some(Seq(7)),
            member: Some(MemberNumber(1)),
            witness: Witness::Journal,
            text: text.to_owned(),
            seen: Vec::new(),
        }
    }

    fn looked(abouts: &[&str]) -> BTreeSet<String> {
        abouts.iter().map(|about| (*about).to_owned()).collect()
    }

    /// The notes after one more look, numbered as a database numbers them.
    fn after(
        notes: &[(Note, Crosschecked)],
        abouts: &[&str],
        found: &[Difference],
        now: i64,
    ) -> Vec<(Note, Crosschecked)> {
        let Settling { opened, closed, .. } = settle(&looked(abouts), found, notes, WallTime(now));
        let next = notes.iter().map(|(note, _)| note.id).max().unwrap_or(0) + 1;
        let kept = notes.iter().filter(|(note, _)| !closed.contains(&(note.kind, note.id))).cloned();
        let fresh = opened.into_iter().zip(next..).map(|(note, id)| {
            let note = Note { id, ..note };
            let said = Crosschecked::of_note(&note).unwrap();
            (note, said)
        });
        kept.chain(fresh).collect()
    }

    fn told(notes: &[(Note, Crosschecked)]) -> Vec<(String, i64)> {
        notes.iter().map(|(note, _)| (Finding::of_note(note).text, note.at.0)).collect()
    }

    #[test]
    fn a_difference_is_one_finding_until_a_look_for_it_finds_it_no_more() {
        let first = after(&[], &["a", "b"], &[difference("a", "A"), difference("b", "B")], 10);
        assert_eq!(told(&first), [("A".to_owned(), 10), ("B".to_owned(), 10)]);
        let again = after(&first, &["a"], &[difference("a", "A")], 20);
        assert_eq!(told(&again), told(&first), "seen again, and the other was not looked for");
        let retold = after(&first, &["a"], &[difference("a", "A, undecided")], 20);
        assert_eq!(told(&retold), [("B".to_owned(), 10), ("A, undecided".to_owned(), 10)]);
        assert_eq!(told(&after(&first, &["a"], &[], 30)), [("B".to_owned(), 10)]);
    }

    #[test]
    fn what_is_seen_may_change_under_the_same_words() {
        let of = |seen: &[(u8, u8)]| {
            let seen = seen
                .iter()
                .map(|(member, of)| Seen { member: MemberNumber(*member), digest: Sha256Digest([*of; 32]) });
            Difference { seen: seen.collect(), ..difference("a", "A") }
        };
        let shown = |notes: &[(Note, Crosschecked)]| {
            let [(note, said)] = notes else { panic!("one difference: {notes:?}") };
            (note.at.0, said.changes, said.changed_at.map(|at| at.0), said.told(&Finding::of_note(note).text))
        };
        let first = after(&[], &["a"], &[of(&[(1, 7)])], 10);
        assert_eq!(shown(&first), (10, 0, None, "A (witness: journal)".to_owned()));
        let again = after(&first, &["a"], &[of(&[(1, 7)])], 20);
        assert_eq!(again, first, "nothing new");
        let other = after(&again, &["a"], &[of(&[(1, 8)])], 1_000_000);
        let at = "1970-01-01T00:00:01.000Z";
        let told = format!("A (witness: journal); since {at} something else is seen there");
        assert_eq!(shown(&other), (10, 1, Some(1_000_000), told));
        // A member that did not say anything this time has not changed what it says.
        let one_more = after(&other, &["a"], &[of(&[(2, 1)])], 2_000_000);
        assert_eq!(shown(&one_more).1, 1);
        let back = after(&one_more, &["a"], &[of(&[(1, 8), (2, 1)])], 3_000_000);
        assert_eq!(shown(&back).1, 1);
        let third = after(&back, &["a"], &[of(&[(1, 7), (2, 2)])], 4_000_000);
        assert_eq!((shown(&third).1, shown(&third).2), (2, Some(4_000_000)));
        assert!(shown(&third).3.ends_with("changed 2 times in all"), "{third:?}");
    }

    #[test]
    fn it_is_kept_to_the_hour_when_a_difference_was_seen_last() {
        let first = after(&[], &["a"], &[difference("a", "A")], 0);
        let hour = i64::try_from(LAST_SEEN_TO.as_micros()).unwrap();
        let seen = |now| after(&first, &["a"], &[difference("a", "A")], now)[0].1.last_seen;
        assert_eq!((seen(hour - 1), seen(hour)), (Some(WallTime(0)), Some(WallTime(hour))));
    }

    #[test]
    fn a_member_that_lost_everything_leaves_room_for_other_findings() {
        let found: Vec<_> =
            (0..DIFFERENCES_MAX + 3).map(|number| difference(&number.to_string(), "lost")).collect();
        let settling = settle(&BTreeSet::new(), &found, &[], WallTime(1));
        assert_eq!((settling.settled.opened, settling.settled.left_out), (DIFFERENCES_MAX, 3));
        assert!(DIFFERENCES_MAX as u64 * 2 < NoteKind::Finding.kept());
    }
}
