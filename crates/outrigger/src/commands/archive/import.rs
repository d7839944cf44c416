//! `outrigger archive import`: the DICOM files of a folder, and of all below it, go into an archive that is stopped.
//!
//! Each goes the way of a store: its data set as it stands in the file, never written anew. What the archive has already is not
//! stored again, so an import that was interrupted goes on when it is run again.

use std::path::{Path, PathBuf};

use outrigger_archive::Archive;
use outrigger_dataset::part10::{Head, HeadError};
use outrigger_dataset::scan::{ScanError, Scanned, Scanner};
use outrigger_front::{Arrival, Service, StoreRefusal, Stored};
use outrigger_model::{
    AeTitle, AssociationId, Origin, Selection, SeriesUid, Sha256Digest, StudyUid, TransferSyntaxUid,
    transfer_syntax, with_causes,
};
use outrigger_runtime::disk::{Access, Disk, DiskFile, Kind, Listed};
use outrigger_runtime::spool::SpoolError;
use outrigger_runtime::{Body, RealDisk};

use crate::cli::ImportArgs;
use crate::output;
use crate::process::{Failure, Finished};

/// Bytes read of a file at once.
const PIECE_BYTES: usize = 1 << 20;
/// Progress is told each time so many files have been looked at.
const FILES_TOLD: u64 = 500;
/// Index of the media a folder was copied from: it holds no object (PS3.10 section 8.6).
const DICOMDIR: &str = "DICOMDIR";
/// Who stored it, where nobody called.
const CALLER: &str = "IMPORT";

/// Imports a folder.
pub(super) async fn run(args: &ImportArgs, archive: &Archive) -> Result<Finished, Failure> {
    let mut told = Told::default();
    let outcome = folder(&args.directory, archive, &mut told).await;
    output::line(&format!(
        "{} stored, {} further versions, {} there already, {} left out, {} refused",
        told.new, told.versions, told.there, told.left_out, told.refused
    ));
    outcome?;
    if told.refused > 0 {
        let refused = output::counted(told.refused, "object was", "objects were");
        return Err(Failure::Refused {
            message: format!("{refused} not stored; each is named above, with the reason"),
        });
    }
    Ok(Finished::Good)
}

/// What became of the files.
#[derive(Debug, Default)]
struct Told {
    looked_at: u64,
    new: u64,
    versions: u64,
    there: u64,
    left_out: u64,
    refused: u64,
}

/// What became of one file.
enum Became {
    Stored(Stored),
    There,
}

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error("it is no DICOM file: {0}")]
    NoFile(HeadError),
    #[error("it is no DICOM file, and no data set")]
    NoDataSet(#[source] ScanError),
    #[error("it is the index of a medium, and holds no object")]
    Index,
    #[error("its data set cannot be taken")]
    Scan(#[source] ScanError),
    #[error("one of its UIDs is none that could be asked for")]
    Unaddressable,
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    #[error("it cannot be taken in")]
    Spool(#[source] SpoolError),
    #[error("it is refused: {}", .0.text)]
    Refused(StoreRefusal),
}

impl NotStored {
    /// Whether it was no object in the first place.
    fn is_no_object(&self) -> bool {
        matches!(self, Self::NoFile(_) | Self::NoDataSet(_) | Self::Index)
    }

    /// Whether the archive takes nothing now.
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Spool(SpoolError::Write { .. }) | Self::Refused(_))
    }
}

/// Looks at every file below a folder, in order of their names.
async fn folder(directory: &Path, archive: &Archive, told: &mut Told) -> Result<(), Failure> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let listed = RealDisk.list(&directory);
        let listed = listed
            .map_err(|error| Failure::of(format!("{} cannot be listed", directory.display()), error))?;
        for Listed { path, kind, .. } in listed {
            match kind {
                Kind::Directory => waiting.push(path),
                Kind::File => one(&path, archive, told).await?,
            }
        }
    }
    Ok(())
}

async fn one(path: &Path, archive: &Archive, told: &mut Told) -> Result<(), Failure> {
    match stored(path, archive).await {
        Ok(Became::Stored(Stored::New)) => told.new += 1,
        Ok(Became::Stored(Stored::NewVersion)) => told.versions += 1,
        Ok(Became::Stored(Stored::Repeated) | Became::There) => told.there += 1,
        Err(reason) => {
            output::note(&format!("{}: {}", path.display(), with_causes(&reason)));
            if reason.is_no_object() {
                told.left_out += 1;
            } else {
                told.refused += 1;
            }
            if reason.is_lasting() {
                let what = "the archive takes nothing now; run the import again when it does, and it goes on";
                return Err(Failure::of(what, reason));
            }
        }
    }
    told.looked_at += 1;
    if told.looked_at.is_multiple_of(FILES_TOLD) {
        let stored = output::counted(told.new, "object", "objects");
        output::note(&format!("{} files looked at, {stored} stored", told.looked_at));
    }
    Ok(())
}

/// Brings the object of a file into the archive.
async fn stored(path: &Path, archive: &Archive) -> Result<Became, NotStored> {
    if path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(DICOMDIR)) {
        return Err(NotStored::Index);
    }
    let file = RealDisk.open(path, Access::Read).map_err(NotStored::Read)?;
    let first = file.read_new(0, PIECE_BYTES).map_err(NotStored::Read)?;
    let (transfer_syntax, start) = match head(&first) {
        Ok(found) => found,
        Err(no_file) => (raw_syntax(&*file, &first, no_file)?, 0),
    };
    let (body, scanned) = taken(&*file, start, &transfer_syntax, archive).await?;
    let header = &scanned.header;
    let addressable = header.sop_instance.is_addressable()
        && header.study.as_ref().is_none_or(StudyUid::is_addressable)
        && header.series.as_ref().is_none_or(SeriesUid::is_addressable);
    if !addressable {
        return Err(NotStored::Unaddressable);
    }
    let these = Selection::Instances { study: None, instances: vec![header.sop_instance.clone()] };
    let known = archive.plan(these).await.unwrap_or_default();
    if known.iter().any(|known| known.place.ends_with(&Sha256Digest(body.sha256).to_string())) {
        return Ok(Became::There);
    }
    let Scanned { header, oddities } = scanned;
    let arrival = Arrival { header, oddities, transfer_syntax, body, origin: origin() };
    archive.accept(arrival).await.map(Became::Stored).map_err(NotStored::Refused)
}

/// Transfer syntax and beginning of the data set of a file of PS3.10.
fn head(first: &[u8]) -> Result<(TransferSyntaxUid, u64), HeadError> {
    let mut head = Head::default();
    let meta = head.push(first)?.ok_or(HeadError::NoFile)?;
    let data_set = head.rest().len() as u64;
    Ok((meta.transfer_syntax, first.len() as u64 - data_set))
}

/// The transfer syntax of a data set without a head, which is one of two by custom: that in which it is one.
fn raw_syntax(file: &dyn DiskFile, first: &[u8], no_file: HeadError) -> Result<TransferSyntaxUid, NotStored> {
    // Group 0008 or below, or group 0002 of files that lack the preamble: anything else begins no data set.
    if !matches!(first, [group, 0, _, _, _, _, _, _, ..] if *group <= 8) {
        return Err(NotStored::NoFile(no_file));
    }
    let mut why = None;
    for uid in [transfer_syntax::EXPLICIT_VR_LE, transfer_syntax::IMPLICIT_VR_LE] {
        let syntax = TransferSyntaxUid::known(uid);
        let mut scanner = Scanner::new(&syntax);
        pieces(file, 0, |piece| scanner.push(piece))?;
        match scanner.finish() {
            Ok(_) => return Ok(syntax),
            Err(error) => why = Some(error),
        }
    }
    Err(why.map_or(NotStored::NoFile(no_file), NotStored::NoDataSet))
}

/// Reads a file from a position to its end.
fn pieces(file: &dyn DiskFile, start: u64, mut take: impl FnMut(&[u8])) -> Result<(), NotStored> {
    let mut at = start;
    loop {
        let piece = file.read_new(at, PIECE_BYTES).map_err(NotStored::Read)?;
        if piece.is_empty() {
            return Ok(());
        }
        at += piece.len() as u64;
        take(&piece);
    }
}

/// Takes a data set in as a store does: past the scanner and into the spool at once.
async fn taken(
    file: &dyn DiskFile,
    start: u64,
    transfer_syntax: &TransferSyntaxUid,
    archive: &Archive,
) -> Result<(Body, Scanned), NotStored> {
    let mut writer = archive.spool().begin();
    let mut scanner = Scanner::new(transfer_syntax);
    let mut at = start;
    loop {
        let piece = file.read_new(at, PIECE_BYTES).map_err(NotStored::Read)?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        scanner.push(&piece);
        writer.push(piece.into()).await.map_err(NotStored::Spool)?;
    }
    let scanned = scanner.finish().map_err(NotStored::Scan)?;
    Ok((writer.finish().await.map_err(NotStored::Spool)?, scanned))
}

fn origin() -> Origin {
    Origin {
        calling_ae: AeTitle::known(CALLER),
        called_ae: AeTitle::known(CALLER),
        peer: [127, 0, 0, 1].into(),
        association: AssociationId(0),
        implementation: String::new(),
        issuer: None,
        member: None,
    }
}

/// The folder, as the archive must not lie in it.
pub(super) fn checked(directory: &Path, own: &[PathBuf]) -> Result<(), Failure> {
    match own.iter().find(|own| own.starts_with(directory)) {
        None => Ok(()),
        Some(own) => Err(Failure::Argument {
            what: format!("{} of the archive itself lies below {}", own.display(), directory.display()),
            instead: "a folder of DICOM files elsewhere is expected".to_owned(),
        }),
    }
}
