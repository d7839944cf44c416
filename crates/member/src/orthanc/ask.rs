//! Asking over the REST interface: one kept connection for searches and files.

use async_trait::async_trait;
use outrigger_model::{
    Level, Query, QueryKey, QueryRoot, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag,
    TransferSyntaxUid,
};
use outrigger_runtime::{Body, Spool};

use super::{fetch, find};
use crate::contract::{Answered, AskSession, Found, MemberError};
use crate::file::Wanted;
use crate::http::Connection;

/// Most instances of a series taken from a member: ten times the largest series seen, and a bound for one that never stops.
const INSTANCES_MAX: usize = 200_000;

/// A connection for questions.
pub(super) struct Asking {
    connection: Connection,
    spool: Spool,
    is_open: bool,
}

impl Asking {
    pub(super) fn new(connection: Connection, spool: Spool) -> Self {
        Self { connection, spool, is_open: true }
    }

    fn noting<T>(&mut self, answer: Result<T, MemberError>) -> Result<T, MemberError> {
        self.is_open = !matches!(answer, Err(MemberError::Lost { .. } | MemberError::Connect(_)));
        answer
    }
}

#[async_trait]
impl AskSession for Asking {
    fn is_open(&self) -> bool {
        self.is_open
    }

    fn gives(&self, _: &SopClassUid) -> bool {
        true
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
        let query = Query::new(
            QueryRoot::Study,
            Level::Image,
            vec![
                key(Tag::STUDY_INSTANCE_UID, study.as_str()),
                key(Tag::SERIES_INSTANCE_UID, series.as_str()),
                key(Tag::SOP_INSTANCE_UID, ""),
            ],
        );
        let answered = self.find(&query, INSTANCES_MAX).await?;
        let instances = answered.answers.iter().flat_map(|answer| &answer.attributes);
        let uids = instances.filter(|(tag, _)| *tag == Tag::SOP_INSTANCE_UID);
        Ok(Found { instances: uids.filter_map(|(_, uid)| SopInstanceUid::new(uid).ok()).collect() })
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let found = find::find(&mut self.connection, query, most).await;
        self.noting(found)
    }

    async fn fetch(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let wanted = Wanted { study, series, instance, class };
        let fetched = fetch::fetch(&mut self.connection, &self.spool, wanted).await;
        self.noting(fetched)
    }

    async fn release(self: Box<Self>) {}
}
