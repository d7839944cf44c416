//! Studies of which a member says it has more than anybody lists: that is told, and no smaller number passes for all there is.

use std::collections::BTreeMap;

use outrigger_ledger::Short;
use outrigger_model::{Answer, Level, MemberName, Query, StudyUid, Tag};

use crate::answered::Shortfall;
use crate::find::FindError;
use crate::reader::Shared;

/// Studies told of by name in one answer: a comment has little room.
const TOLD_MAX: usize = 4;

/// Such studies among those that a query is about.
#[derive(Debug, Default)]
pub(crate) struct ShortStudies(BTreeMap<String, Short>);

impl ShortStudies {
    /// Those among the studies that answers name at the level of studies, or that the query names below it.
    pub(crate) async fn among(shared: &Shared, query: &Query, answers: &[Answer]) -> Result<Self, FindError> {
        let studies = match query.level {
            Level::Patient => Vec::new(),
            Level::Study if !query.keys.iter().any(|key| key.tag == Tag::STUDY_RELATED_INSTANCES) => {
                Vec::new()
            }
            Level::Study => answers.iter().filter_map(named).collect(),
            Level::Series | Level::Image => {
                let key = query.keys.iter().find(|key| key.tag == Tag::STUDY_INSTANCE_UID);
                let named = key.into_iter().flat_map(|key| key.value.split('\\'));
                named.filter_map(|uid| StudyUid::new(uid).ok()).collect()
            }
        };
        if studies.is_empty() {
            return Ok(Self::default());
        }
        let short = shared.ledger.short_of(studies).await.map_err(FindError::Catalogue)?;
        Ok(Self(short.into_iter().map(|short| (short.study.as_str().to_owned(), short)).collect()))
    }

    /// Counts in an answer what the member says it has.
    pub(crate) fn count_in(&self, answer: &mut Answer) {
        let Some(short) = named(answer).and_then(|study| self.0.get(study.as_str())) else { return };
        for (tag, count) in &mut answer.attributes {
            if *tag == Tag::STUDY_RELATED_INSTANCES
                && count.trim().parse::<u64>().is_ok_and(|count| count < short.says)
            {
                *count = short.says.to_string();
            }
        }
    }

    /// What is missing below such studies, beside what is missing anyway.
    pub(crate) fn beside(&self, shared: &Shared, other: Option<Shortfall>) -> Option<Shortfall> {
        let mut members = other.map(|shortfall| shortfall.members).unwrap_or_default();
        let told = self.0.values().take(TOLD_MAX);
        members.extend(told.filter_map(|short| Some((name(shared, short)?, in_words(short)))));
        (!members.is_empty()).then_some(Shortfall { members })
    }
}

fn name(shared: &Shared, short: &Short) -> Option<MemberName> {
    let respondents = shared.respondents.iter().map(|respondent| &respondent.source);
    respondents.filter(|source| source.number == short.member).map(|source| source.name.clone()).next()
}

fn in_words(Short { study, says, listed, .. }: &Short) -> String {
    format!("it says it has {says} instances of study {study}, and {listed} are listed")
}

fn named(answer: &Answer) -> Option<StudyUid> {
    let mut values = answer.attributes.iter().filter(|(tag, _)| *tag == Tag::STUDY_INSTANCE_UID);
    values.next().and_then(|(_, uid)| StudyUid::new(uid.trim_end_matches([' ', '\0'])).ok())
}
