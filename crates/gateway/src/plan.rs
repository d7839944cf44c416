//! Listing what a retrieval takes; what it names and the catalogue does not know is looked up at the members first, as members
//! answer queries for what came to them beside the front door.

use std::collections::{BTreeSet, HashMap};

use outrigger_audit::inventory::{Looked, Lookup, Named, STUDIES_LOOKED_UP_MAX};
use outrigger_front::{FindRefusal, Retrievable};
use outrigger_ledger::Ledger;
use outrigger_model::{MemberName, Selection, SeriesUid, SopInstanceUid, Status, StudyUid};
use outrigger_query::{Planned, Reader};

use crate::retrieve::{retrievable, unplanned};

/// What of a selection is to be looked up at the members.
#[derive(Debug, PartialEq, Eq)]
enum Missing<'s> {
    /// Nothing.
    Nothing,
    /// Studies of which nothing is known.
    Studies(Vec<&'s StudyUid>),
    /// More of a study of which something may be known.
    MoreOf(&'s StudyUid),
    /// Series of no named study.
    Series(Vec<&'s SeriesUid>),
    /// Instances of no named study.
    Instances(Vec<&'s SopInstanceUid>),
    /// Whatever there is of a patient.
    Patient(&'s str),
}

pub(crate) async fn plan(
    reader: &Reader,
    lookup: Option<&Lookup>,
    selection: Selection,
) -> Result<Vec<Retrievable>, FindRefusal> {
    let listed = |selection| async { reader.plan(selection).await.map_err(unplanned) };
    let Some(lookup) = lookup else {
        return Ok(listed(selection).await?.into_iter().map(retrievable).collect());
    };
    let before = take_in(reader, lookup, &selection).await;
    let mut planned = listed(selection.clone()).await?;
    let missing = missing(&selection, &planned);
    if missing != Missing::Nothing {
        let looked = look(lookup, missing, before).await;
        planned = listed(selection.clone()).await?;
        if planned.is_empty() {
            let was_shown = named(&selection).iter().any(|study| reader.was_shown(study));
            final_or_not(&lookup.may_have(looked, was_shown))?;
        }
    }
    Ok(planned.into_iter().map(retrievable).collect())
}

/// How many instances members say they have of whole studies beside those planned, and do not list.
pub(crate) async fn unlisted(
    ledger: &Ledger,
    selection: &Selection,
    planned: &[Retrievable],
) -> Result<u64, FindRefusal> {
    let studies: BTreeSet<&StudyUid> = match selection {
        Selection::Studies(studies) => studies.iter().collect(),
        Selection::Patient { .. } => planned.iter().filter_map(|of| of.study.as_ref()).collect(),
        // Of which series the rest is, nobody knows.
        Selection::Series { .. } | Selection::Instances { .. } => BTreeSet::new(),
    };
    let mut unlisted = 0;
    for study in studies {
        let says = ledger.said_of(study.clone()).await.map_err(|error| FindRefusal {
            status: Status::CANNOT_UNDERSTAND,
            text: "what members do not list of a study cannot be read in the books".to_owned(),
            source: Some(Box::new(error)),
        })?;
        let listed = || planned.iter().filter(|of| of.study.as_ref() == Some(study)).count() as u64;
        unlisted += says.map_or(0, |says| says.saturating_sub(listed()));
    }
    Ok(unlisted)
}

/// Refuses to say that there is nothing where members that were not heard may have it.
fn final_or_not(may_have: &[MemberName]) -> Result<(), FindRefusal> {
    if may_have.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = may_have.iter().map(MemberName::as_str).collect();
    let text = format!("who may have it did not answer: {}; nobody else has it", names.join(", "));
    Err(FindRefusal { status: Status::CANNOT_PERFORM_SUBOPERATIONS, text, source: None })
}

/// The studies that a selection names.
fn named(selection: &Selection) -> &[StudyUid] {
    match selection {
        Selection::Studies(studies) => studies.as_slice(),
        Selection::Series { study, .. } | Selection::Instances { study, .. } => study.as_slice(),
        Selection::Patient { .. } => &[],
    }
}

/// Looks up what a query was shown a moment ago, and waits for what is being looked up.
async fn take_in(reader: &Reader, lookup: &Lookup, selection: &Selection) -> HashMap<StudyUid, Looked> {
    let mut all = HashMap::new();
    for study in named(selection).iter().take(STUDIES_LOOKED_UP_MAX) {
        let looked = match reader.take_shown_more(study) {
            Some(study) => Some(lookup.look(&study).await),
            None => lookup.settled(study).await,
        };
        all.extend(looked.map(|looked| (study.clone(), looked)));
    }
    all
}

/// Looks up what is missing and was not a moment before; says who was heard.
async fn look(lookup: &Lookup, missing: Missing<'_>, mut before: HashMap<StudyUid, Looked>) -> Looked {
    let (found, mut looked) = match missing {
        Missing::Nothing => return Looked::default(),
        Missing::MoreOf(study) => return lookup.look_again(study).await,
        Missing::Studies(studies) => {
            let mut looked = Looked::default();
            for study in studies.into_iter().take(STUDIES_LOOKED_UP_MAX) {
                looked.and(match before.remove(study) {
                    Some(looked) => looked,
                    None => lookup.look(study).await,
                });
            }
            return looked;
        }
        Missing::Series(series) => lookup.studies_of(Named::Series(&series)).await,
        Missing::Instances(instances) => lookup.studies_of(Named::Instances(&instances)).await,
        Missing::Patient(id) => lookup.studies_of(Named::Patient(id)).await,
    };
    for study in &found {
        looked.and(lookup.look_again(study).await);
    }
    looked
}

/// What of a selection is not planned.
fn missing<'s>(selection: &'s Selection, planned: &[Planned]) -> Missing<'s> {
    match selection {
        Selection::Studies(studies) => {
            let is_known = |study: &StudyUid| planned.iter().any(|of| of.study.as_ref() == Some(study));
            some(studies.iter().filter(|study| !is_known(study)).collect(), Missing::Studies)
        }
        Selection::Series { study, series } => {
            let is_known = |series: &SeriesUid| planned.iter().any(|of| of.series.as_ref() == Some(series));
            let unknown: Vec<_> = series.iter().filter(|series| !is_known(series)).collect();
            match study {
                Some(study) => some(unknown, |_| Missing::MoreOf(study)),
                None => some(unknown, Missing::Series),
            }
        }
        Selection::Instances { study, instances } => {
            let known: std::collections::HashSet<_> = planned.iter().map(|of| &of.sop_instance).collect();
            let unknown: Vec<_> = instances.iter().filter(|instance| !known.contains(instance)).collect();
            match study {
                Some(study) => some(unknown, |_| Missing::MoreOf(study)),
                None => some(unknown, Missing::Instances),
            }
        }
        Selection::Patient { patient_id } if planned.is_empty() => Missing::Patient(patient_id),
        Selection::Patient { .. } => Missing::Nothing,
    }
}

fn some<'s, T>(unknown: Vec<T>, missing: impl FnOnce(Vec<T>) -> Missing<'s>) -> Missing<'s> {
    if unknown.is_empty() { Missing::Nothing } else { missing(unknown) }
}

#[cfg(test)]
mod tests {
    use outrigger_model::{MemberSet, SopClassUid, TransferSyntaxUid};
    use outrigger_query::Keeping;

    use super::*;

    fn study(uid: &str) -> StudyUid {
        StudyUid::new(uid).unwrap()
    }

    /// An instance `1.2.3.4.5` in the series `1.2.3.4` of the study `1.2.3`.
    fn known() -> Vec<Planned> {
        vec![Planned {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::known("1.2.3.4.5"),
            study: Some(study("1.2.3")),
            series: Some(SeriesUid::known("1.2.3.4")),
            transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
            length: 0,
            keeping: Keeping::Inherited { members: MemberSet(1) },
        }]
    }

    #[test]
    fn nothing_is_not_final_where_somebody_may_have_it() {
        assert!(final_or_not(&[]).is_ok());
        let refusal = final_or_not(&["a", "b"].map(|name| MemberName::new(name).unwrap())).unwrap_err();
        assert_eq!(refusal.status, Status::CANNOT_PERFORM_SUBOPERATIONS);
        assert!(refusal.text.contains("did not answer: a, b;"), "{}", refusal.text);
        assert!(!refusal.is_incomplete());
    }

    #[test]
    fn what_is_named_and_not_known_is_looked_up() {
        let (mine, other) = (study("1.2.3"), study("1.9"));
        let (here, there) = (SeriesUid::known("1.2.3.4"), SeriesUid::known("1.2.3.9"));
        let (given, new) = (SopInstanceUid::known("1.2.3.4.5"), SopInstanceUid::known("1.2.3.4.9"));
        let of_both = Selection::Studies(vec![mine.clone(), other.clone()]);
        assert_eq!(missing(&of_both, &known()), Missing::Studies(vec![&other]));
        assert_eq!(missing(&Selection::Studies(vec![mine.clone()]), &known()), Missing::Nothing);
        let series = |study: Option<&StudyUid>, series: &SeriesUid| Selection::Series {
            study: study.cloned(),
            series: vec![here.clone(), series.clone()],
        };
        assert_eq!(missing(&series(Some(&mine), &here), &known()), Missing::Nothing);
        assert_eq!(missing(&series(Some(&mine), &there), &known()), Missing::MoreOf(&mine));
        assert_eq!(missing(&series(None, &there), &known()), Missing::Series(vec![&there]));
        let instances = |study: Option<&StudyUid>, instance: &SopInstanceUid| Selection::Instances {
            study: study.cloned(),
            instances: vec![given.clone(), instance.clone()],
        };
        assert_eq!(missing(&instances(None, &given), &known()), Missing::Nothing);
        assert_eq!(missing(&instances(Some(&mine), &new), &known()), Missing::MoreOf(&mine));
        assert_eq!(missing(&instances(None, &new), &known()), Missing::Instances(vec![&new]));
        let patient = Selection::Patient { patient_id: "4711".to_owned() };
        assert_eq!(missing(&patient, &[]), Missing::Patient("4711"));
        assert_eq!(missing(&patient, &known()), Missing::Nothing);
    }
}
