//! `outrigger archive export`: a study, a series or an instance as files of PS3.10, from an archive that is stopped.
//!
//! Every object that was asked for is written and synced, or the command fails and says which is not. A file that is there already
//! is left as it is: one that holds the same is fine, any other is a failure.

use std::io::{self, IoSlice};
use std::path::Path;

use outrigger_archive::Archive;
use outrigger_dataset::part10;
use outrigger_front::{Retrievable, Service};
use outrigger_model::{Selection, SeriesUid, SopInstanceUid, StudyUid};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::disk::{Access, Disk, read_exact_at, remove_if_there};
use outrigger_runtime::{BlockError, BlockSource, RealDisk};

use crate::cli::ExportArgs;
use crate::output;
use crate::process::{Failure, Finished};

/// Progress is told each time so many objects have been written.
const OBJECTS_TOLD: usize = 500;

/// Exports what a UID names.
pub(super) async fn run(args: &ExportArgs, archive: &Archive) -> Result<Finished, Failure> {
    let objects = selected(&args.uid, archive).await?;
    if objects.is_empty() {
        output::note(&format!("no study, series or instance of this archive has the UID {}", args.uid));
        return Ok(Finished::Unknown);
    }
    let directory = &args.directory;
    let made = RealDisk.create_directory(directory);
    made.map_err(|error| Failure::of(format!("{} cannot be made", directory.display()), error))?;
    let (mut written, mut there, mut failed) = (0, 0, 0);
    for (place, object) in objects.iter().enumerate() {
        match export(object, directory, archive).await {
            Ok(Became::Written) => written += 1,
            Ok(Became::There) => there += 1,
            Err(error) => {
                failed += 1;
                let why = outrigger_model::with_causes(&error);
                output::note(&format!("{} is not exported: {why}", object.sop_instance));
            }
        }
        if (place + 1).is_multiple_of(OBJECTS_TOLD) {
            output::note(&format!("{} of {} objects", place + 1, objects.len()));
        }
    }
    let synced = RealDisk.sync_directory(directory);
    synced.map_err(|error| Failure::of(format!("{} cannot be synced", directory.display()), error))?;
    output::line(&format!("{written} written, {there} there already, {failed} failed"));
    if failed > 0 {
        let failed = output::counted(failed, "object is", "objects are");
        let message = format!("the export is not complete: {failed} missing in {}", directory.display());
        return Err(Failure::Refused { message });
    }
    Ok(Finished::Good)
}

/// The objects of the study, else the series, else the instance of a UID.
async fn selected(uid: &str, archive: &Archive) -> Result<Vec<Retrievable>, Failure> {
    let bad = || Failure::Argument {
        what: format!("`{uid}` is no UID"),
        instead: "a Study, Series or SOP Instance UID is expected".to_owned(),
    };
    let selections = [
        Selection::Studies(vec![StudyUid::new(uid).map_err(|_| bad())?]),
        Selection::Series { study: None, series: vec![SeriesUid::new(uid).map_err(|_| bad())?] },
        Selection::Instances { study: None, instances: vec![SopInstanceUid::new(uid).map_err(|_| bad())?] },
    ];
    for selection in selections {
        let planned = archive.plan(selection).await;
        let objects = planned.map_err(|refusal| Failure::Refused { message: refusal.text })?;
        if !objects.is_empty() {
            return Ok(objects);
        }
    }
    Ok(Vec::new())
}

enum Became {
    Written,
    There,
}

/// Why an object is not exported.
#[derive(Debug, thiserror::Error)]
enum NotExported {
    #[error("the archive cannot give it: {0}")]
    Open(String),
    #[error("the archive cannot give it")]
    Block(#[source] BlockError),
    #[error("its UID is no name for a file")]
    Name,
    #[error("{path} is there, and holds something else; move it away")]
    Other { path: String },
    #[error("{path} cannot be written")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
}

async fn export(object: &Retrievable, directory: &Path, archive: &Archive) -> Result<Became, NotExported> {
    let uid = object.sop_instance.as_str();
    if !uid.chars().all(|letter| letter.is_ascii_digit() || letter == '.') || uid.starts_with('.') {
        return Err(NotExported::Name);
    }
    let opened = archive.open(object).await.map_err(|refusal| NotExported::Open(refusal.text))?;
    let head = part10::file(&object.sop_class, &object.sop_instance, &object.transfer_syntax, &[]);
    let path = directory.join(format!("{uid}.dcm"));
    let wrong = |source| NotExported::Write { path: path.display().to_string(), source };
    match RealDisk.open(&path, Access::Read) {
        Ok(_) => return same(&path, &head, &*opened.bytes).map(|()| Became::There),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    let fresh = directory.join(format!("{uid}.dcm.part"));
    remove_if_there(&RealDisk, &fresh).map_err(wrong)?;
    let file = RealDisk.create(&fresh).map_err(wrong)?;
    let mut at = head.len() as u64;
    file.write_at(&[IoSlice::new(&head)], 0).map_err(wrong)?;
    for index in 0..opened.bytes.length().div_ceil(BLOCK_BYTES as u64) {
        let block = opened.bytes.read_block(index).map_err(NotExported::Block)?;
        file.write_at(&[IoSlice::new(&block)], at).map_err(wrong)?;
        at += block.len() as u64;
    }
    file.sync_data().map_err(wrong)?;
    RealDisk.rename(&fresh, &path).map_err(wrong)?;
    Ok(Became::Written)
}

/// Whether a file holds what would be written.
fn same(path: &Path, head: &[u8], bytes: &dyn BlockSource) -> Result<(), NotExported> {
    let shown = || path.display().to_string();
    let wrong = |source| NotExported::Write { path: shown(), source };
    let other = || NotExported::Other { path: shown() };
    let file = RealDisk.open(path, Access::Read).map_err(wrong)?;
    if file.length().map_err(wrong)? != head.len() as u64 + bytes.length() {
        return Err(other());
    }
    if read_exact_at(&*file, 0, head.len()).map_err(wrong)? != head {
        return Err(other());
    }
    let mut at = head.len() as u64;
    for index in 0..bytes.length().div_ceil(BLOCK_BYTES as u64) {
        let block = bytes.read_block(index).map_err(NotExported::Block)?;
        if read_exact_at(&*file, at, block.len()).map_err(wrong)? != block {
            return Err(other());
        }
        at += block.len() as u64;
    }
    Ok(())
}
