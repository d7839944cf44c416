//! What the demo sends: phantoms of our own, or the DICOM files of a directory.

use std::path::Path;

use bytes::Bytes;
use outrigger_dataset::element::Value;
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::read::read_form;
use outrigger_dataset::{part10, scan::Scanner, transcode};
use outrigger_member::{Need, Outgoing};
use outrigger_model::{InstanceHeader, Sha256Digest, Tag, TransferSyntaxUid};
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

/// Every DICOM file (PS3.10) of a directory; what is none is named and left out.
pub(crate) fn from_directory(directory: &Path) -> Result<Vec<DemoObject>, Failure> {
    let listed = RealDisk.list(directory);
    let listed =
        listed.map_err(|error| Failure::of(format!("{} cannot be listed", directory.display()), error))?;
    let mut objects = Vec::new();
    for file in listed.into_iter().filter(|file| file.kind == Kind::File) {
        match read(&file.path)? {
            Some(object) => objects.push(object),
            None => {
                output::note(&format!("{} is no readable DICOM file and is left out", file.path.display()));
            }
        }
    }
    if objects.is_empty() {
        return Err(Failure::Argument {
            what: format!("{} has no DICOM files", directory.display()),
            instead: "give a directory of DICOM files, or leave --input out".to_owned(),
        });
    }
    Ok(objects)
}

fn read(path: &Path) -> Result<Option<DemoObject>, Failure> {
    let bytes = disk::read_small(&RealDisk, path, FILE_BYTES_MAX);
    let bytes = bytes.map_err(|error| Failure::of(format!("{} cannot be read", path.display()), error))?;
    let Some(parts) = part10::parts(&bytes) else { return Ok(None) };
    let Some(syntax) = transfer_syntax(parts.meta) else { return Ok(None) };
    let data_set = Bytes::copy_from_slice(parts.data_set);
    let mut scanner = Scanner::new(&syntax);
    scanner.push(&data_set);
    Ok(scanner.finish().ok().map(|scanned| DemoObject::new(scanned.header, syntax, data_set)))
}

/// Transfer Syntax UID (0002,0010) of the file meta information.
fn transfer_syntax(meta: &[u8]) -> Option<TransferSyntaxUid> {
    let set = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(meta)).ok()?;
    match &set.get(Tag(0x0002, 0x0010))?.value {
        Value::Bytes(uid) => TransferSyntaxUid::from_bytes(uid).ok(),
        Value::Sequence(_) | Value::Fragments(_) => None,
    }
}
