//! Asking: one association for queries and for reading back, as long as there is something to ask.

use async_trait::async_trait;
use outrigger_dimse::{Association, RoleSelection, Roles};
use outrigger_model::{
    Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid, sop_class,
};
use outrigger_runtime::Body;

use super::call::{contexts, hang_up, plain};
use super::fetch::Wanted;
use super::find::After;
use super::present::Shown;
use super::{DimseMember, ReadBack, find, get, move_, present};
use crate::arrived::Arrived;
use crate::contract::{Answered, AskSession, Found, MemberError, Returned};

/// We receive, and never send, objects of the class on this association.
const RECEIVER: Roles = Roles { scu: false, scp: true };

/// A connection for questions.
pub(super) struct Asking {
    member: DimseMember,
    arrived: Arrived,
    /// `None` after it was lost.
    association: Option<Association>,
}

/// Opens a connection for questions.
pub(super) async fn open(member: &DimseMember, returned: &[Returned]) -> Result<Asking, MemberError> {
    // With verification, which every archive accepts: some reject an association of which they accept nothing.
    let mut services =
        vec![sop_class::VERIFICATION, sop_class::STUDY_ROOT_FIND, sop_class::PATIENT_ROOT_FIND];
    let by_get = match &member.route.read_back {
        ReadBack::Get => returned,
        ReadBack::Move { .. } => {
            services.push(sop_class::STUDY_ROOT_MOVE);
            &[]
        }
    };
    if !by_get.is_empty() {
        services.push(sop_class::STUDY_ROOT_GET);
    }
    // One encoding a context, so that the member need not re-encode to fit a choice made before.
    let objects = by_get.iter().flat_map(|returned| {
        returned.encodings.iter().map(|syntax| (returned.sop_class.clone(), vec![syntax.clone()]))
    });
    let services = services.into_iter().map(|class| (SopClassUid::known(class), plain()));
    let proposed = contexts(services.chain(objects));
    let roles = by_get
        .iter()
        .filter(|returned| proposed.iter().any(|context| context.abstract_syntax == returned.sop_class))
        .map(|returned| RoleSelection { sop_class: returned.sop_class.clone(), roles: RECEIVER })
        .collect();
    let association = member.call(&member.route.calling, proposed, roles).await?;
    Ok(Asking { member: member.clone(), arrived: Arrived::default(), association: Some(association) })
}

/// After a lost connection, or an answer that makes no sense, nothing can be asked over it any more.
fn is_over<T>(answer: &Result<T, MemberError>) -> bool {
    matches!(answer, Err(MemberError::Lost { .. } | MemberError::Connect(_) | MemberError::Source(_)))
}

async fn fetched(
    member: &DimseMember,
    association: &mut Association,
    wanted: Wanted<'_>,
    class: &SopClassUid,
    arrived: &Arrived,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let fetched = match &member.route.read_back {
        ReadBack::Get => get::get(member, association, wanted, class, arrived).await,
        ReadBack::Move { destination, expectations } => {
            move_::move_(member, association, wanted, destination, expectations, arrived).await
        }
    };
    match fetched {
        Err(refused @ MemberError::Refused { .. }) => {
            Err(why_refused(association, wanted, class, refused).await)
        }
        fetched => fetched,
    }
}

/// Tells an instance that is not there, and one of another class, which no accepted context is for, from one that is not
/// given: archives answer all of these alike.
async fn why_refused(
    association: &mut Association,
    wanted: Wanted<'_>,
    class: &SopClassUid,
    refused: MemberError,
) -> MemberError {
    match present::shown(association, wanted).await {
        Ok(Shown::Not) => MemberError::NotFound,
        Ok(Shown::Of(shown)) if shown != *class => MemberError::OtherClass { shown, sent: class.clone() },
        Ok(Shown::Of(_) | Shown::OfNoClass) => refused,
        Err(lost @ MemberError::Lost { .. }) => lost,
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "what the member shows is not known");
            refused
        }
    }
}

/// The connection was lost before.
fn gone() -> MemberError {
    let source = std::io::Error::from(std::io::ErrorKind::NotConnected);
    MemberError::Lost { operation: "a question", source: Box::new(source) }
}

#[async_trait]
impl AskSession for Asking {
    fn is_open(&self) -> bool {
        self.association.is_some()
    }

    fn gives(&self, class: &SopClassUid) -> bool {
        match &self.member.route.read_back {
            ReadBack::Move { .. } => true,
            ReadBack::Get => {
                self.association.as_ref().is_some_and(|association| get::is_given(association, class))
            }
        }
    }

    fn arrived(&self) -> Arrived {
        self.arrived.clone()
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let mut association = self.association.take().ok_or_else(gone)?;
        let found = present::find(&mut association, study, series).await;
        self.association = Some(association).filter(|_| !is_over(&found));
        found
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let mut association = self.association.take().ok_or_else(gone)?;
        let found = find::find(&mut association, query, most).await;
        let usable = !is_over(&found) && !matches!(found, Ok((_, After::Over)));
        self.association = Some(association).filter(|_| usable);
        found.map(|(answered, _)| answered)
    }

    async fn fetch(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let mut association = self.association.take().ok_or_else(gone)?;
        let wanted = Wanted { study, series, instance };
        let fetched = fetched(&self.member, &mut association, wanted, class, &self.arrived).await;
        self.association = Some(association).filter(|_| !is_over(&fetched));
        fetched
    }

    async fn release(mut self: Box<Self>) {
        if let Some(association) = self.association.take() {
            hang_up(association).await;
        }
    }
}
