//! Asking over the REST interface: one kept connection for searches and files.

use async_trait::async_trait;
use outrigger_model::{Answer, Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};

use super::{fetch, find};
use crate::arrived::Arrived;
use crate::contract::{Answered, AskSession, Found, MemberError};
use crate::file::Wanted;
use crate::http::Connection;
use crate::series::{self, INSTANCES_MAX};

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

    fn arrived(&self) -> Arrived {
        self.connection.arrived()
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let answered = self.find(&series::query(study, series, ""), INSTANCES_MAX).await?;
        let instance = |answer: &Answer| series::instance_of(answer, series);
        Ok(Found { instances: answered.answers.iter().filter_map(instance).collect() })
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
