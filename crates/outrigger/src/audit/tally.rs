//! What passed between this node and its members, gathered by connection and study: one message for many instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrigger_front::StudyTally;
use outrigger_model::{AeTitle, InstanceHeader, SopClassUid, Tag};

/// Studies gathered at once; beyond it the oldest is reported early.
const OPEN_MAX: usize = 256;
/// A study of a connection is reported at the latest this long after its first instance, however long the connection lasts.
const LONGEST_US: i64 = 60_000_000;
/// One read back is reported this long after its last instance: reading back takes many connections.
const QUIET_US: i64 = 5_000_000;

/// Both ends of what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Our AE title.
    pub(crate) ours: AeTitle,
    /// The member's AE title.
    pub(crate) theirs: AeTitle,
    /// Where the member is, `host:port`.
    pub(crate) address: String,
}

/// Which way instances pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They are stored at the member.
    ToMember,
    /// They are read back.
    FromMember,
}

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is where it was to go.
    Arrived,
    /// It was refused, or the connection was lost.
    Failed,
}

/// An instance on its way.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    /// The connection.
    pub(crate) line: u64,
    pub(crate) ends: Arc<Ends>,
    pub(crate) way: Way,
    /// What its bytes say it is; nothing where they say nothing.
    pub(crate) header: Option<InstanceHeader>,
    /// Wall-clock time, microseconds since 1970-01-01 UTC.
    pub(crate) began_us: i64,
}

/// An instance that passed.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    pub(crate) moving: Moving,
    pub(crate) class: SopClassUid,
    pub(crate) fate: Fate,
    /// Wall-clock time, microseconds since 1970-01-01 UTC.
    pub(crate) ended_us: i64,
}

/// What a connection to a member tells.
#[derive(Debug, Clone)]
pub(crate) enum Leg {
    /// An instance is about to be sent.
    Begins(Box<Moving>),
    /// An instance passed.
    Moved(Box<Moved>),
    /// The connection ended.
    Ended { line: u64 },
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LegReport {
    pub(crate) what: Passage,
    pub(crate) ends: Arc<Ends>,
    pub(crate) way: Way,
    pub(crate) study: StudyTally,
    /// Wall-clock time, microseconds since 1970-01-01 UTC.
    pub(crate) at_us: i64,
}

/// Begin Transferring DICOM Instances, or DICOM Instances Transferred with its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Begins,
    Ended(Fate),
}

#[derive(Debug)]
struct Open {
    /// Of what is read back connections are not told apart.
    line: Option<u64>,
    ends: Arc<Ends>,
    way: Way,
    study: StudyTally,
    arrived: BTreeMap<SopClassUid, u32>,
    failed: BTreeMap<SopClassUid, u32>,
    first_us: i64,
    last_us: i64,
}

/// What passed and is not reported yet.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Vec<Open>);

impl Tallies {
    /// Takes notice of an instance about to be sent; gives what is to be written down at once.
    pub(crate) fn begins(&mut self, moving: &Moving) -> Vec<LegReport> {
        let study = study_of(moving.header.as_ref());
        if self.position(moving, &study).is_some() {
            return Vec::new();
        }
        let mut reports = self.push(moving, study.clone());
        let (ends, way) = (Arc::clone(&moving.ends), moving.way);
        reports.push(LegReport { what: Passage::Begins, ends, way, study, at_us: moving.began_us });
        reports
    }

    /// Counts an instance; gives what is to be written down at once.
    pub(crate) fn note(&mut self, moved: &Moved) -> Vec<LegReport> {
        let study = study_of(moved.moving.header.as_ref());
        let mut reports = Vec::new();
        let at = self.position(&moved.moving, &study).unwrap_or_else(|| {
            reports = self.push(&moved.moving, study);
            self.0.len() - 1
        });
        if let Some(open) = self.0.get_mut(at) {
            let counts = match moved.fate {
                Fate::Arrived => &mut open.arrived,
                Fate::Failed => &mut open.failed,
            };
            let count = counts.entry(moved.class.clone()).or_default();
            *count = count.saturating_add(1);
            open.last_us = moved.ended_us;
        }
        reports
    }

    fn position(&self, moving: &Moving, study: &StudyTally) -> Option<usize> {
        let line = moving.tallied_line();
        let same = |open: &Open| {
            open.line == line && open.way == moving.way && open.ends == moving.ends && open.study == *study
        };
        self.0.iter().position(same)
    }

    /// Opens an entry at the end; gives the oldest when there are too many to hold.
    fn push(&mut self, moving: &Moving, study: StudyTally) -> Vec<LegReport> {
        let early = if self.0.len() >= OPEN_MAX { self.0.remove(0).reports() } else { Vec::new() };
        self.0.push(Open {
            line: moving.tallied_line(),
            ends: Arc::clone(&moving.ends),
            way: moving.way,
            study,
            arrived: BTreeMap::new(),
            failed: BTreeMap::new(),
            first_us: moving.began_us,
            last_us: moving.began_us,
        });
        early
    }

    /// A connection ended: what it carried is written down.
    pub(crate) fn ended(&mut self, line: u64) -> Vec<LegReport> {
        self.taken(|open| open.line == Some(line))
    }

    /// What has waited long enough at `now_us`.
    pub(crate) fn due(&mut self, now_us: i64) -> Vec<LegReport> {
        self.taken(|open| {
            let quiet = open.line.is_none() && now_us - open.last_us >= QUIET_US;
            quiet || now_us - open.first_us >= LONGEST_US
        })
    }

    /// Everything.
    pub(crate) fn all(&mut self) -> Vec<LegReport> {
        self.taken(|_| true)
    }

    fn taken(&mut self, which: impl Fn(&Open) -> bool) -> Vec<LegReport> {
        self.0.extract_if(.., |open| which(open)).flat_map(Open::reports).collect()
    }
}

impl Moving {
    /// The connection, where connections are told apart.
    fn tallied_line(&self) -> Option<u64> {
        (self.way == Way::ToMember).then_some(self.line)
    }
}

impl Open {
    fn reports(self) -> Vec<LegReport> {
        let Self { ends, way, study, arrived, failed, last_us: at_us, .. } = self;
        let report = |(fate, classes): (Fate, BTreeMap<SopClassUid, u32>)| {
            let study = StudyTally { classes, ..study.clone() };
            LegReport { what: Passage::Ended(fate), ends: Arc::clone(&ends), way, study, at_us }
        };
        let both = [(Fate::Arrived, arrived), (Fate::Failed, failed)];
        both.into_iter().filter(|(_, classes)| !classes.is_empty()).map(report).collect()
    }
}

fn study_of(header: Option<&InstanceHeader>) -> StudyTally {
    let attribute = |tag| header.and_then(|header| header.attribute(tag)).map(str::to_owned);
    StudyTally {
        study: header.and_then(|header| header.study.clone()),
        patient_id: attribute(Tag::PATIENT_ID),
        patient_name: attribute(Tag::PATIENT_NAME),
        classes: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use outrigger_model::{SopInstanceUid, StudyUid};

    use super::*;

    fn moved(line: u64, way: Way, study: usize, fate: Fate, at_us: i64) -> Moved {
        let class = SopClassUid::new("1.1").unwrap();
        let ends = Ends {
            ours: AeTitle::new("OURS").unwrap(),
            theirs: AeTitle::new("THEIRS").unwrap(),
            address: "10.0.0.7:104".to_owned(),
        };
        let header = InstanceHeader {
            sop_class: class.clone(),
            sop_instance: SopInstanceUid::new("1.2").unwrap(),
            study: Some(StudyUid::new(&format!("1.{study}")).unwrap()),
            series: None,
            attributes: vec![(Tag::PATIENT_ID, "P1".into())],
        };
        let ends = Arc::new(ends);
        let moving = Moving { line, ends, way, header: Some(header), began_us: at_us };
        Moved { moving, class, fate, ended_us: at_us }
    }

    fn counts(reports: &[LegReport]) -> Vec<(Passage, u32)> {
        reports.iter().map(|report| (report.what, report.study.classes.values().sum())).collect()
    }

    #[test]
    fn a_study_of_a_connection_is_two_messages_and_failures_are_a_third() {
        let mut tallies = Tallies::default();
        for (number, fate) in [Fate::Arrived, Fate::Arrived, Fate::Failed].into_iter().enumerate() {
            let moved = moved(1, Way::ToMember, 1, fate, 7);
            let began = counts(&tallies.begins(&moved.moving));
            assert_eq!(began, [(Passage::Begins, 0)][..usize::from(number == 0)]);
            assert_eq!(tallies.note(&moved), []);
        }
        assert_eq!(tallies.ended(2), []);
        let ended = counts(&tallies.ended(1));
        assert_eq!(ended, [(Passage::Ended(Fate::Arrived), 2), (Passage::Ended(Fate::Failed), 1)]);
        assert_eq!(tallies.all(), []);
    }

    #[test]
    fn what_is_read_back_over_many_connections_is_one_message() {
        let mut tallies = Tallies::default();
        for line in 0..9 {
            assert_eq!(tallies.note(&moved(line, Way::FromMember, 1, Fate::Arrived, 0)), []);
            assert_eq!(tallies.ended(line), []);
        }
        assert_eq!(tallies.due(QUIET_US - 1), []);
        assert_eq!(counts(&tallies.due(QUIET_US)), [(Passage::Ended(Fate::Arrived), 9)]);
    }

    #[test]
    fn a_long_connection_and_too_many_studies_are_reported_meanwhile() {
        let mut tallies = Tallies::default();
        for study in 0..OPEN_MAX {
            tallies.note(&moved(1, Way::ToMember, study, Fate::Arrived, 0));
        }
        let one_more = moved(1, Way::ToMember, OPEN_MAX, Fate::Arrived, 1);
        let early = tallies.begins(&one_more.moving);
        assert_eq!(tallies.note(&one_more), []);
        assert_eq!(counts(&early), [(Passage::Ended(Fate::Arrived), 1), (Passage::Begins, 0)]);
        assert_eq!(tallies.due(LONGEST_US - 1), []);
        assert_eq!(tallies.due(LONGEST_US).len(), OPEN_MAX - 1);
    }
}
