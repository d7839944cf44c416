//! A look at one study: what members answer about it, which of its instances they show, and some of these side by side.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_catalogue::{Cursor, kept_at};
use outrigger_ledger::finding::{Copy, Difference, OpenDifference, Seen, Settled, Shelved};
use outrigger_ledger::{Ledger, LedgerError, ObjectError};
use outrigger_member::{Answered, MemberError, Wholeness};
use outrigger_model::{
    Answer, Level, MemberNumber, Query, QueryKey, QueryRoot, SeriesUid, Sha256Digest, SopInstanceUid,
    StudyUid, Tag,
};
use outrigger_runtime::{Body, Threads};

use super::answers::{Said, disagreements};
use super::copies::{Bytewise, Judgement, Original, compared};
use super::line::{Line, Named, Unknown};
use super::noted::{self, Names, about_answers, about_copies, about_forgotten};
use super::pace::Pace;
use super::sample::{Draw, Share, pick};

/// Instances of a study that are looked at: as many as the largest series has, some megabytes of memory.
const INSTANCES_MAX: usize = 65_535;

/// Instances read from the books at once, so that others have their turn between.
const INSTANCES_PER_PAGE: usize = 500;

/// Instances not shown of a study that are asked for one by one, and named one by one: more are one difference.
const NAMED_MAX: usize = 10;

/// Answers of the catalogue read at once.
const ANSWERS_PER_PAGE: usize = 500;

/// What looks.
pub(crate) struct Looker<'l> {
    pub(crate) ledger: &'l Ledger,
    pub(crate) lines: &'l mut [Line],
    pub(crate) pace: &'l mut Pace,
    pub(crate) threads: Threads,
    pub(crate) draw: Draw,
    pub(crate) share: Share,
}

/// What of a study is to be looked at in any case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    /// What stands open of it.
    pub(crate) open: Vec<OpenDifference>,
    /// What somebody saw to be wrong at a member.
    pub(crate) suspects: BTreeSet<SopInstanceUid>,
}

/// What a look came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Looked {
    /// Copies of instances compared.
    pub(crate) copies: u64,
    /// Findings opened and closed.
    pub(crate) settled: Settled,
}

/// A look under way.
struct Look {
    study: StudyUid,
    instances: Vec<Shelved>,
    /// What stands open of the study.
    open: BTreeSet<String>,
    /// What was looked for to the end.
    looked: BTreeSet<String>,
    found: Vec<Difference>,
    /// By the books they have it, and they do not show it.
    missing: BTreeSet<(MemberNumber, usize)>,
    copies: u64,
}

impl Look {
    /// Notes that a difference was looked for; only those that stand open have to be closed.
    fn concluded(&mut self, about: String) {
        if self.open.contains(&about) {
            self.looked.insert(about);
        }
    }

    fn find(&mut self, difference: Difference) {
        self.looked.insert(difference.about.clone());
        self.found.push(difference);
    }

    /// The places of the instances that a member has by the books, series by series.
    fn held_by(&self, member: MemberNumber) -> BTreeMap<SeriesUid, Vec<usize>> {
        let mut series: BTreeMap<SeriesUid, Vec<usize>> = BTreeMap::new();
        for (place, instance) in self.instances.iter().enumerate() {
            if instance.holders.contains(member) {
                series.entry(instance.series.clone()).or_default().push(place);
            }
        }
        series
    }

    /// What stands open and cannot be looked for any more: nobody is expected to have it.
    fn close_moot(&mut self, open: &[OpenDifference], lines: &[Line]) {
        for difference in open {
            let Some(uid) = &difference.instance else { continue };
            let instance = self.instances.iter().find(|instance| instance.sop_instance == *uid);
            let is_moot = match instance {
                None => true,
                Some(instance) if difference.about == about_copies(instance) => instance.holders.is_empty(),
                Some(instance) => !lines.iter().any(|line| {
                    let member = line.source.number;
                    let is_expected =
                        instance.holders.contains(member) || instance.unsettled.contains(member);
                    is_expected && difference.about == about_forgotten(member, &self.study, Some(instance))
                }),
            };
            if is_moot {
                self.looked.insert(difference.about.clone());
            }
        }
    }
}

impl Looker<'_> {
    /// Looks at a study, these things in any case, and notes what is found.
    pub(crate) async fn look(&mut self, study: &StudyUid, cause: &Cause) -> Result<Looked, LedgerError> {
        let Cause { open, suspects } = cause;
        let instances = self.instances(study).await?;
        let mut look = Look {
            study: study.clone(),
            instances,
            open: open.iter().map(|difference| difference.about.clone()).collect(),
            looked: BTreeSet::new(),
            found: Vec::new(),
            missing: BTreeSet::new(),
            copies: 0,
        };
        look.close_moot(open, self.lines);
        let picked = self.picked(&look, suspects);
        self.expect(&look, &picked);
        self.answers(&mut look).await?;
        self.presence(&mut look).await;
        for place in picked {
            self.copies(&mut look, place).await;
        }
        for line in self.lines.iter_mut() {
            line.hang_up().await;
        }
        if !look.found.is_empty() && self.instances(study).await? != look.instances {
            // What was expected has changed meanwhile: what was seen says nothing of what is expected now.
            return Ok(Looked { copies: look.copies, ..Looked::default() });
        }
        say(&look.found, open);
        if look.looked.is_empty() {
            return Ok(Looked { copies: look.copies, ..Looked::default() });
        }
        let settled = self.ledger.note_differences(look.looked, look.found).await?;
        Ok(Looked { copies: look.copies, settled })
    }

    async fn instances(&mut self, study: &StudyUid) -> Result<Vec<Shelved>, LedgerError> {
        let (mut found, mut next) = (Vec::new(), Some(Cursor::default()));
        while let Some(after) = next.filter(|_| found.len() < INSTANCES_MAX) {
            let page = self.ledger.shelved(study.clone(), after, INSTANCES_PER_PAGE).await?;
            found.extend(page.items);
            next = page.next;
        }
        Ok(found)
    }

    /// The instances whose copies are compared: a share of them, those of which a difference stands open, and the suspects.
    fn picked(&self, look: &Look, suspects: &BTreeSet<SopInstanceUid>) -> Vec<usize> {
        let comparable: Vec<usize> = (0..look.instances.len())
            .filter(|place| {
                let Some(instance) = look.instances.get(*place) else { return false };
                let is_held = |line: &&Line| instance.holders.contains(line.source.number);
                let holders = self.lines.iter().filter(is_held).count();
                holders > usize::from(instance.accepted.is_none())
            })
            .collect();
        let uids = comparable.iter().filter_map(|place| look.instances.get(*place));
        let sampled = pick(self.draw, self.share, uids.map(|instance| instance.sop_instance.as_str()));
        let mut picked: BTreeSet<usize> =
            sampled.into_iter().filter_map(|place| comparable.get(place).copied()).collect();
        let is_open = |place: &&usize| {
            look.instances.get(**place).is_some_and(|instance| {
                suspects.contains(&instance.sop_instance) || look.open.contains(&about_copies(instance))
            })
        };
        picked.extend(comparable.iter().filter(is_open));
        picked.into_iter().collect()
    }

    fn expect(&mut self, look: &Look, picked: &[usize]) {
        let mut classes = BTreeMap::new();
        for instance in picked.iter().filter_map(|place| look.instances.get(*place)) {
            let own = instance.accepted.as_ref().map(|copy| copy.transfer_syntax.clone());
            classes.entry(instance.sop_class.clone()).or_insert(own);
        }
        for line in self.lines.iter_mut() {
            line.expect(classes.clone().into_iter());
        }
    }

    /// Asks those that have all of the study about it and its series.
    async fn answers(&mut self, look: &mut Look) -> Result<(), LedgerError> {
        let has_all = |line: &&Line| {
            !look.instances.is_empty()
                && look.instances.iter().all(|instance| instance.holders.contains(line.source.number))
        };
        let asked: Vec<MemberNumber> =
            self.lines.iter().filter(has_all).map(|line| line.source.number).collect();
        let were_accepted = look.instances.iter().all(|instance| instance.accepted.is_some());
        if asked.len() < 2 {
            return Ok(());
        }
        for level in [Level::Study, Level::Series] {
            let query = about_study(&look.study, level);
            let mut said: Vec<(MemberNumber, Vec<Answer>)> = Vec::new();
            for line in self.lines.iter_mut().filter(|line| asked.contains(&line.source.number)) {
                match line.find(self.pace, &query).await {
                    Ok(Answered { answers, whole: Wholeness::All }) => {
                        said.push((line.source.number, answers));
                    }
                    Ok(_) => {}
                    Err(error) => passed_over(line, &error),
                }
            }
            let known = if were_accepted { self.known(&query).await? } else { Vec::new() };
            self.compare_answers(look, level, (&said, &known), said.len() == asked.len());
        }
        Ok(())
    }

    fn compare_answers(
        &self,
        look: &mut Look,
        level: Level,
        (said, known): (&[(MemberNumber, Vec<Answer>)], &[Answer]),
        are_all: bool,
    ) {
        let uids: Vec<Option<SeriesUid>> = match level {
            Level::Series => {
                let series: BTreeSet<_> =
                    look.instances.iter().map(|instance| instance.series.clone()).collect();
                series.into_iter().map(Some).collect()
            }
            Level::Patient | Level::Study | Level::Image => vec![None],
        };
        for series in uids {
            let about = |answers: &[Answer]| {
                let fits = |answer: &&Answer| is_about(answer, &look.study, series.as_ref());
                answers.iter().find(fits).map(|answer| Said::of(answer, compared_at(level)))
            };
            let by_member: Vec<_> =
                said.iter().filter_map(|(member, answers)| Some((*member, about(answers)?))).collect();
            let found = disagreements(&by_member, about(known).as_ref());
            if !found.is_empty() {
                let difference = noted::disagree(&self.names(), &look.study, series.as_ref(), &found);
                look.find(difference);
            } else if are_all && by_member.len() == said.len() {
                look.concluded(about_answers(&look.study, series.as_ref()));
            }
        }
    }

    /// What the catalogue answers.
    async fn known(&mut self, query: &Query) -> Result<Vec<Answer>, LedgerError> {
        let (mut found, mut next) = (Vec::new(), Some(Cursor::default()));
        while let Some(after) = next.filter(|_| found.len() < INSTANCES_MAX) {
            let page = self.ledger.find(query.clone(), after, ANSWERS_PER_PAGE).await?;
            found.extend(page.items);
            next = page.next;
        }
        Ok(found)
    }

    /// Asks every member for the instances that it has by the books.
    async fn presence(&mut self, look: &mut Look) {
        let mut shown: BTreeMap<MemberNumber, BTreeSet<SopInstanceUid>> = BTreeMap::new();
        let mut missing: Vec<(MemberNumber, Vec<usize>)> = Vec::new();
        for line in self.lines.iter_mut() {
            let member = line.source.number;
            let held = look.held_by(member);
            let series_held = held.len();
            let (mut of_member, mut series_seen) = (Vec::new(), 0);
            for (series, places) in held {
                let Some(found) = shown_of(line, self.pace, &look.study, &series).await else { continue };
                let absent = |place: &usize| {
                    look.instances.get(*place).is_some_and(|held| !found.contains(&held.sop_instance))
                };
                let absent: Vec<usize> = places.iter().copied().filter(absent).collect();
                let Some(surely) = surely_missing(line, self.pace, look, absent).await else { continue };
                series_seen += 1;
                for place in places.iter().filter(|place| !surely.contains(*place)) {
                    if let Some(instance) = look.instances.get(*place) {
                        let about = about_forgotten(member, &look.study, Some(instance));
                        look.concluded(about);
                    }
                }
                of_member.extend(surely);
                shown.entry(member).or_default().extend(found);
            }
            if series_seen == series_held {
                let about = about_forgotten(member, &look.study, None);
                look.concluded(about);
            }
            missing.push((member, of_member));
        }
        for (member, places) in missing {
            self.note_missing(look, member, &places, &shown);
        }
    }

    fn note_missing(
        &self,
        look: &mut Look,
        member: MemberNumber,
        places: &[usize],
        shown: &BTreeMap<MemberNumber, BTreeSet<SopInstanceUid>>,
    ) {
        let names = self.names();
        look.missing.extend(places.iter().map(|place| (member, *place)));
        let instances: Vec<Shelved> =
            places.iter().filter_map(|place| look.instances.get(*place)).cloned().collect();
        if instances.len() > NAMED_MAX {
            for instance in &instances {
                look.concluded(about_forgotten(member, &look.study, Some(instance)));
            }
            if let Some(first) = instances.first() {
                look.find(noted::forgotten_many(&names, &look.study, member, first, instances.len()));
            }
            return;
        }
        for instance in &instances {
            let shows = |(_, shown): &(&MemberNumber, &BTreeSet<SopInstanceUid>)| {
                shown.contains(&instance.sop_instance)
            };
            let shown_by: Vec<MemberNumber> = shown.iter().filter(shows).map(|(other, _)| *other).collect();
            look.find(noted::forgotten(&names, &look.study, member, instance, &shown_by));
        }
    }

    /// Reads the copies of an instance from all that have it, and compares them.
    async fn copies(&mut self, look: &mut Look, place: usize) {
        let Some(instance) = look.instances.get(place).cloned() else { return };
        let named = Named {
            study: &look.study,
            series: &instance.series,
            instance: &instance.sop_instance,
            class: &instance.sop_class,
        };
        let (mut copies, mut expected) = (Vec::new(), 0);
        for line in self.lines.iter_mut() {
            let member = line.source.number;
            if !instance.holders.contains(member) || look.missing.contains(&(member, place)) {
                continue;
            }
            expected += 1;
            match line.fetch(self.pace, named).await {
                Ok((transfer_syntax, body)) => copies.push((member, transfer_syntax, body)),
                Err(error) => passed_over(line, &error),
            }
        }
        look.copies += copies.len() as u64;
        let are_all = copies.len() == expected;
        let given: Vec<Seen> = copies.iter().map(|(member, _, body)| seen(*member, body)).collect();
        match self.judged(instance.accepted.as_ref(), copies).await {
            Judgement::Altered { wrong, witness } => {
                let difference = noted::altered(&self.names(), &look.study, &instance, &wrong, witness);
                let seen = given.into_iter().filter(|given| wrong.contains(&given.member)).collect();
                look.find(Difference { seen, ..difference });
            }
            Judgement::InStep if are_all => look.concluded(about_copies(&instance)),
            Judgement::InStep | Judgement::Unknown => {}
        }
    }

    async fn judged(
        &mut self,
        accepted: Option<&Copy>,
        copies: Vec<(MemberNumber, outrigger_model::TransferSyntaxUid, Body)>,
    ) -> Judgement {
        let mut stored = None;
        if let Some(accepted) = accepted {
            match self.ledger.object(accepted.entry).await {
                Ok(object) => stored = Some(object.bytes),
                Err(ObjectError::Released(_)) => {}
                Err(error) => {
                    tracing::info!(entry = %accepted.entry, error = &error as &dyn std::error::Error, "the journal does not give what was accepted, to compare copies with");
                }
            }
        }
        let accepted = accepted.cloned();
        let work = move || {
            let original = accepted.as_ref().map(|accepted| Original {
                transfer_syntax: &accepted.transfer_syntax,
                sha256: accepted.sha256,
                bytes: stored.as_deref(),
            });
            let copies = copies
                .iter()
                .map(|(member, transfer_syntax, body)| (*member, Bytewise { transfer_syntax, bytes: body }));
            compared(original.as_ref(), copies.collect())
        };
        let judged = match self.threads.blocking("copies compared", work).await {
            Ok(Ok(judged)) => return judged,
            Ok(Err(error)) => error.to_string(),
            Err(lost) => lost.to_string(),
        };
        tracing::warn!(error = judged, "copies of an instance could not be compared");
        Judgement::Unknown
    }

    fn names(&self) -> Names<'_> {
        Names(self.lines.iter().map(|line| (line.source.number, &line.source.name)).collect())
    }
}

fn seen(member: MemberNumber, body: &Body) -> Seen {
    Seen { member, digest: Sha256Digest(body.sha256) }
}

/// Says what is found for the first time, and where something else is found than before.
fn say(found: &[Difference], open: &[OpenDifference]) {
    for difference in found {
        let (kind, witness) = (difference.kind, difference.witness);
        match open.iter().find(|open| open.about == difference.about) {
            None => tracing::warn!(?kind, ?witness, "cross-check: {}", difference.text),
            Some(open) if open.is_changed_by(&difference.seen) => {
                tracing::warn!(
                    ?kind,
                    ?witness,
                    "cross-check, something else than before: {}",
                    difference.text
                );
            }
            Some(_) => {}
        }
    }
}

/// Nothing follows from it: what is unknown is not missing.
fn passed_over(line: &Line, error: &Unknown) {
    let error = error as &dyn std::error::Error;
    tracing::debug!(member = %line.source.name, error, "a member is passed over in the cross-check");
}

/// The instances of a series that a member shows; `None` where that is not known.
async fn shown_of(
    line: &mut Line,
    pace: &mut Pace,
    study: &StudyUid,
    series: &SeriesUid,
) -> Option<BTreeSet<SopInstanceUid>> {
    match line.present(pace, study, series).await {
        Ok(found) => Some(found.instances.into_iter().collect()),
        Err(Unknown::Member(MemberError::NotFound)) => Some(BTreeSet::new()),
        Err(error) => {
            passed_over(line, &error);
            None
        }
    }
}

/// Those that a member does not show either when it is asked for them by name; `None` where it does not say.
async fn surely_missing(
    line: &mut Line,
    pace: &mut Pace,
    look: &Look,
    absent: Vec<usize>,
) -> Option<Vec<usize>> {
    let (mut missing, mut is_whole) = (absent.clone(), true);
    for place in absent.iter().copied().take(NAMED_MAX) {
        let instance = look.instances.get(place)?;
        match line.find(pace, &by_name(&look.study, instance)).await {
            Ok(answered) if answered.answers.iter().any(|answer| names(answer, &instance.sop_instance)) => {
                // Its list was not whole, and says nothing of those that are not asked for by name.
                missing.retain(|other| *other != place);
                is_whole = false;
            }
            Ok(Answered { whole: Wholeness::All, .. }) | Err(Unknown::Member(MemberError::NotFound)) => {}
            Ok(_) => return None,
            Err(error) => {
                passed_over(line, &error);
                return None;
            }
        }
    }
    (is_whole || absent.len() <= NAMED_MAX).then_some(missing)
}

fn names(answer: &Answer, instance: &SopInstanceUid) -> bool {
    value(answer, Tag::SOP_INSTANCE_UID) == Some(instance.as_str())
}

fn value(answer: &Answer, tag: Tag) -> Option<&str> {
    answer.value(tag).map(str::trim)
}

/// Whether an answer is about the study, and about the series where one is meant; some archives give what is beside it too.
fn is_about(answer: &Answer, study: &StudyUid, series: Option<&SeriesUid>) -> bool {
    let fits = |tag, uid: &str| value(answer, tag).is_none_or(|value| value.is_empty() || value == uid);
    let is_series = |series: &SeriesUid| value(answer, Tag::SERIES_INSTANCE_UID) == Some(series.as_str());
    fits(Tag::STUDY_INSTANCE_UID, study.as_str()) && series.is_none_or(is_series)
}

/// The attributes that are compared at a level.
fn compared_at(level: Level) -> impl Iterator<Item = Tag> {
    kept_at(level).filter(|tag| ![Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID].contains(tag))
}

fn key(tag: Tag, value: &str) -> QueryKey {
    QueryKey { tag, value: value.to_owned() }
}

/// A query for what is compared at a level, of one study.
fn about_study(study: &StudyUid, level: Level) -> Query {
    let mut keys = vec![key(Tag::STUDY_INSTANCE_UID, study.as_str())];
    if level == Level::Series {
        keys.push(key(Tag::SERIES_INSTANCE_UID, ""));
    }
    keys.extend(compared_at(level).map(|tag| key(tag, "")));
    Query::new(QueryRoot::Study, level, keys)
}

/// A query for one instance.
fn by_name(study: &StudyUid, instance: &Shelved) -> Query {
    let keys = vec![
        key(Tag::STUDY_INSTANCE_UID, study.as_str()),
        key(Tag::SERIES_INSTANCE_UID, instance.series.as_str()),
        key(Tag::SOP_INSTANCE_UID, instance.sop_instance.as_str()),
    ];
    Query::new(QueryRoot::Study, Level::Image, keys)
}
