//! Studies of which a member says it has more than anybody lists: that is told, and no smaller number passes for all there is.

use std::collections::BTreeMap;

use outrigger_ledger::Short;
use outrigger_model::{Answer, Level, MemberName, Query, StudyUid, Tag};

use crate::answered::Shortfall;
use crate::find::FindError;
use crate::gather::studies_named;
use crate::merge::unique_value;
use crate::reader::Shared;

/// Studies told of by name in one answer: a comment has little room.
const TOLD_MAX: usize = 4;

/// Such studies among those that a query is about.
#[derive(Debug, Default)]
pub(crate) struct ShortStudies(BTreeMap<String, Short>);

impl ShortStudies {
    /// Whether a query asks how many instances its studies have.
    pub(crate) fn is_counted(query: &Query) -> bool {
        query.level == Level::Study && query.keys.iter().any(|key| key.tag == Tag::STUDY_RELATED_INSTANCES)
    }

    /// Those among the studies that answers name, where it is asked how many instances they have.
    pub(crate) async fn counted(
        shared: &Shared,
        query: &Query,
        answers: &[Answer],
    ) -> Result<Self, FindError> {
        if !Self::is_counted(query) {
            return Ok(Self::default());
        }
        let named = answers.iter().filter_map(|answer| unique_value(Level::Study, answer));
        Self::of(shared, named.filter_map(|uid| StudyUid::new(uid).ok()).collect()).await
    }

    /// What is missing of the studies that a query names and asks below, beside what is missing anyway.
    pub(crate) async fn beside(
        shared: &Shared,
        query: &Query,
        other: Option<Shortfall>,
    ) -> Result<Option<Shortfall>, FindError> {
        let is_below = matches!(query.level, Level::Series | Level::Image);
        // What is no UID names no study.
        let named = studies_named(query).filter(|_| is_below).flatten();
        let short = Self::of(shared, named.collect()).await?;
        let mut members = other.map(|shortfall| shortfall.members).unwrap_or_default();
        let told = short.0.values().take(TOLD_MAX);
        members.extend(told.filter_map(|short| Some((name(shared, short)?, in_words(short)))));
        Ok((!members.is_empty()).then_some(Shortfall { members }))
    }

    async fn of(shared: &Shared, studies: Vec<StudyUid>) -> Result<Self, FindError> {
        if studies.is_empty() {
            return Ok(Self::default());
        }
        let short = shared.ledger.short_of(studies).await.map_err(FindError::Catalogue)?;
        Ok(Self(short.into_iter().map(|short| (short.study.as_str().to_owned(), short)).collect()))
    }

    /// Counts in an answer what the member says it has.
    pub(crate) fn count_in(&self, answer: &mut Answer) {
        let Some(short) = unique_value(Level::Study, answer).and_then(|study| self.0.get(study)) else {
            return;
        };
        for (tag, count) in &mut answer.attributes {
            if *tag == Tag::STUDY_RELATED_INSTANCES
                && count.trim().parse::<u64>().is_ok_and(|count| count < short.says)
            {
                *count = short.says.to_string();
            }
        }
    }
}

fn name(shared: &Shared, short: &Short) -> Option<MemberName> {
    let respondents = shared.respondents.iter().map(|respondent| &respondent.source);
    respondents.filter(|source| source.number == short.member).map(|source| source.name.clone()).next()
}

fn in_words(Short { study, says, listed, .. }: &Short) -> String {
    format!("it says it has {says} instances of study {study}, and {listed} are listed")
}
