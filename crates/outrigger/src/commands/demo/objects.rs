//! What the demo sends: phantoms of our own, or the DICOM files of a directory.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use outrigger_dataset::element::Value;
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::read::read_form;
use outrigger_dataset::{part10, scan::ScanError, scan::Scanner, transcode};
use outrigger_member::{Need, Outgoing};
use outrigger_model::{InstanceHeader, Sha256Digest, SopInstanceUid, Tag, TransferSyntaxUid};
use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::{self, Disk, Kind};
use sha2::{Digest, Sha256};

use crate::output;
use crate::process::Failure;

/// CT studies made when no directory is given, and images in each.
const STUDIES: u32 = 3;
const IMAGES: u32 = 40;
/// Largest file of a directory that is sent.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// An object to be sent, and what it must be when it is read back.
#[derive(Debug, Clone)]
pub(crate) struct DemoObject {
    /// Its identity.
    pub(crate) header: InstanceHeader,
    /// Its encoding.
    pub(crate) transfer_syntax: TransferSyntaxUid,
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// Their digest.
    pub(crate) sha256: Sha256Digest,
}

impl DemoObject {
    fn new(header: InstanceHeader, transfer_syntax: TransferSyntaxUid, bytes: Bytes) -> Self {
        let sha256 = Sha256Digest(Sha256::digest(&bytes).into());
        Self { header, transfer_syntax, bytes, sha256 }
    }

    /// What it needs of an association.
    pub(crate) fn need(&self) -> Need {
        Need {
            sop_class: self.header.sop_class.clone(),
            transfer_syntax: self.transfer_syntax.clone(),
            alternatives: transcode::targets(&self.transfer_syntax),
        }
    }

    /// The object as it goes out.
    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing {
            sop_class: self.header.sop_class.clone(),
            sop_instance: self.header.sop_instance.clone(),
            transfer_syntax: self.transfer_syntax.clone(),
            bytes: std::sync::Arc::new(self.bytes.clone()),
        }
    }
}

/// CT images of our own making.
pub(crate) fn phantoms() -> Vec<DemoObject> {
    let places = (0..STUDIES)
        .flat_map(|patient| (0..IMAGES).map(move |instance| Place { patient, instance, ..Place::default() }));
    let made = places.map(|place| {
        let phantom = Phantom::new(1, place, Shape::Ct);
        DemoObject::new(phantom.header, phantom.transfer_syntax, phantom.data_set)
    });
    made.collect()
}

/// Objects that the story needs, so that something happens between one failure and the next.
const OBJECTS_MIN: usize = 20;

/// Every DICOM file (PS3.10) of a directory that the story can be told with; what is left out is named, with the reason.
pub(crate) fn from_directory(directory: &Path) -> Result<Vec<DemoObject>, Failure> {
    let listed = RealDisk.list(directory);
    let listed =
        listed.map_err(|error| Failure::of(format!("{} cannot be listed", directory.display()), error))?;
    let mut cast = Chosen::default();
    for file in listed.into_iter().filter(|file| file.kind == Kind::File) {
        let shown = file.path.display().to_string();
        if let Err(reason) = cast.take(&shown, read(&file.path)?) {
            output::note(&format!("{shown} is left out: {reason}"));
        }
    }
    cast.enough(&directory.display().to_string())
}

/// Why a file takes no part.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error("it is no DICOM file (PS3.10)")]
    NoDicom,
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("it has no Study or Series Instance UID, so that it could not be read back")]
    OutsideStudies,
    #[error("{file} has the same SOP Instance UID, and an archive keeps one object under it")]
    SecondUnder { file: String },
}

/// The objects of a directory that take part.
#[derive(Default)]
struct Chosen {
    objects: Vec<DemoObject>,
    /// By SOP Instance UID, the file each is from.
    files: BTreeMap<SopInstanceUid, String>,
}

impl Chosen {
    /// Takes what was read from a file, or says why not.
    fn take(&mut self, file: &str, object: Result<DemoObject, LeftOut>) -> Result<(), LeftOut> {
        let object = object?;
        if object.header.study.is_none() || object.header.series.is_none() {
            return Err(LeftOut::OutsideStudies);
        }
        let uid = object.header.sop_instance.clone();
        if let Some(other) = self.files.get(&uid) {
            return Err(LeftOut::SecondUnder { file: other.clone() });
        }
        self.files.insert(uid, file.to_owned());
        self.objects.push(object);
        Ok(())
    }

    fn enough(self, directory: &str) -> Result<Vec<DemoObject>, Failure> {
        if self.objects.len() >= OBJECTS_MIN {
            return Ok(self.objects);
        }
        let found = output::counted(self.objects.len() as u64, "DICOM file", "DICOM files");
        Err(Failure::Argument {
            what: format!(
                "{directory} has {found} that the demo can use, and the story needs at least {OBJECTS_MIN}"
            ),
            instead: "give a directory with more, or leave --input out: then the demo makes its own"
                .to_owned(),
        })
    }
}

fn read(path: &Path) -> Result<Result<DemoObject, LeftOut>, Failure> {
    let bytes = disk::read_small(&RealDisk, path, FILE_BYTES_MAX);
    let bytes = bytes.map_err(|error| Failure::of(format!("{} cannot be read", path.display()), error))?;
    let Some(parts) = part10::parts(&bytes) else { return Ok(Err(LeftOut::NoDicom)) };
    let Some(syntax) = transfer_syntax(parts.meta) else { return Ok(Err(LeftOut::NoDicom)) };
    let data_set = Bytes::copy_from_slice(parts.data_set);
    let mut scanner = Scanner::new(&syntax);
    scanner.push(&data_set);
    let scanned = scanner.finish().map_err(LeftOut::Scan);
    Ok(scanned.map(|scanned| DemoObject::new(scanned.header, syntax, data_set)))
}

/// Transfer Syntax UID (0002,0010) of the file meta information.
fn transfer_syntax(meta: &[u8]) -> Option<TransferSyntaxUid> {
    let set = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(meta)).ok()?;
    match &set.get(Tag(0x0002, 0x0010))?.value {
        Value::Bytes(uid) => TransferSyntaxUid::from_bytes(uid).ok(),
        Value::Sequence(_) | Value::Fragments(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_take_part_is_left_out_with_the_reason() {
        let mut made = phantoms().into_iter();
        let (first, mut outside) = (made.next().unwrap(), made.next().unwrap());
        outside.header.study = None;
        let mut chosen = Chosen::default();
        chosen.take("a", Ok(first.clone())).unwrap();
        for (object, words) in [
            (Err(LeftOut::NoDicom), "no DICOM file"),
            (Err(ScanError::MissingUid { tag: Tag::STUDY_INSTANCE_UID }.into()), "is missing"),
            (Ok(outside), "no Study"),
            (Ok(first), "a has the same SOP"),
        ] {
            let reason = chosen.take("b", object).unwrap_err().to_string();
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(chosen.objects.len(), 1);
    }

    #[test]
    fn too_few_objects_are_refused_in_words() {
        let made = phantoms();
        let chosen = |count: usize| {
            let mut chosen = Chosen::default();
            made.iter().take(count).cloned().for_each(|object| chosen.take("a", Ok(object)).unwrap());
            chosen.enough("here")
        };
        assert_eq!(chosen(OBJECTS_MIN).unwrap().len(), OBJECTS_MIN);
        let refused = chosen(1).unwrap_err().to_string();
        assert!(
            refused.contains("here has 1 DICOM file that") && refused.contains("at least 20"),
            "{refused}"
        );
    }
}
