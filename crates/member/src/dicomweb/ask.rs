//! Asking over DICOMweb: one kept connection for searches and retrievals.

use async_trait::async_trait;
use outrigger_model::{Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};
use tokio::sync::mpsc;

use super::{retrieve, search};
use crate::arrived::Arrived;
use crate::contract::{Answered, AskSession, CameBack, Found, MemberError};
use crate::file::Wanted;
use crate::http::{Connection, Questions};

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
        let found = search::instances(&mut self.0.connection, study, series).await;
        self.0.noting(found)
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let found = search::find(&mut self.0.connection, query, most).await;
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
        let fetched = retrieve::instance(&mut self.0.connection, &self.0.spool, wanted).await;
        self.0.noting(fetched)
    }

    async fn fetch_series(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        taken: &mpsc::Sender<CameBack>,
    ) -> Result<(), MemberError> {
        let fetched = retrieve::series(&mut self.0.connection, &self.0.spool, (study, series), taken).await;
        self.0.noting(fetched)
    }

    async fn release(self: Box<Self>) {}
}
