//! What a request was given, for the audit trail.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::write_selection;
use outrigger_model::SopClassUid;

use super::asking::{Asking, Resource};
use super::plan::selection;
use crate::audit::{AuditEvent, Party};
use crate::service::Retrievable;
use crate::web::Door;

/// Instances given out, or parts of them.
pub(super) struct Given {
    door: Arc<Door>,
    party: Party,
    resource: Resource,
    classes: BTreeMap<SopClassUid, u32>,
}

impl Given {
    /// Nothing yet.
    pub(super) fn new(asking: &Asking) -> Self {
        Self {
            door: Arc::clone(&asking.door),
            party: asking.party.clone(),
            resource: asking.resource.clone(),
            classes: BTreeMap::new(),
        }
    }

    /// Counts an instance of which something is given.
    pub(super) fn count(&mut self, instance: &Retrievable) {
        let count = self.classes.entry(instance.sop_class.clone()).or_default();
        *count = count.saturating_add(1);
    }

    /// Tells the audit trail, however it ended.
    pub(super) async fn tell(self) {
        if self.classes.is_empty() {
            return;
        }
        let identifier = write_selection(Form::ExplicitLittle, &selection(&self.resource)).into();
        let (party, classes) = (self.party, self.classes);
        let event = AuditEvent::Retrieved { party, destination: None, classes, identifier };
        self.door.front.audit.put(event).await;
    }
}
