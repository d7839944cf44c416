//! Digests of what an object says, whatever its encoding, and the comparison of two copies by them.
//!
//! N1 is `SHA-256("pdn1" 00, DS)`, DS the elements that count, each as key and body, sorted by key; `tlv` says which
//! count and `canonical` what a value is. The pixels have digests of their own.

mod canonical;
mod class;
mod compare;
mod decimal;
mod tlv;

use bytes::Bytes;
use outrigger_model::{Sha256Digest, Tag, TransferSyntaxUid};
use sha2::{Digest, Sha256};

pub use compare::{Fingerprint, Verdict, compare};

use crate::element::DataSet;
use crate::read::{ReadError, read};
use crate::{codestream, pixel};
use class::{Class, class};
use tlv::{Keep, Place};

/// The digests of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// N1: every attribute but the volatile ones and the pixels.
    pub n1: Sha256Digest,
    /// N1.A: patient, study and order, which others may correct.
    pub administrative: Sha256Digest,
    /// N1.T: everything else that the standard defines.
    pub technical: Sha256Digest,
    /// N1.X: private elements, at any depth.
    pub private: Sha256Digest,
    /// SOP class and instance.
    pub object: Sha256Digest,
    /// D: SOP class, SOP instance, series and study.
    pub identity: Sha256Digest,
    /// How the pixels are stored: bits, samples, photometric interpretation.
    pub storage: Sha256Digest,
    /// C: compressed pixels as they are; of native ones that cannot be taken as pixels, their bytes.
    pub codestream: Option<Sha256Digest>,
    /// P: the pixels, where no loss stands between them and their codestream.
    pub pixel: Option<Sha256Digest>,
}

impl Digests {
    /// Digests an object; it is read as a whole.
    pub fn of(transfer_syntax: &TransferSyntaxUid, bytes: Bytes) -> Result<Self, ReadError> {
        read(transfer_syntax, bytes).map(|data_set| Self::of_data_set(transfer_syntax, &data_set))
    }

    /// Digests an object that was read.
    pub fn of_data_set(transfer_syntax: &TransferSyntaxUid, data_set: &DataSet) -> Self {
        let attributes = attributes(data_set);
        // Pixels that contradict their attributes have no canonical form; their bytes are compared instead.
        let pixel = pixel::digest(transfer_syntax, data_set).unwrap_or(None);
        let codestream = codestream::digest(transfer_syntax, data_set);
        let codestream = codestream.or_else(|| if pixel.is_none() { native_bytes(data_set) } else { None });
        let [n1, administrative, technical, private, storage] = attributes;
        let [sop_class, sop_instance, series, study] =
            [Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID, Tag::SERIES_INSTANCE_UID, Tag::STUDY_INSTANCE_UID]
                .map(|tag| data_set.plain(tag).unwrap_or_default());
        Self {
            n1,
            administrative,
            technical,
            private,
            object: uids(b"pdo1\0", &[sop_class, sop_instance]),
            identity: uids(b"pdd1\0", &[sop_class, sop_instance, series, study]),
            storage,
            codestream,
            pixel,
        }
    }
}

/// N1, N1.A, N1.T, N1.X and the digest of the pixels' storage, in one pass.
fn attributes(data_set: &DataSet) -> [Sha256Digest; 5] {
    let prefixes: [&[u8]; 5] = [b"pdn1\0", b"pdn1.a\0", b"pdn1.t\0", b"pdn1.x\0", b"pdn1.p\0"];
    let mut hashes = prefixes.map(|prefix| Sha256::new().chain_update(prefix));
    let [n1, administrative, technical, private, storage] = &mut hashes;
    let place = Place::top(data_set);
    let has_pixels = class::PIXEL_VALUES.iter().any(|tag| data_set.get(*tag).is_some());
    for (key, element) in tlv::sorted(data_set) {
        let class = class(element.tag, has_pixels);
        let body = |keep| tlv::body(element, &place, keep);
        let add = |hash: &mut Sha256, body: &Option<Vec<u8>>| {
            if let Some(body) = body {
                hash.update(&key);
                hash.update(body);
            }
        };
        let of_class = match class {
            Class::Volatile | Class::PixelValue => continue,
            Class::PixelStorage => {
                add(storage, &body(Keep::All));
                continue;
            }
            Class::Private => {
                let whole = body(Keep::All);
                add(n1, &whole);
                add(private, &whole);
                continue;
            }
            Class::Identity => None,
            Class::Administrative => Some(&mut *administrative),
            Class::Technical => Some(&mut *technical),
        };
        let whole = body(Keep::All);
        add(n1, &whole);
        let nested = whole.as_ref().and_then(|body| body.first()) == Some(&tlv::ITEMS);
        let public = if nested { body(Keep::Public) } else { whole };
        if let Some(hash) = of_class {
            add(hash, &public);
        }
        if nested {
            add(private, &body(Keep::Private));
        }
    }
    hashes.map(|hash| Sha256Digest(hash.finalize().into()))
}

fn uids(prefix: &[u8], uids: &[&str]) -> Sha256Digest {
    let mut hash = Sha256::new().chain_update(prefix);
    for uid in uids {
        hash.update((uid.len() as u64).to_be_bytes());
        hash.update(uid);
    }
    Sha256Digest(hash.finalize().into())
}

/// The bytes of native pixel data without padding.
fn native_bytes(data_set: &DataSet) -> Option<Sha256Digest> {
    let values = class::PIXEL_VALUES.iter().filter_map(|tag| Some((tag, data_set.bytes(*tag)?)));
    let mut hash = Sha256::new().chain_update(b"pdb1\0");
    let mut found = false;
    for (tag, bytes) in values {
        found = true;
        hash.update(tag.0.to_be_bytes());
        hash.update(tag.1.to_be_bytes());
        hash.update(canonical::unpadded(bytes));
    }
    found.then(|| Sha256Digest(hash.finalize().into()))
}
