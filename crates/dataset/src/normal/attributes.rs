//! The digests of attributes: N1 and its parts.

use outrigger_model::{Sha256Digest, Tag};
use sha2::{Digest, Sha256};

use super::class::{Class, class};
use super::tlv::{self, Keep, Place};
use crate::element::DataSet;

/// Whether an object has pixels, whose attributes then belong to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixels {
    Present,
    Absent,
}

/// The digests of everything but the pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDigests {
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
}

impl AttributeDigests {
    pub(super) fn of(data_set: &DataSet, pixels: Pixels) -> Self {
        let mut hashes = Hashes::default();
        let place = Place::top(data_set);
        for (key, element) in tlv::sorted(data_set) {
            let class = class(element.tag, pixels);
            if matches!(class, Class::Volatile | Class::PixelValue) {
                continue;
            }
            let Some(whole) = tlv::body(element, &place, Keep::All) else { continue };
            if whole.first() == Some(&tlv::ITEMS) && class != Class::Private {
                let (public, private) = (Keep::Public, Keep::Private);
                let [public, private] = [public, private].map(|keep| tlv::body(element, &place, keep));
                hashes.add(class, &key, &whole, public.as_deref(), private.as_deref());
            } else {
                hashes.add(class, &key, &whole, Some(&whole), None);
            }
        }
        hashes.finish(data_set)
    }
}

struct Hashes {
    n1: Sha256,
    administrative: Sha256,
    technical: Sha256,
    private: Sha256,
    storage: Sha256,
}

impl Default for Hashes {
    fn default() -> Self {
        let start = |prefix: &[u8]| Sha256::new().chain_update(prefix);
        Self {
            n1: start(b"pdn1\0"),
            administrative: start(b"pdn1.a\0"),
            technical: start(b"pdn1.t\0"),
            private: start(b"pdn1.x\0"),
            storage: start(b"pdn1.p\0"),
        }
    }
}

impl Hashes {
    /// Adds an element: whole, and what of it is public and private.
    fn add(&mut self, class: Class, key: &[u8], whole: &[u8], public: Option<&[u8]>, private: Option<&[u8]>) {
        let add = |hash: &mut Sha256, body: Option<&[u8]>| {
            if let Some(body) = body {
                hash.update(key);
                hash.update(body);
            }
        };
        match class {
            Class::Volatile | Class::PixelValue => return,
            Class::PixelStorage => return add(&mut self.storage, Some(whole)),
            Class::Private => add(&mut self.private, Some(whole)),
            Class::Identity => {}
            Class::Administrative => add(&mut self.administrative, public),
            Class::Technical => add(&mut self.technical, public),
        }
        add(&mut self.n1, Some(whole));
        add(&mut self.private, private);
    }

    fn finish(self, data_set: &DataSet) -> AttributeDigests {
        let uid = |tag| data_set.plain(tag).unwrap_or_default();
        let object = [Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID].map(uid);
        let place = [Tag::SERIES_INSTANCE_UID, Tag::STUDY_INSTANCE_UID].map(uid);
        let done = |hash: Sha256| Sha256Digest(hash.finalize().into());
        AttributeDigests {
            n1: done(self.n1),
            administrative: done(self.administrative),
            technical: done(self.technical),
            private: done(self.private),
            object: uids(b"pdo1\0", object),
            identity: uids(b"pdd1\0", object.into_iter().chain(place)),
            storage: done(self.storage),
        }
    }
}

fn uids<'a>(prefix: &[u8], uids: impl IntoIterator<Item = &'a str>) -> Sha256Digest {
    let mut hash = Sha256::new().chain_update(prefix);
    for uid in uids {
        hash.update((uid.len() as u64).to_be_bytes());
        hash.update(uid);
    }
    Sha256Digest(hash.finalize().into())
}
