//! Asking over DICOMweb: one kept connection for searches and retrievals.

use async_trait::async_trait;
use outrigger_model::{Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};
use tokio::sync::mpsc;

use super::{retrieve, search};
use crate::arrived::Arrived;
use crate::contract::{Answered, AskSession, CameBack, Found, MemberError};
use crate::file::Wanted;
use crate::http::Connection;

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
        let found = search::instances(&mut self.connection, study, series).await;
        self.noting(found)
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let found = search::find(&mut self.connection, query, most).await;
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
        let fetched = retrieve::instance(&mut self.connection, &self.spool, wanted).await;
        self.noting(fetched)
    }

    async fn fetch_series(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        taken: &mpsc::Sender<CameBack>,
    ) -> Result<(), MemberError> {
        let fetched = retrieve::series(&mut self.connection, &self.spool, (study, series), taken).await;
        self.noting(fetched)
    }

    async fn release(self: Box<Self>) {}
}
