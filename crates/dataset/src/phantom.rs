//! Objects of our own making: whole, valid, of the sizes that matter, the same again from the same seed.

mod identity;
mod image;
mod report;

use bytes::Bytes;
use outrigger_model::{InstanceHeader, Tag, TransferSyntaxUid, transfer_syntax::EXPLICIT_VR_LE};

use crate::element::{DataSet, Element, Vr};
use crate::form::Form;
use crate::{part10, write};
use identity::Identity;
use image::Image;

/// What kind of object, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CT, 512 x 512 x 16 bit: 525 KB.
    Ct,
    /// CT, 128 x 150 x 16 bit: 39 KB.
    SmallCt,
    /// MR, 256 x 256 x 16 bit: 132 KB.
    Mr,
    /// Digital radiography, 2500 x 2048 x 16 bit: 10 MB.
    Dx,
    /// Ultrasound multi-frame, 640 x 480 RGB: 0.92 MB a frame.
    Us {
        /// How many frames.
        frames: u16,
    },
    /// Structured report without pixels: 1 KB.
    Sr,
}

/// Where in the imaginary hospital the object belongs, each number counted from 0 within the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The patient.
    pub patient: u32,
    /// A study of that patient.
    pub study: u32,
    /// A series of that study.
    pub series: u32,
    /// An instance of that series.
    pub instance: u32,
}

/// An object in Explicit VR Little Endian.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Its identity and the attributes a catalogue would know.
    pub header: InstanceHeader,
    /// Explicit VR Little Endian.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set, without group 0002.
    pub data_set: Bytes,
}

impl Phantom {
    /// Makes the object that these three determine.
    pub fn new(seed: u64, place: Place, shape: Shape) -> Self {
        let Facts { sop_class, modality, image } = shape.facts();
        let identity = Identity::new(seed, place);
        let mut attributes = identity.attributes();
        attributes.push((Tag::MODALITY, modality.to_owned()));
        attributes.extend(image.into_iter().flat_map(Image::attributes));
        if image.is_none() {
            attributes.push((Tag::CONCEPT_NAME, report::title()));
        }
        attributes.sort();
        let header = identity.header(sop_class, attributes);

        let mut set: DataSet = header.attributes.iter().map(|(tag, value)| element(*tag, value)).collect();
        set.put(Element::text(Tag::SOP_CLASS_UID, Vr::UI, sop_class));
        set.put(Element::text(Tag::SOP_INSTANCE_UID, Vr::UI, header.sop_instance.as_str()));
        for uid in identity.parents() {
            set.put(uid);
        }
        match image {
            Some(image) => image.put_into(&mut set, identity.noise),
            None => report::put_into(&mut set, identity.noise),
        }
        Self {
            header,
            transfer_syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
            data_set: write::write(&set, Form::ExplicitLittle).into(),
        }
    }

    /// The object as a file.
    pub fn file(&self) -> Vec<u8> {
        let InstanceHeader { sop_class, sop_instance, .. } = &self.header;
        part10::file(sop_class, sop_instance, &self.transfer_syntax, &self.data_set)
    }
}

/// `count` objects of one shape in studies of 100, one patient for each study.
pub fn corpus(seed: u64, shape: Shape, count: u32) -> impl Iterator<Item = Phantom> {
    (0..count).map(move |number| {
        let place = Place { patient: number / 100, instance: number % 100, ..Place::default() };
        Phantom::new(seed, place, shape)
    })
}

struct Facts {
    sop_class: &'static str,
    modality: &'static str,
    image: Option<Image>,
}

impl Shape {
    fn facts(self) -> Facts {
        let facts = |sop_class, modality, image| Facts { sop_class, modality, image };
        match self {
            Self::Ct => facts("1.2.840.10008.5.1.4.1.1.2", "CT", Some(Image::gray(512, 512))),
            Self::SmallCt => facts("1.2.840.10008.5.1.4.1.1.2", "CT", Some(Image::gray(128, 150))),
            Self::Mr => facts("1.2.840.10008.5.1.4.1.1.4", "MR", Some(Image::gray(256, 256))),
            Self::Dx => facts("1.2.840.10008.5.1.4.1.1.1.1", "DX", Some(Image::gray(2500, 2048))),
            Self::Us { frames } => {
                facts("1.2.840.10008.5.1.4.1.1.3.1", "US", Some(Image::colour(480, 640, frames)))
            }
            Self::Sr => facts("1.2.840.10008.5.1.4.1.1.88.22", "SR", None),
        }
    }
}

/// An element of characters or of one short, by what the dictionary says of the tag.
fn element(tag: Tag, value: &str) -> Element {
    match (crate::dictionary::vr(tag), value.parse::<u16>()) {
        (Vr::US, Ok(number)) => short(tag, number),
        (vr, _) => Element::text(tag, vr, value),
    }
}

fn short(tag: Tag, number: u16) -> Element {
    Element::new(tag, Vr::US, number.to_le_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::scan::Scanner;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let made = |seed| Phantom::new(seed, Place::default(), Shape::SmallCt).file();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn sizes_are_those_promised_and_the_scan_finds_what_the_header_says() {
        for (shape, bytes) in [
            (Shape::Ct, 520_000..532_000),
            (Shape::SmallCt, 38_000..40_000),
            (Shape::Mr, 130_000..134_000),
            (Shape::Dx, 10_200_000..10_300_000),
            (Shape::Us { frames: 3 }, 2_700_000..2_800_000),
            (Shape::Sr, 900..1_500),
        ] {
            let phantom = Phantom::new(7, Place::default(), shape);
            let length = phantom.file().len();
            assert!(bytes.contains(&length), "{shape:?}: {length}");
            let mut scanner = Scanner::new(&phantom.transfer_syntax);
            scanner.push(&phantom.data_set);
            let scanned = scanner.finish().unwrap();
            assert_eq!(scanned.oddities, Vec::new(), "{shape:?}");
            assert_eq!(scanned.header.sop_instance, phantom.header.sop_instance);
            for (tag, value) in &phantom.header.attributes {
                assert_eq!(scanned.header.attribute(*tag), Some(value.as_str()), "{shape:?} {tag}");
            }
        }
    }

    #[test]
    fn a_corpus_repeats_no_uid_and_keeps_studies_together() {
        let made: Vec<_> = corpus(3, Shape::Sr, 250).map(|phantom| phantom.header).collect();
        let instances: HashSet<_> = made.iter().map(|header| header.sop_instance.clone()).collect();
        let studies: HashSet<_> = made.iter().map(|header| header.study.clone()).collect();
        assert_eq!((instances.len(), studies.len()), (250, 3));
        assert!(made.iter().all(|header| header.sop_instance.is_conformant()));
    }
}
