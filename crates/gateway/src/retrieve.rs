//! Queries and retrievals, as a front door asks for them.

use outrigger_front::{FindRefusal, Opened, Provenance, Retrievable, StudyPatient};
use outrigger_ledger::Ledger;
use outrigger_model::{Answer, MemberSet, Query, Seq, Sha256Digest, Status, StudyUid};
use outrigger_query::{FindError, Keeping, OpenError, PlanError, Planned, Reader, Retrieval};
use tokio::sync::mpsc;

pub(crate) fn find(reader: &Reader, query: Query) -> mpsc::Receiver<Result<Answer, FindRefusal>> {
    reader.find(query, unanswered)
}

/// The patient of a study as the catalogue has it.
pub(crate) async fn patient_of(ledger: &Ledger, study: &StudyUid) -> Option<StudyPatient> {
    match ledger.first(StudyPatient::query(study)).await {
        Ok(answer) => answer.as_ref().map(StudyPatient::named),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%study, error, "the audit trail is not told whose a study is");
            None
        }
    }
}

pub(crate) fn retrieval(reader: &Reader, instances: &[Retrievable]) -> Option<Retrieval> {
    // What has no place of ours is refused when it is opened.
    let planned: Vec<Planned> = instances.iter().filter_map(planned).collect();
    reader.retrieval(&planned)
}

pub(crate) async fn open(
    reader: &Reader,
    retrieval: Option<&Retrieval>,
    instance: &Retrievable,
) -> Result<Opened, FindRefusal> {
    let planned = placed(instance)?;
    opened(match retrieval {
        Some(retrieval) => retrieval.open(&planned).await,
        None => reader.open(&planned).await,
    })
}

pub(crate) async fn open_elsewhere(
    reader: &Reader,
    retrieval: Option<&Retrieval>,
    instance: &Retrievable,
) -> Result<Opened, FindRefusal> {
    let planned = placed(instance)?;
    opened(match retrieval {
        Some(retrieval) => retrieval.open_elsewhere(&planned).await,
        None => reader.open_elsewhere(&planned).await,
    })
}

fn placed(instance: &Retrievable) -> Result<Planned, FindRefusal> {
    planned(instance).ok_or_else(|| unopened(format!("`{}` is no place of this node", instance.place), None))
}

fn opened(opened: Result<outrigger_query::Opened, OpenError>) -> Result<Opened, FindRefusal> {
    match opened {
        Ok(opened) => Ok(Opened {
            transfer_syntax: opened.transfer_syntax,
            bytes: opened.bytes,
            provenance: match opened.unproven {
                None => Provenance::Proven,
                Some(member) => Provenance::Unproven { keeper: member.to_string() },
            },
        }),
        Err(error) => Err(unopened(error.to_string(), Some(Box::new(error)))),
    }
}

fn unopened(text: String, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> FindRefusal {
    FindRefusal { status: Status::CANNOT_PERFORM_SUBOPERATIONS, text, source }
}

pub(crate) fn retrievable(planned: Planned) -> Retrievable {
    Retrievable {
        place: place(planned.keeping),
        sop_class: planned.sop_class,
        sop_instance: planned.sop_instance,
        study: planned.study,
        series: planned.series,
        transfer_syntax: planned.transfer_syntax,
        length: planned.length,
    }
}

/// What stands before the members of an instance that was never accepted; accepted ones have the number of their entry there.
const INHERITED: &str = "members";

fn place(keeping: Keeping) -> String {
    match keeping {
        Keeping::Accepted { entry, sha256 } => format!("{}/{sha256}", entry.0),
        Keeping::Inherited { members } => format!("{INHERITED}/{}", members.0),
    }
}

fn keeping(place: &str) -> Option<Keeping> {
    Some(match place.split_once('/')? {
        (INHERITED, members) => Keeping::Inherited { members: MemberSet(members.parse().ok()?) },
        (entry, sha256) => Keeping::Accepted {
            entry: Seq(entry.parse().ok()?),
            sha256: Sha256Digest::from_hex(sha256).ok()?,
        },
    })
}

fn planned(instance: &Retrievable) -> Option<Planned> {
    Some(Planned {
        sop_class: instance.sop_class.clone(),
        sop_instance: instance.sop_instance.clone(),
        study: instance.study.clone(),
        series: instance.series.clone(),
        transfer_syntax: instance.transfer_syntax.clone(),
        length: instance.length,
        keeping: keeping(&instance.place)?,
    })
}

fn unanswered(error: FindError) -> FindRefusal {
    let text = error.to_string();
    match &error {
        FindError::Incomplete(_) => FindRefusal::incomplete(text, Some(Box::new(error))),
        FindError::Unsure(_) => FindRefusal::unsure(text, Some(Box::new(error))),
        FindError::Busy => {
            FindRefusal { status: Status::OUT_OF_RESOURCES, text, source: Some(Box::new(error)) }
        }
        FindError::Catalogue(_) => {
            FindRefusal { status: Status::CANNOT_UNDERSTAND, text, source: Some(Box::new(error)) }
        }
    }
}

pub(crate) fn unplanned(error: PlanError) -> FindRefusal {
    let status = match &error {
        PlanError::Catalogue(_) => Status::CANNOT_UNDERSTAND,
        PlanError::TooMany => Status::CANNOT_COUNT_MATCHES,
    };
    FindRefusal { status, text: error.to_string(), source: Some(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_who_has_an_instance() {
        let accepted = Keeping::Accepted { entry: Seq(7), sha256: Sha256Digest([3; 32]) };
        for known in [accepted, Keeping::Inherited { members: MemberSet(0b101) }] {
            assert_eq!(keeping(&place(known)), Some(known));
        }
        for elsewhere in ["", "7", "members/", "members/x", "x/y", "7/ff"] {
            assert_eq!(keeping(elsewhere), None, "{elsewhere}");
        }
    }
}
