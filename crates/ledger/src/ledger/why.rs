//! Where each object of a study is, what was tried, and what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrigger_catalogue::{Cursor, Located};
use outrigger_model::{
    ConfirmLevel, Level, MemberNumber, Query, QueryKey, QueryRoot, Selection, Seq, SeriesUid, Sha256Digest,
    SopInstanceUid, StudyUid, Tag, WallTime,
};
use serde::{Deserialize, Serialize};

use crate::applier::repeats::Repeats;
use crate::calendar::rfc3339;
use crate::difference;
use crate::entry::{Bytes, EntryRow, Relation, Standing};
use crate::error::LedgerError;
use crate::finding::Finding;
use crate::ledger::crosscheck::Crosschecked;
use crate::ledger::report::ATTEMPTS_KEPT;
use crate::ledger::suspense::{next_step, without_status, written_off};
use crate::ledger::{Ledger, WriteOffShown, crosscheck, in_words};
use crate::note::{Note, NoteKind, NotesOf};
use crate::posting::{Attempt, PostingKey, PostingRow, Stage};
use crate::record::MemberState;
use crate::steady::Steady;
use crate::store::{LedgerReads, MemberRow, StoreError};

/// Instances in one answer: a large study; who wants more asks by series.
const INSTANCES_MAX: usize = 5_000;

/// Instances read from the catalogue at once.
const INSTANCES_PER_PAGE: usize = 500;

/// Studies of one accession number at most.
const STUDIES_MAX: usize = 100;

/// Attempts shown of one posting: the first and the latest, as many as are kept of one that is tried again and again.
const ATTEMPTS_SHOWN: usize = 2 * ATTEMPTS_KEPT;

/// Findings shown of one instance.
const FINDINGS_SHOWN: usize = 10;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A UID: of a study, a series or an instance.
    Uid(String),
    /// An accession number.
    Accession {
        /// Accession Number (0008,0050).
        accession: String,
        /// Issuer of Patient ID (0010,0021) of the study's patient.
        issuer: Option<String>,
    },
}

/// Where each object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// Study by study; empty if nothing is known.
    pub studies: Vec<WhyStudy>,
    /// Whether there is more than is shown.
    pub truncated: bool,
}

/// A study in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyStudy {
    /// Study Instance UID; empty for instances outside studies.
    pub study_uid: String,
    /// What stands open about it, and about instances of it that never came through here.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Instance by instance, versions apart.
    pub instances: Vec<WhyInstance>,
}

/// An instance in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyInstance {
    /// SOP Instance UID.
    pub sop_uid: SopInstanceUid,
    /// Its entry.
    pub entry: Seq,
    /// SHA-256 of its bytes.
    pub digest: Sha256Digest,
    /// When it was accepted, as RFC 3339.
    pub accepted_at: String,
    /// Whether the journal has its bytes.
    pub journal: bool,
    /// Findings about it.
    pub findings: Vec<String>,
    /// Member by member.
    pub members: Vec<WhyMember>,
}

/// An instance at a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyMember {
    /// The member.
    pub name: String,
    /// What `retry`, `write-off` and `suspense show` take, ENTRY:MEMBER, where it stands in suspense or was written off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspense_id: Option<String>,
    /// pending, confirmed, suspense, superseded, not_wanted or written_off.
    pub state: String,
    /// The level confirmed so far.
    pub level: Option<ConfirmLevel>,
    /// Why it stands in suspense, or stood there before it was written off, in words.
    pub reason: Option<String>,
    /// What a person can do about it, where it stands in suspense.
    #[serde(default)]
    pub next_step: Option<String>,
    /// By whom it was given up, where it was.
    #[serde(default)]
    pub written_off: Option<WriteOffShown>,
    /// What the member cannot be confirmed at by its kind, in words.
    #[serde(default)]
    pub findings: Vec<String>,
    /// What was tried, the latest last.
    pub attempts: Vec<WhyAttempt>,
    /// When it is tried next, as RFC 3339; absent if it is due, or closed.
    pub next_at: Option<String>,
}

/// An attempt in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAttempt {
    /// When it ended, as RFC 3339.
    pub at: String,
    /// By which route.
    pub route: String,
    /// The member's status, as four hexadecimal digits, if it gave one.
    pub status: Option<String>,
    /// In words.
    pub text: String,
}

impl Ledger {
    /// Tells where each object of a study, series, instance or accession number is.
    pub async fn why(&self, asked: Why) -> Result<WhyAnswer, LedgerError> {
        let (steady, repeats) = (self.shared.steady.clone(), self.shared.repeats.clone());
        self.query(move |books| {
            let (located, truncated) = locate(books, &asked)?;
            let known = Known { steady, repeats, members: books.members()?, cannot: in_words(books)? };
            let mut studies: BTreeMap<String, Vec<WhyInstance>> = BTreeMap::new();
            for instance in &located {
                let study =
                    instance.study.as_ref().map_or_else(String::new, |study| study.as_str().to_owned());
                let explained = studies.entry(study).or_default();
                for version in instance.versions() {
                    let Some(entry) = books.entry(Seq(version.place))? else { continue };
                    explained.push(explain(books, &known, &entry)?);
                }
            }
            let differences = crosscheck::all(books)?;
            let one = located.first().map(|instance| &instance.sop_instance);
            let one = one.filter(|one| matches!(&asked, Why::Uid(uid) if uid == one.as_str()));
            let studies = studies.into_iter().map(|(study_uid, instances)| {
                let entries = instances.iter().map(|instance| instance.entry).collect();
                let study = StudyUid::new(&study_uid).ok();
                let findings = study.map(|study| crosscheck::of_study(&differences, &study, one, &entries));
                WhyStudy { study_uid, findings: findings.unwrap_or_default(), instances }
            });
            // Of what only members have there is nothing to tell but what stands open.
            let studies = studies.filter(|study| !study.instances.is_empty() || !study.findings.is_empty());
            Ok(WhyAnswer { studies: studies.collect(), truncated })
        })
        .await
    }
}

/// Whether an answer is whole.
type Truncated = bool;

fn locate(books: &dyn LedgerReads, asked: &Why) -> Result<(Vec<Located>, Truncated), StoreError> {
    match asked {
        Why::Accession { accession, issuer } => {
            let studies = studies_of(books, accession, issuer.as_deref())?;
            if studies.is_empty() {
                Ok((Vec::new(), false))
            } else {
                select(books, &Selection::Studies(studies))
            }
        }
        Why::Uid(uid) => {
            if let Ok(instance) = SopInstanceUid::new(uid)
                && let Some(located) = books.lookup(&instance)?
            {
                return Ok((vec![located], false));
            }
            let Ok(study) = StudyUid::new(uid) else { return Ok((Vec::new(), false)) };
            let found = select(books, &Selection::Studies(vec![study]))?;
            if !found.0.is_empty() {
                return Ok(found);
            }
            let Some((study, series)) = series_of(books, uid)? else { return Ok((Vec::new(), false)) };
            select(books, &Selection::Series { study: Some(study), series: vec![series] })
        }
    }
}

fn select(books: &dyn LedgerReads, selection: &Selection) -> Result<(Vec<Located>, Truncated), StoreError> {
    let mut found = Vec::new();
    let mut next = Some(Cursor::default());
    while let Some(after) = next {
        if found.len() >= INSTANCES_MAX {
            return Ok((found, true));
        }
        let page = books.select(selection, after, INSTANCES_PER_PAGE)?;
        found.extend(page.items);
        next = page.next;
    }
    Ok((found, false))
}

fn studies_of(
    books: &dyn LedgerReads,
    accession: &str,
    issuer: Option<&str>,
) -> Result<Vec<StudyUid>, StoreError> {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    let mut keys = vec![key(Tag::STUDY_INSTANCE_UID, ""), key(Tag::ACCESSION_NUMBER, accession)];
    keys.extend(issuer.map(|issuer| key(Tag::ISSUER_OF_PATIENT_ID, issuer)));
    let query = Query::new(QueryRoot::Study, Level::Study, keys);
    let uids = find(books, &query, Tag::STUDY_INSTANCE_UID)?;
    Ok(uids.iter().filter_map(|uid| StudyUid::new(uid).ok()).collect())
}

fn series_of(books: &dyn LedgerReads, uid: &str) -> Result<Option<(StudyUid, SeriesUid)>, StoreError> {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    let keys = vec![key(Tag::STUDY_INSTANCE_UID, ""), key(Tag::SERIES_INSTANCE_UID, uid)];
    let query = Query::new(QueryRoot::Study, Level::Series, keys);
    let study = find(books, &query, Tag::STUDY_INSTANCE_UID)?.first().and_then(|uid| StudyUid::new(uid).ok());
    Ok(study.zip(SeriesUid::new(uid).ok()))
}

/// One attribute of each answer to a query.
fn find(books: &dyn LedgerReads, query: &Query, tag: Tag) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut next = Some(Cursor::default());
    while let Some(after) = next.filter(|_| found.len() < STUDIES_MAX) {
        let page = books.find(query, after, STUDIES_MAX)?;
        let values = page.items.into_iter().flat_map(|answer| answer.attributes);
        found.extend(values.filter(|(of, _)| *of == tag).map(|(_, value)| value));
        next = page.next;
    }
    Ok(found)
}

/// What is the same for every instance.
struct Known {
    steady: Steady,
    repeats: Arc<Repeats>,
    members: Vec<MemberRow>,
    /// What members cannot be confirmed at.
    cannot: Vec<(MemberNumber, ConfirmLevel, String)>,
}

fn explain(books: &dyn LedgerReads, known: &Known, entry: &EntryRow) -> Result<WhyInstance, StoreError> {
    let mut shown = Vec::new();
    for member in known.members.iter().filter(|member| member.state != MemberState::Retired) {
        shown.push(explain_member(books, known, member, entry)?);
    }
    let notes = books.notes(NoteKind::Finding, NotesOf::Entry(entry.seq), FINDINGS_SHOWN)?;
    let mut findings: Vec<String> = notes.iter().filter_map(of_instance).collect();
    if let Relation::ReEncodes(earlier) = entry.relation {
        findings.push(format!("the same content as entry {earlier}, in another encoding"));
    }
    findings.extend(known.repeats.of(entry.seq).iter().map(|again| {
        format!("the same bytes came again as entry {again}, and are read there where they are damaged or gone here")
    }));
    Ok(WhyInstance {
        sop_uid: entry.header.sop_instance.clone(),
        entry: entry.seq,
        digest: entry.sha256,
        accepted_at: rfc3339(entry.at),
        journal: entry.bytes == Bytes::Kept,
        findings,
        members: shown,
    })
}

/// A finding about an entry in words; those that name one of many entries are told with the study.
fn of_instance(note: &Note) -> Option<String> {
    let text = Finding::of_note(note).text;
    match Crosschecked::of_note(note) {
        Some(said) => said.instance.is_some().then(|| said.told(&text)),
        None => Some(text),
    }
}

fn explain_member(
    books: &dyn LedgerReads,
    known: &Known,
    member: &MemberRow,
    entry: &EntryRow,
) -> Result<WhyMember, StoreError> {
    let key = PostingKey { entry: entry.seq, member: member.number };
    let standing = entry.marks.standing(member.number);
    let posting = match standing {
        Standing::Pending | Standing::Suspense => books.posting(key, entry.lane)?,
        Standing::Confirmed | Standing::Superseded | Standing::NotWanted | Standing::WrittenOff => None,
    };
    let notes = books.notes(NoteKind::Attempt, NotesOf::Posting(key), ATTEMPTS_SHOWN)?;
    let attempts = notes.iter().rev().map(Attempt::of_note).map(WhyAttempt::from);
    let given_up = match standing {
        Standing::WrittenOff => written_off(books, key)?,
        _ => None,
    };
    let suspended = posting.as_ref().and_then(|posting| posting.suspense.as_ref());
    let stood_for = given_up.as_ref().and_then(|given_up| Some(given_up.stood_for.as_ref()?.1.clone()));
    let next = posting.as_ref().filter(|posting| posting.stage != Stage::Suspense);
    let cannot = known.cannot.iter().filter(|(of, ..)| *of == member.number);
    let is_listed = matches!(standing, Standing::Suspense | Standing::WrittenOff);
    Ok(WhyMember {
        suspense_id: is_listed.then(|| key.to_string()),
        findings: cannot.map(|(.., text)| text.clone()).collect(),
        name: member.name.as_str().to_owned(),
        state: standing.word().to_owned(),
        level: entry.marks.level(member.number).or_else(|| posting.as_ref().and_then(PostingRow::level)),
        reason: suspended.map(|suspended| suspended.told(entry)).or(stood_for),
        next_step: suspended.map(|suspended| next_step(&suspended.reason, entry)),
        written_off: given_up.map(WriteOffShown::from),
        attempts: attempts.collect(),
        next_at: next
            .map(|posting| posting.not_before)
            .filter(|at| *at > WallTime(0))
            .map(|at| rfc3339(known.steady.shown(at))),
    })
}

impl From<Attempt> for WhyAttempt {
    fn from(attempt: Attempt) -> Self {
        let said = difference::in_words(&attempt.text);
        let text = match attempt.status {
            // The status stands beside it.
            Some(status) => {
                let comment = without_status(status, &said);
                let words = status.text();
                if comment.is_empty() || comment.contains(words) {
                    if comment.is_empty() { words.to_owned() } else { comment.to_owned() }
                } else {
                    format!("{words}: {comment}")
                }
            }
            None => said,
        };
        Self {
            at: rfc3339(attempt.at),
            route: attempt.route,
            status: attempt.status.map(|status| status.to_string()),
            text,
        }
    }
}

impl Standing {
    /// The word it is known by in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Pending => "pending",
            Self::Suspense => "suspense",
            Self::Superseded => "superseded",
            Self::NotWanted => "not_wanted",
            Self::WrittenOff => "written_off",
        }
    }
}
