//! A modality: sends objects one after another, keeps what was acknowledged, and tries again what was not.

use std::time::Duration;

use outrigger_member::{DimseMember, DimseRoute, Member, Need, ReadBack, StoreSession};
use outrigger_model::{AeTitle, StatusClass};
use outrigger_runtime::backoff::Backoff;
use tokio::time::{Instant, sleep};

use super::objects::DemoObject;
use super::story::member_at;
use crate::process::Failure;

/// Waits between attempts of the modality; modalities try again after seconds, the audience has less patience.
const AGAIN: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
/// How long the modality keeps trying one object.
const PATIENCE: Duration = Duration::from_secs(30);

/// A modality with one association.
pub(crate) struct Modality {
    front: DimseMember,
    calling: AeTitle,
    needs: Vec<Need>,
    session: Option<Box<dyn StoreSession>>,
    /// Objects answered with success.
    pub(crate) acknowledged: usize,
    /// Attempts that were not.
    pub(crate) failed: usize,
}

impl Modality {
    /// A modality that sends `objects` to the front door at `address`.
    pub(crate) fn new(
        address: &str,
        objects: &[DemoObject],
        directory: &std::path::Path,
    ) -> Result<Self, Failure> {
        let calling =
            AeTitle::new("CT1").map_err(|error| Failure::of("the AE title of the modality", error))?;
        let mut needs = Vec::new();
        for object in objects {
            let need = object.need();
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        let front = member_at(address, "OUTRIGGER", directory)?;
        Ok(Self { front, calling, needs, session: None, acknowledged: 0, failed: 0 })
    }

    /// Sends one object until it is acknowledged.
    pub(crate) async fn send(&mut self, object: &DemoObject) -> Result<(), Failure> {
        let give_up = Instant::now() + PATIENCE;
        let mut failures = 0;
        loop {
            let error = match self.try_once(object).await {
                Ok(()) => {
                    self.acknowledged += 1;
                    return Ok(());
                }
                Err(error) => error,
            };
            self.session = None;
            self.failed += 1;
            failures += 1;
            if Instant::now() > give_up {
                return Err(Failure::of("the front door took an object neither at once nor later", error));
            }
            sleep(AGAIN.after(failures, u8::MAX)).await;
        }
    }

    async fn try_once(
        &mut self,
        object: &DemoObject,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let need = object.need();
        let fits = self.session.as_ref().is_some_and(|session| session.takes(&need).is_some());
        if !fits {
            // Needs beyond one association's contexts are asked for when their objects come.
            let mut needs = vec![need.clone()];
            needs.extend(self.needs.iter().filter(|other| **other != need).take(NEEDS_BESIDE).cloned());
            self.session = Some(self.front.open(&needs, &self.calling).await?);
        }
        let Some(session) = &mut self.session else { return Err("there is no association".into()) };
        let reply = session.store(&object.outgoing()).await?;
        match reply.status.class() {
            StatusClass::Success | StatusClass::Warning => Ok(()),
            _ => Err(format!("the front door answered {} ({})", reply.status, reply.status.text()).into()),
        }
    }

    /// Ends the association.
    pub(crate) async fn hang_up(&mut self) -> Result<(), Failure> {
        match self.session.take() {
            Some(session) => session
                .release()
                .await
                .map_err(|error| Failure::of("the association did not end in good order", error)),
            None => Ok(()),
        }
    }
}

/// Needs proposed beside the one that is due: two contexts each stay below the 128 of an association.
const NEEDS_BESIDE: usize = 60;

/// A route to an address on this machine.
pub(crate) fn route(address: &str, called: AeTitle, calling: AeTitle) -> DimseRoute {
    DimseRoute {
        address: address.to_owned(),
        ae_title: called,
        calling,
        tls: None,
        connect_timeout: outrigger_member::dimse::CONNECT_TIMEOUT,
        settings: outrigger_dimse::Settings::STANDARD,
        read_back: ReadBack::Get,
    }
}
