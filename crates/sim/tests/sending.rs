//! What every peer is put through.

use std::path::PathBuf;

use outrigger_model::{AeTitle, Level, QueryRoot, SopInstanceUid, Tag};
use outrigger_sim::peers::{EchoScu, FindScu, GetScu, MoveScu, Nagle, Station, StoreScp, StoreScu};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use tempfile::TempDir;

/// The AE title that calls in these tests.
pub(crate) fn caller() -> AeTitle {
    AeTitle::new("CALLER").unwrap()
}

/// Three objects of one study, as files.
pub(crate) struct Study {
    pub(crate) phantoms: Vec<Phantom>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) directory: TempDir,
}

impl Study {
    pub(crate) fn new(seed: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let shapes = [Shape::SmallCt, Shape::SmallCt, Shape::Sr];
        let mut study = Self { phantoms: Vec::new(), files: Vec::new(), directory };
        for (number, shape) in shapes.into_iter().enumerate() {
            let instance = u32::try_from(number).unwrap();
            let series = u32::from(shape == Shape::Sr);
            let phantom = Phantom::new(seed, Place { instance, series, ..Place::default() }, shape);
            let file = study.directory.path().join(format!("{number}.dcm"));
            std::fs::write(&file, phantom.file()).unwrap();
            study.phantoms.push(phantom);
            study.files.push(file);
        }
        study
    }

    pub(crate) fn uid(&self) -> String {
        self.phantoms[0].header.study.as_ref().unwrap().to_string()
    }

    pub(crate) fn instances(&self) -> Vec<SopInstanceUid> {
        let mut uids: Vec<_> =
            self.phantoms.iter().map(|phantom| phantom.header.sop_instance.clone()).collect();
        uids.sort();
        uids
    }
}

/// Verification, then all of the study with every response a success.
pub(crate) async fn echo_and_store(called: &Station, study: &Study) {
    let echo = EchoScu::run(&caller(), called).await.unwrap();
    assert!(echo.success(), "{}", echo.said());
    let calling = caller();
    let send = StoreScu { calling: &calling, called, files: &study.files, options: &[], nagle: Nagle::Off };
    let stored = send.run().await.unwrap();
    assert!(stored.run.success(), "{}", stored.run.said());
    assert_eq!(stored.successes(), study.files.len(), "{:?}", stored.sent);
}

/// A study-level query gives this study and no other; pynetdicom answers it once for each instance.
pub(crate) async fn find_study(called: &Station, study: &Study) {
    let key = format!("0020,000d={}", study.uid());
    let calling = caller();
    let ask = FindScu {
        calling: &calling,
        called,
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &[&key, "0010,0020"],
    };
    let found = ask.run().await.unwrap();
    assert!(found.run.success(), "{}", found.run.said());
    assert!(!found.answers.is_empty(), "{}", found.run.said());
    for answer in &found.answers {
        let answered = answer.get(&Tag::STUDY_INSTANCE_UID).map(|value| value.trim_end_matches('\0'));
        assert_eq!(answered, Some(study.uid().as_str()), "{}", found.run.said());
    }
    let patient = study.phantoms[0].header.attribute(Tag::PATIENT_ID);
    let answered = found.answers[0].get(&Tag::PATIENT_ID).map(|value| value.trim_end());
    assert_eq!(answered, patient, "{}", found.run.said());
}

/// C-GET of the study brings every object back.
pub(crate) async fn get_study(called: &Station, study: &Study) {
    let into = TempDir::new().unwrap();
    let key = format!("0020,000d={}", study.uid());
    let calling = caller();
    let retrieve = GetScu {
        calling: &calling,
        called,
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &[&key],
        into: into.path(),
    };
    let (run, files) = retrieve.run().await.unwrap();
    assert_eq!(files.len(), study.files.len(), "{}", run.said());
}

/// C-MOVE of the study brings every object to a third station.
pub(crate) async fn move_study(called: &Station, destination: &StoreScp, study: &Study) {
    let key = format!("0020,000d={}", study.uid());
    let calling = caller();
    let order = MoveScu {
        calling: &calling,
        called,
        destination: &destination.station().ae_title,
        root: QueryRoot::Study,
        level: Level::Study,
        keys: &[&key],
    };
    let run = order.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    assert_eq!(destination.files().unwrap().len(), study.files.len(), "{}", run.said());
}
