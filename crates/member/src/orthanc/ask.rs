//! Asking over the REST interface: one kept connection for searches and files.

use async_trait::async_trait;
use outrigger_model::{Answer, Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};

use super::{fetch, find};
use crate::arrived::Arrived;
use crate::contract::{Answered, AskSession, Found, MemberError};
use crate::file::Wanted;
use crate::http::{Connection, Questions};
use crate::series::{self, INSTANCES_MAX};

/// A connection for questions.
pub(super) struct Asking(Questions);

impl Asking {
    pub(super) fn new(connection: Connection, spool: Spool) -> Self {
        Self(Questions::new(connection, spool))
    }
}

#[async_trait]
impl AskSession for Asking {
    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn gives(&self, _: &SopClassUid) -> bool {
        true
    }

    fn arrived(&self) -> Arrived {
        self.0.arrived()
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let answered = self.find(&series::query(study, series, ""), INSTANCES_MAX).await?;
        let instance = |answer: &Answer| series::instance_of(answer, series);
        Ok(Found { instances: answered.answers.iter().filter_map(instance).collect() })
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let found = find::find(&mut self.0.connection, query, most).await;
        self.0.noting(found)
    }

    async fn fetch(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let wanted = Wanted { study, series, instance, class };
        let fetched = fetch::fetch(&mut self.0.connection, &self.0.spool, wanted).await;
        self.0.noting(fetched)
    }

    async fn release(self: Box<Self>) {}
}
