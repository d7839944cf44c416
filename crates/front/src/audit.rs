//! Who did what with patients' data: the events that become DICOM audit messages (PS3.15 section A.5).

use std::collections::BTreeMap;
use std::net::IpAddr;

use outrigger_model::{AeTitle, AssociationId, InstanceHeader, SopClassUid, StudyUid, Tag};

use crate::outbox::Outbox;
use crate::service::{Retrievable, Service, StudyPatient};

/// Studies tallied for one association before they are reported: an association that touches more reports in parts.
const STUDIES_MAX: usize = 64;

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The association.
    pub association: AssociationId,
    /// Calling AE title.
    pub calling: AeTitle,
    /// Called AE title.
    pub called: AeTitle,
    /// Where it calls from.
    pub address: IpAddr,
    /// The user it named (PS3.7 section D.3.3.7), never a passcode or token.
    pub user: Option<String>,
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditEvent {
    /// An association was accepted.
    AssociationOpened {
        /// Who calls.
        party: Party,
    },
    /// An association was rejected: a security alert.
    AssociationRejected {
        /// Who called.
        party: Party,
        /// Why, in words.
        reason: String,
    },
    /// Instances of one study were stored: DICOM Instances Transferred (110104), we being the destination.
    Stored {
        /// Who sent them.
        party: Party,
        /// What.
        study: StudyTally,
    },
    /// A query was asked: Query (110112).
    Queried {
        /// Who asked.
        party: Party,
        /// The SOP class of the query.
        sop_class: SopClassUid,
        /// Its identifier as it came.
        identifier: bytes::Bytes,
    },
    /// Instances of one study were given out: DICOM Instances Transferred (110104), we being the source.
    Retrieved {
        /// Who asked.
        party: Party,
        /// Where they went, if not to the one who asked.
        destination: Option<AeTitle>,
        /// What.
        study: StudyTally,
    },
    /// What somebody who was let in asked for was refused, or is not here.
    Unserved {
        /// Who asked.
        party: Party,
        /// For what.
        what: Unserved,
        /// Why not, in words.
        reason: String,
    },
}

/// What was asked for and not done; of a transfer no instance is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unserved {
    /// To be given instances of a study.
    Retrieval(StudyTally),
    /// To take instances, of a study where the request names it.
    Store(StudyTally),
    /// To be told what is here.
    Query {
        /// The SOP class of the query.
        sop_class: SopClassUid,
        /// What was asked, as it came.
        asked: bytes::Bytes,
    },
}

/// Instances of one study of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyTally {
    /// Study Instance UID; none for instances outside studies.
    pub study: Option<StudyUid>,
    /// Patient ID.
    pub patient_id: Option<String>,
    /// Patient's Name.
    pub patient_name: Option<String>,
    /// Instances by SOP class.
    pub classes: BTreeMap<SopClassUid, u32>,
}

impl StudyTally {
    /// Instances of a study that is known by its UID alone; the service knows whose it is.
    pub(crate) async fn of(
        service: &dyn Service,
        study: Option<StudyUid>,
        classes: BTreeMap<SopClassUid, u32>,
    ) -> Self {
        let patient = match &study {
            Some(study) => service.patient_of(study).await,
            None => None,
        };
        let StudyPatient { id: patient_id, name: patient_name } = patient.unwrap_or_default();
        Self { study, patient_id, patient_name, classes }
    }
}

/// Instances that one retrieval has given out, or parts of them, by study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transferred(BTreeMap<Option<StudyUid>, BTreeMap<SopClassUid, u32>>);

impl Transferred {
    /// Counts an instance.
    pub(crate) fn count(&mut self, instance: &Retrievable) {
        let classes = self.0.entry(instance.study.clone()).or_default();
        let count = classes.entry(instance.sop_class.clone()).or_default();
        *count = count.saturating_add(1);
    }

    /// How many of its study and class were counted.
    #[cfg(test)]
    pub(crate) fn count_of(&self, instance: &Retrievable) -> u32 {
        self.0[&instance.study][&instance.sop_class]
    }

    /// Tells the audit trail: an event for each study, so that each is of one patient.
    pub(crate) async fn tell(
        self,
        service: &dyn Service,
        audit: &Outbox<AuditEvent>,
        (party, destination): (&Party, Option<&AeTitle>),
    ) {
        for (study, classes) in self.0 {
            let study = StudyTally::of(service, study, classes).await;
            let (party, destination) = (party.clone(), destination.cloned());
            audit.put(AuditEvent::Retrieved { party, destination, study }).await;
        }
    }
}

/// What one association has stored and not reported yet.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Vec<StudyTally>);

impl Tallies {
    /// Counts an instance; gives the oldest tally when there are too many to hold.
    pub(crate) fn add(&mut self, header: &InstanceHeader) -> Option<StudyTally> {
        let patient_id = header.attribute(Tag::PATIENT_ID);
        let same = |tally: &&mut StudyTally| {
            tally.study == header.study && tally.patient_id.as_deref() == patient_id
        };
        if let Some(tally) = self.0.iter_mut().find(same) {
            let count = tally.classes.entry(header.sop_class.clone()).or_default();
            *count = count.saturating_add(1);
            return None;
        }
        let full = (self.0.len() >= STUDIES_MAX).then(|| self.0.remove(0));
        self.0.push(StudyTally {
            study: header.study.clone(),
            patient_id: patient_id.map(str::to_owned),
            patient_name: header.attribute(Tag::PATIENT_NAME).map(str::to_owned),
            classes: BTreeMap::from([(header.sop_class.clone(), 1)]),
        });
        full
    }

    /// Everything not reported yet.
    pub(crate) fn take(&mut self) -> Vec<StudyTally> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use outrigger_model::SopInstanceUid;

    use super::*;

    fn header(study: usize, class: &str) -> InstanceHeader {
        InstanceHeader {
            sop_class: SopClassUid::new(class).unwrap(),
            sop_instance: SopInstanceUid::new("1.2").unwrap(),
            study: Some(StudyUid::new(&format!("1.{study}")).unwrap()),
            series: None,
            attributes: vec![(Tag::PATIENT_ID, "P1".into()), (Tag::PATIENT_NAME, "Doe".into())],
        }
    }

    #[test]
    fn one_tally_a_study_and_the_oldest_goes_first() {
        let mut tallies = Tallies::default();
        for class in ["1.1", "1.1", "1.2"] {
            assert_eq!(tallies.add(&header(0, class)), None);
        }
        for study in 1..STUDIES_MAX {
            assert_eq!(tallies.add(&header(study, "1.1")), None);
        }
        let reported = tallies.add(&header(STUDIES_MAX, "1.1")).unwrap();
        assert_eq!(reported.patient_id.as_deref(), Some("P1"));
        assert_eq!(reported.classes.values().copied().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(tallies.take().len(), STUDIES_MAX);
        assert!(tallies.take().is_empty());
    }
}
