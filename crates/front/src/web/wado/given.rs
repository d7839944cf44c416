//! What a request was given, for the audit trail.

use std::sync::Arc;

use super::asking::Asking;
use crate::audit::{Party, Transferred};
use crate::service::Retrievable;
use crate::web::Door;

/// Instances given out, or parts of them.
pub(super) struct Given {
    door: Arc<Door>,
    party: Party,
    instances: Transferred,
}

impl Given {
    /// Nothing yet.
    pub(super) fn new(asking: &Asking) -> Self {
        let (door, party) = (Arc::clone(&asking.door), asking.party.clone());
        Self { door, party, instances: Transferred::default() }
    }

    /// Counts an instance of which something is given.
    pub(super) fn count(&mut self, instance: &Retrievable) {
        self.instances.count(instance);
    }

    /// Tells the audit trail, however it ended.
    pub(super) async fn tell(self) {
        let front = &self.door.front;
        self.instances.tell(&*front.service, &front.audit, (&self.party, None)).await;
    }
}
