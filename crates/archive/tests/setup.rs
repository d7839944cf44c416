//! An archive in a temporary directory, and objects for it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_archive::{Archive, ArchiveOptions, Keeper, OpenError};
use outrigger_front::{Arrival, FindRefusal, RefusalKind, Retrievable, Service, StoreRefusal, Stored};
use outrigger_model::{
    AeTitle, Answer, AssociationId, InstanceHeader, Level, Origin, Query, QueryKey, QueryRoot, Selection,
    SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid,
};
use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::spool::SpoolError;
use outrigger_runtime::{Body, Clock, Random, RealDisk, Threads};

/// An object to be sent: its number names it, and its bytes are made from number and content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    pub(crate) number: u32,
    pub(crate) content: u8,
    pub(crate) length: usize,
}

/// An object of a size that stays in memory.
pub(crate) fn small(number: u32) -> Object {
    Object { number, content: 1, length: 3000 }
}

impl Object {
    pub(crate) fn uid(&self) -> SopInstanceUid {
        SopInstanceUid::new(&format!("1.2.{}.1.{}", self.number / 10, self.number)).unwrap()
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let seed = usize::from(self.content);
        let mut pattern: Vec<u8> = (0..1009).map(|at| u8::try_from((at * 7 + seed) % 256).unwrap()).collect();
        pattern.splice(..4, self.number.to_le_bytes());
        let mut bytes = pattern.repeat(self.length / pattern.len() + 1);
        bytes.truncate(self.length);
        bytes.into()
    }

    /// SHA-256 of its bytes, in hex.
    pub(crate) fn sha256(&self) -> String {
        use sha2::Digest;
        sha2::Sha256::digest(self.bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn header(&self) -> InstanceHeader {
        let study = self.number / 10;
        InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: self.uid(),
            study: Some(StudyUid::new(&format!("1.2.{study}")).unwrap()),
            series: Some(SeriesUid::new(&format!("1.2.{study}.1")).unwrap()),
            attributes: vec![
                (Tag::PATIENT_ID, format!("P{study}")),
                (Tag::PATIENT_NAME, format!("DOE^{study}")),
                (Tag::INSTANCE_NUMBER, self.number.to_string()),
            ],
        }
    }
}

/// Opens an archive over a disk.
pub(crate) async fn open_over(directory: &Path, catalogue: &str, disk: ArcDisk) -> Archive {
    try_open_over(directory, catalogue, disk).await.unwrap()
}

/// Opens an archive over a disk, if it can be.
pub(crate) async fn try_open_over(
    directory: &Path,
    catalogue: &str,
    disk: ArcDisk,
) -> Result<Archive, OpenError> {
    try_open_keeping(directory, catalogue, disk, Keeper::Files).await
}

/// Opens an archive over a disk and a keeper of objects, if it can be.
pub(crate) async fn try_open_keeping(
    directory: &Path,
    catalogue: &str,
    disk: ArcDisk,
    keeper: Keeper,
) -> Result<Archive, OpenError> {
    let options = ArchiveOptions {
        directory: directory.join("archive"),
        keeper,
        catalogue: catalogue.to_owned(),
        object_bytes_max: 64 << 20,
        holder: "archive test".to_owned(),
    };
    let (clock, random) = (Clock::simulated(1_700_000_000_000_000), Random::seeded(7));
    Archive::open(options, disk, clock, random, Threads::System).await
}

/// Opens an archive over a simulated disk; everything runs on the test's own thread. `None` if the disk fails meanwhile.
pub(crate) async fn open_simulated(disk: &SimDisk, catalogue: &str) -> Option<Archive> {
    let options = ArchiveOptions {
        directory: "/archive".into(),
        keeper: Keeper::Files,
        catalogue: catalogue.to_owned(),
        object_bytes_max: 16 << 20,
        holder: "archive test".to_owned(),
    };
    let (clock, random) = (Clock::simulated(1_700_000_000_000_000), Random::seeded(disk.calls()));
    match Archive::open(options, disk.shared(), clock, random, Threads::Simulated).await {
        Ok(archive) => Some(archive),
        Err(error) => {
            assert!(disk.struck().is_some(), "{error:?}");
            None
        }
    }
}

/// Opens an archive with a SQLite catalogue over the machine's own disk.
pub(crate) async fn open(directory: &Path) -> Archive {
    open_over(directory, &sqlite(directory), Arc::new(RealDisk)).await
}

pub(crate) fn sqlite(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("catalogue.db").display())
}

/// Stores an object as a front door does, in pieces; a spool that fails is a refusal too.
pub(crate) async fn store(archive: &Archive, object: Object) -> Result<Stored, StoreRefusal> {
    let body = body(archive, &object.bytes()).await.map_err(|error| StoreRefusal {
        kind: RefusalKind::OutOfResources,
        text: error.to_string(),
        source: Some(Box::new(error)),
    })?;
    let origin = Origin {
        calling_ae: AeTitle::new("CT1").unwrap(),
        called_ae: AeTitle::new("ARCHIVE").unwrap(),
        peer: [127, 0, 0, 1].into(),
        association: AssociationId(1),
        implementation: String::new(),
        issuer: Some("HOSP".to_owned()),
        member: None,
    };
    let arrival = Arrival {
        header: object.header(),
        oddities: Vec::new(),
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        body,
        origin,
    };
    archive.accept(arrival).await
}

async fn body(archive: &Archive, bytes: &Bytes) -> Result<Body, SpoolError> {
    let mut writer = archive.spool().begin();
    for start in (0..bytes.len()).step_by(16_000) {
        writer.push(bytes.slice(start..bytes.len().min(start + 16_000))).await?;
    }
    writer.finish().await
}

/// The one instance of an object, if the archive has it.
pub(crate) async fn planned(archive: &Archive, object: Object) -> Option<Retrievable> {
    archive.plan(Selection::Instances { study: None, instances: vec![object.uid()] }).await.unwrap().pop()
}

/// All bytes of an object as the archive gives them.
pub(crate) async fn fetched(archive: &Archive, object: Object) -> Result<Vec<u8>, FindRefusal> {
    let instance = planned(archive, object).await.expect("the object is in the catalogue");
    let source = archive.open(&instance).await?.bytes;
    assert_eq!((source.length(), instance.length), (object.length as u64, object.length as u64));
    let mut bytes = Vec::new();
    loop {
        let block = source.read_block(bytes.len() as u64 / (1 << 20));
        let block = block.map_err(|error| FindRefusal {
            status: outrigger_model::Status::PROCESSING_FAILURE,
            text: error.to_string(),
            source: None,
        })?;
        if block.is_empty() {
            return Ok(bytes);
        }
        bytes.extend(block);
        if bytes.len() % (1 << 20) != 0 {
            return Ok(bytes);
        }
    }
}

/// Whether the archive gives an object back byte for byte.
pub(crate) async fn has(archive: &Archive, object: Object) -> bool {
    planned(archive, object).await.is_some()
        && fetched(archive, object).await.is_ok_and(|bytes| bytes == object.bytes())
}

/// All answers to a query.
pub(crate) async fn answers(archive: &Archive, level: Level, keys: &[(Tag, &str)]) -> Vec<Answer> {
    let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() }).collect();
    let mut answers = archive.find(Query::new(QueryRoot::Study, level, keys)).await.unwrap();
    let mut found = Vec::new();
    while let Some(answer) = answers.recv().await {
        found.push(answer.unwrap());
    }
    found
}

/// The object files under their names.
pub(crate) fn blob_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for bucket in std::fs::read_dir(directory.join("archive/blobs")).unwrap() {
        files.extend(std::fs::read_dir(bucket.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    files.sort();
    files
}

/// Files left in the spool.
pub(crate) fn spool_files(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("archive/spool")).unwrap().count()
}
