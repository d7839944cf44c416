//! Promises to modalities: requests for storage commitment taken at the front door (PS3.4 Annex J, PS3.18 section 13), until their
//! result was reported, or has been there to be looked at for long enough.
//!
//! Whoever is told that an object is committed deletes its own copy. So a request stands in the journal before it is answered, and
//! its objects stay there, however full it gets, until every required member has them.

use std::collections::BTreeMap;

use outrigger_model::{
    AeTitle, Requestor, SeriesPlace, SopClassUid, SopInstanceUid, TransactionUid, WallTime,
};
use serde::{Deserialize, Serialize};

mod inherited;
mod verdict;

pub(crate) use inherited::{Attestations, Attested, Demand, GOOD_FOR, make_room};
pub use inherited::{Copies, ToAttest};
pub(crate) use verdict::{Rule, Verdict, required};

/// Instances of one request at most: studies have some thousands, and one record of the journal takes the UIDs of this many.
pub const INSTANCES_MAX: usize = 10_000;

/// Groups of instances of one request at most, by SOP class and, where it names them by study, by series: with the UIDs of
/// their instances they fit a record, whose limit is 1 MiB.
pub const GROUPS_MAX: usize = 1_000;

/// Requests open at once at most, whoever asked: some days of a large site whose modalities are all off.
pub const OPEN_MAX: usize = 4_096;
/// Requests of one requestor that are waited for or not reported at most, so that no client takes the room of all others.
pub const OPEN_OF_ONE_MAX: usize = OPEN_MAX / 4;

/// Failure Reasons (PS3.3 section C.14.1.1).
pub mod reason {
    /// Processing failure: it is here, and not where the policy asks for it.
    pub const PROCESSING_FAILURE: u16 = 0x0110;
    /// No such object instance.
    pub const NO_SUCH_INSTANCE: u16 = 0x0112;
    /// Class / instance conflict.
    pub const CLASS_CONFLICT: u16 = 0x0119;
}

/// Who has to have an object before it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitPolicy {
    /// Every required member, as surely as it can be asked.
    All,
    /// The journal, and so many members that gave it back unaltered.
    Journal {
        /// How many.
        members: u8,
    },
    /// So many members that committed to it or gave it back unaltered.
    Members {
        /// How many.
        members: u8,
    },
}

/// Instances of one SOP class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfClass {
    /// The SOP class that the request names.
    pub sop_class: SopClassUid,
    /// The series that the request names them in, where it names them by study (PS3.18 table J.1-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SeriesPlace>,
    /// The instances, each once, in order.
    pub sop_instances: Vec<SopInstanceUid>,
}

/// Instances of one SOP class that are not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Failure Reason (PS3.3 section C.14.1.1).
    pub reason: u16,
    /// Which.
    #[serde(flatten)]
    pub of: OfClass,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Transaction UID (0008,1195).
    pub transaction: TransactionUid,
    /// Who asked: an AE title is told the result, a client of the web comes for it.
    pub requestor: Requestor,
    /// The AE title of ours that it asked.
    pub called: AeTitle,
    /// The instances to be committed.
    pub instances: Vec<OfClass>,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseHead {
    /// Transaction UID.
    pub transaction: TransactionUid,
    /// Who asked.
    pub requestor: Requestor,
    /// When it was asked.
    pub at: WallTime,
    /// When its result was decided; `None` while something of it is waited for.
    pub decided_at: Option<WallTime>,
    /// How often the result could not be reported.
    pub attempts: u32,
    /// When it is reported next.
    pub not_before: WallTime,
}

/// A request whose result is not reported yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Where it stands.
    pub head: PromiseHead,
    /// What was asked.
    pub asked: Asked,
    /// What is not committed; all else is, once it is decided.
    pub failed: Vec<Failing>,
}

/// How the report of a result ended for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportEnd {
    /// The requestor took it.
    Taken,
    /// Nobody took it for days.
    GivenUp,
    /// It was there to be looked at for as long as results are kept.
    Expired,
}

impl Asked {
    /// A request for these instances, by class and each once.
    pub fn new(
        transaction: TransactionUid,
        (requestor, called): (Requestor, AeTitle),
        instances: impl IntoIterator<Item = (SopClassUid, SopInstanceUid)>,
    ) -> Self {
        let mut sorted: Vec<(SopClassUid, SopInstanceUid)> = instances.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { transaction, requestor, called, instances: grouped(sorted) }
    }

    /// The same request, which names these instances by study.
    #[must_use]
    pub fn by_study(mut self, places: &BTreeMap<SopInstanceUid, SeriesPlace>) -> Self {
        let place = |pair: &(SopClassUid, SopInstanceUid)| places.get(&pair.1).cloned();
        let mut pairs: Vec<_> =
            self.each().map(|(class, instance)| (class.clone(), instance.clone())).collect();
        pairs.sort_by_cached_key(|pair| (pair.0.clone(), place(pair)));
        let alike = |one: &(_, _), other: &(_, _)| one.0 == other.0 && place(one) == place(other);
        let groups = pairs.chunk_by(alike).filter_map(|group| {
            let first = group.first()?;
            let sop_instances = group.iter().map(|(_, instance)| instance.clone()).collect();
            Some(OfClass { sop_class: first.0.clone(), place: place(first), sop_instances })
        });
        self.instances = groups.collect();
        self
    }

    /// The series that it names its instances in; none where it does not name them by study.
    pub fn places(&self) -> impl Iterator<Item = (&SopInstanceUid, &SeriesPlace)> {
        let placed = self.instances.iter().filter_map(|of| Some((of.place.as_ref()?, &of.sop_instances)));
        placed.flat_map(|(place, instances)| instances.iter().map(move |instance| (instance, place)))
    }

    /// Its instances.
    pub fn each(&self) -> impl Iterator<Item = (&SopClassUid, &SopInstanceUid)> {
        each(&self.instances)
    }
}

impl PromiseHead {
    /// Whether there is a result that its requestor comes for, and is not told.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.decided_at.is_some() && self.requestor.ae_title().is_none()
    }
}

/// Whether one request more may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room<'h> {
    /// It may.
    Enough,
    /// It may instead of the result that has been there to be looked at for longest.
    Without(&'h TransactionUid),
    /// It may not: all others are waited for, or owed to an AE title.
    None,
}

/// Whether this requestor has as many requests open as one may; results that are only looked at make room, and do not count.
pub(crate) fn has_its_share(heads: &[PromiseHead], requestor: &Requestor) -> bool {
    let of_it = heads.iter().filter(|head| head.requestor == *requestor && !head.is_looked_at());
    of_it.count() >= OPEN_OF_ONE_MAX
}

/// Whether one request more may be open beside these, of which `most` may be.
pub(crate) fn room(heads: &[PromiseHead], most: usize) -> Room<'_> {
    if heads.len() < most {
        return Room::Enough;
    }
    let oldest = heads.iter().filter(|head| head.is_looked_at()).min_by_key(|head| head.decided_at);
    oldest.map_or(Room::None, |oldest| Room::Without(&oldest.transaction))
}

impl Promise {
    /// What is committed: all that was asked and did not fail.
    pub fn committed(&self) -> impl Iterator<Item = (&SopClassUid, &SopInstanceUid)> {
        let failed: std::collections::BTreeSet<_> = self.failed().map(|(pair, _)| pair).collect();
        self.asked.each().filter(move |pair| !failed.contains(pair))
    }

    /// What is not committed, each with its Failure Reason.
    pub fn failed(&self) -> impl Iterator<Item = ((&SopClassUid, &SopInstanceUid), u16)> {
        self.failed.iter().flat_map(|failing| {
            let of = std::slice::from_ref(&failing.of);
            each(of).map(|pair| (pair, failing.reason))
        })
    }
}

/// Instances with their classes.
pub(crate) fn each(of: &[OfClass]) -> impl Iterator<Item = (&SopClassUid, &SopInstanceUid)> {
    of.iter().flat_map(|of| of.sop_instances.iter().map(|instance| (&of.sop_class, instance)))
}

/// Pairs in order, gathered by class.
pub(crate) fn grouped(pairs: impl IntoIterator<Item = (SopClassUid, SopInstanceUid)>) -> Vec<OfClass> {
    let mut groups: Vec<OfClass> = Vec::new();
    for (sop_class, sop_instance) in pairs {
        match groups.last_mut().filter(|last| last.sop_class == sop_class) {
            Some(group) => group.sop_instances.push(sop_instance),
            None => groups.push(OfClass { sop_class, place: None, sop_instances: vec![sop_instance] }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use outrigger_model::{SeriesUid, StudyUid};

    use super::*;

    #[test]
    fn the_oldest_result_of_the_web_makes_room_and_nothing_that_is_owed_does() {
        let head = |number: u32, requestor: &str, decided_at: Option<i64>| PromiseHead {
            transaction: TransactionUid::new(&format!("1.2.{number}")).unwrap(),
            requestor: Requestor::try_from(requestor.to_owned()).unwrap(),
            at: WallTime(0),
            decided_at: decided_at.map(WallTime),
            attempts: 0,
            not_before: WallTime(0),
        };
        let owed = [head(1, "CT1", Some(1)), head(2, "\\", None), head(3, "CT1", None)];
        assert_eq!(room(&owed, 4), Room::Enough);
        assert_eq!(room(&owed, 3), Room::None);
        let [one, two, three] = owed;
        let seen = [one, head(4, "\\token:1", Some(3)), two, head(5, "\\", Some(2)), three];
        assert_eq!(room(&seen, 6), Room::Enough);
        assert_eq!(room(&seen, 5), Room::Without(&TransactionUid::known("1.2.5")));
    }

    #[test]
    fn what_did_not_fail_is_committed_and_together_they_are_what_was_asked() {
        let class = |uid| SopClassUid::new(uid).unwrap();
        let instance = |number: u32| SopInstanceUid::new(&format!("1.2.{number}")).unwrap();
        let pairs = [("1.1", 3), ("1.2", 1), ("1.1", 2), ("1.1", 3), ("1.2", 2)];
        let ae = |title| AeTitle::new(title).unwrap();
        let asked = Asked::new(
            TransactionUid::known("1.9"),
            (Requestor::Ae(ae("CT1")), ae("OUTRIGGER")),
            pairs.map(|(of, number)| (class(of), instance(number))),
        );
        assert_eq!(asked.each().count(), 4, "the same one twice is one");
        let of = OfClass { sop_class: class("1.1"), place: None, sop_instances: vec![instance(2)] };
        let failed = vec![Failing { reason: reason::CLASS_CONFLICT, of }];
        let at = WallTime(0);
        let head = PromiseHead {
            transaction: asked.transaction.clone(),
            requestor: asked.requestor.clone(),
            at,
            decided_at: Some(at),
            attempts: 0,
            not_before: at,
        };
        let promise = Promise { head, asked, failed };
        let committed: Vec<_> =
            promise.committed().map(|(of, instance)| (of.to_string(), instance.to_string())).collect();
        let expected = [("1.1", "1.2.3"), ("1.2", "1.2.1"), ("1.2", "1.2.2")];
        assert_eq!(committed, expected.map(|(of, instance)| (of.to_owned(), instance.to_owned())));
        let failed: Vec<_> = promise.failed().map(|((of, _), why)| (of.to_string(), why)).collect();
        assert_eq!(failed, [("1.1".to_owned(), 0x0119)]);
    }

    #[test]
    fn a_request_by_study_is_the_same_instances_and_knows_their_series() {
        let instance = |number: u32| SopInstanceUid::new(&format!("1.2.{number}")).unwrap();
        let place = |series: u32| SeriesPlace {
            study: StudyUid::known("1.5"),
            series: SeriesUid::new(&format!("1.5.{series}")).unwrap(),
        };
        let pairs = [("1.1", 3), ("1.2", 1), ("1.1", 2), ("1.1", 4)]
            .map(|(of, number)| (SopClassUid::known(of), instance(number)));
        let requestor = Requestor::Web(outrigger_model::WebClient::Anyone);
        let plain = Asked::new(TransactionUid::known("1.9"), (requestor, AeTitle::known("O")), pairs);
        let places: BTreeMap<_, _> =
            [(3, 1), (1, 2), (2, 2), (4, 1)].map(|(number, series)| (instance(number), place(series))).into();
        let asked = plain.clone().by_study(&places);
        let each = |asked: &Asked| {
            asked.each().map(|(class, of)| (class.clone(), of.clone())).collect::<BTreeSet<_>>()
        };
        assert_eq!(each(&asked), each(&plain));
        assert_ne!(asked, plain, "one is not the other again");
        assert_eq!(asked.instances.len(), 3);
        let known = |asked: &Asked| {
            asked.places().map(|(of, place)| (of.clone(), place.clone())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(known(&asked), places);
        assert!(known(&plain).is_empty());
        let kept = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<Asked>(&kept).unwrap(), asked);
        let of_before = r#"{"sop_class":"1.1","sop_instances":["1.2.3"]}"#;
        assert_eq!(serde_json::from_str::<OfClass>(of_before).unwrap().place, None);
        assert!(!serde_json::to_string(&plain).unwrap().contains("place"));
    }

    #[test]
    fn the_largest_request_fits_a_record() {
        let uid = |of: u8, number: usize| format!("{of}.{number:0>62}");
        let class = SopClassUid::new(&uid(1, 0)).unwrap();
        let place = |number: usize| SeriesPlace {
            study: StudyUid::new(&uid(2, number % GROUPS_MAX)).unwrap(),
            series: SeriesUid::new(&uid(1, number % GROUPS_MAX)).unwrap(),
        };
        let instance = |number| SopInstanceUid::new(&uid(0, number)).unwrap();
        let pairs = (0..INSTANCES_MAX).map(|number| (class.clone(), instance(number)));
        let places = (0..INSTANCES_MAX).map(|number| (instance(number), place(number))).collect();
        let requestor = Requestor::Web(outrigger_model::WebClient::Anyone);
        let asked = Asked::new(TransactionUid::known("1.9"), (requestor, AeTitle::known("O")), pairs);
        let asked = asked.by_study(&places);
        assert_eq!(asked.instances.len(), GROUPS_MAX);
        let bytes = serde_json::to_vec(&asked).unwrap().len();
        assert!(bytes < 1_000_000, "{bytes}");
    }
}
