//! Objects of our own making: whole, valid, of the sizes that matter, the same again from the same seed.

use bytes::Bytes;
use outrigger_model::{
    InstanceHeader, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid,
    transfer_syntax::EXPLICIT_VR_LE,
};

use crate::element::Elements;
use crate::part10;

/// What kind of object, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CT, 512 x 512 x 16 bit: 525 KB.
    Ct,
    /// CT, 128 x 150 x 16 bit: 39 KB.
    SmallCt,
    /// MR, 256 x 256 x 16 bit: 132 KB.
    Mr,
    /// Digital radiography, 2048 x 2500 x 16 bit: 10 MB.
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
        let facts = shape.facts();
        let identity = Identity::new(seed, place);
        let mut set = Elements::default();
        write_head(&mut set, &identity, &facts);
        match facts.image {
            Some(image) => write_image(&mut set, image, identity.noise),
            None => write_report(&mut set, &identity),
        }
        Self {
            header: identity.header(&facts),
            transfer_syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
            data_set: set.into_bytes().into(),
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

#[derive(Debug, Clone, Copy)]
struct Image {
    rows: u16,
    columns: u16,
    samples: u16,
    bits: u16,
    frames: u16,
}

#[derive(Debug, Clone, Copy)]
struct Facts {
    sop_class: &'static str,
    modality: &'static str,
    image: Option<Image>,
}

impl Shape {
    fn facts(self) -> Facts {
        let gray = |rows, columns| Some(Image { rows, columns, samples: 1, bits: 16, frames: 1 });
        let facts = |sop_class, modality, image| Facts { sop_class, modality, image };
        match self {
            Self::Ct => facts("1.2.840.10008.5.1.4.1.1.2", "CT", gray(512, 512)),
            Self::SmallCt => facts("1.2.840.10008.5.1.4.1.1.2", "CT", gray(128, 150)),
            Self::Mr => facts("1.2.840.10008.5.1.4.1.1.4", "MR", gray(256, 256)),
            Self::Dx => facts("1.2.840.10008.5.1.4.1.1.1.1", "DX", gray(2500, 2048)),
            Self::Us { frames } => {
                let image = Image { rows: 480, columns: 640, samples: 3, bits: 8, frames };
                facts("1.2.840.10008.5.1.4.1.1.3.1", "US", Some(image))
            }
            Self::Sr => facts("1.2.840.10008.5.1.4.1.1.88.22", "SR", None),
        }
    }
}

struct Identity {
    sop_instance: SopInstanceUid,
    study: StudyUid,
    series: SeriesUid,
    patient_id: String,
    patient_name: String,
    accession: String,
    study_date: String,
    series_number: String,
    instance_number: String,
    noise: u64,
}

impl Identity {
    fn new(seed: u64, place: Place) -> Self {
        let Place { patient, study, series, instance } = place;
        let of_patient = mixed(seed, patient);
        let of_study = mixed(of_patient, study);
        let of_series = mixed(of_study, series);
        let of_instance = mixed(of_series, instance);
        Self {
            sop_instance: SopInstanceUid::from_random(wide(of_instance)),
            study: StudyUid::from_random(wide(of_study)),
            series: SeriesUid::from_random(wide(of_series)),
            patient_id: format!("PH{:08X}", of_patient >> 32),
            patient_name: format!("Phantom^Patient {patient}"),
            accession: format!("A{:012X}", of_study >> 16),
            study_date: format!("2024{:02}{:02}", 1 + of_study % 12, 1 + (of_study >> 8) % 28),
            series_number: (series + 1).to_string(),
            instance_number: (instance + 1).to_string(),
            noise: of_instance,
        }
    }

    fn header(&self, facts: &Facts) -> InstanceHeader {
        let mut attributes = vec![
            (Tag::STUDY_DATE, self.study_date.clone()),
            (Tag::STUDY_TIME, STUDY_TIME.to_owned()),
            (Tag::ACCESSION_NUMBER, self.accession.clone()),
            (Tag::MODALITY, facts.modality.to_owned()),
            (Tag::PATIENT_NAME, self.patient_name.clone()),
            (Tag::PATIENT_ID, self.patient_id.clone()),
            (Tag::PATIENT_BIRTH_DATE, BIRTH_DATE.to_owned()),
            (Tag::PATIENT_SEX, SEX.to_owned()),
            (Tag::STUDY_ID, STUDY_ID.to_owned()),
            (Tag::SERIES_NUMBER, self.series_number.clone()),
            (Tag::INSTANCE_NUMBER, self.instance_number.clone()),
        ];
        if let Some(image) = facts.image {
            attributes.extend([
                (Tag::ROWS, image.rows.to_string()),
                (Tag::COLUMNS, image.columns.to_string()),
                (Tag::BITS_ALLOCATED, image.bits.to_string()),
            ]);
        }
        InstanceHeader {
            sop_class: SopClassUid::known(facts.sop_class),
            sop_instance: self.sop_instance.clone(),
            study: Some(self.study.clone()),
            series: Some(self.series.clone()),
            attributes,
        }
    }
}

const STUDY_TIME: &str = "120000";
const BIRTH_DATE: &str = "19700101";
const SEX: &str = "O";
const STUDY_ID: &str = "1";

fn write_head(set: &mut Elements, identity: &Identity, facts: &Facts) {
    set.text(0x0008, 0x0016, *b"UI", facts.sop_class);
    set.text(0x0008, 0x0018, *b"UI", identity.sop_instance.as_str());
    set.text(0x0008, 0x0020, *b"DA", &identity.study_date);
    set.text(0x0008, 0x0023, *b"DA", &identity.study_date);
    set.text(0x0008, 0x0030, *b"TM", STUDY_TIME);
    set.text(0x0008, 0x0033, *b"TM", STUDY_TIME);
    set.text(0x0008, 0x0050, *b"SH", &identity.accession);
    set.text(0x0008, 0x0060, *b"CS", facts.modality);
    set.text(0x0008, 0x0070, *b"LO", "Outrigger phantom");
    set.text(0x0008, 0x0090, *b"PN", "");
    set.text(0x0010, 0x0010, *b"PN", &identity.patient_name);
    set.text(0x0010, 0x0020, *b"LO", &identity.patient_id);
    set.text(0x0010, 0x0030, *b"DA", BIRTH_DATE);
    set.text(0x0010, 0x0040, *b"CS", SEX);
    set.text(0x0020, 0x000D, *b"UI", identity.study.as_str());
    set.text(0x0020, 0x000E, *b"UI", identity.series.as_str());
    set.text(0x0020, 0x0010, *b"SH", STUDY_ID);
    set.text(0x0020, 0x0011, *b"IS", &identity.series_number);
    set.text(0x0020, 0x0013, *b"IS", &identity.instance_number);
}

fn write_image(set: &mut Elements, image: Image, noise: u64) {
    let colour = image.samples == 3;
    set.short(0x0028, 0x0002, image.samples);
    set.text(0x0028, 0x0004, *b"CS", if colour { "RGB" } else { "MONOCHROME2" });
    if colour {
        set.short(0x0028, 0x0006, 0);
    }
    if image.frames > 1 {
        set.text(0x0028, 0x0008, *b"IS", &image.frames.to_string());
    }
    let bits_stored = if image.bits == 16 { 12 } else { 8 };
    set.short(0x0028, 0x0010, image.rows);
    set.short(0x0028, 0x0011, image.columns);
    set.short(0x0028, 0x0100, image.bits);
    set.short(0x0028, 0x0101, bits_stored);
    set.short(0x0028, 0x0102, bits_stored - 1);
    set.short(0x0028, 0x0103, 0);
    set.bytes(0x7FE0, 0x0010, if image.bits == 16 { *b"OW" } else { *b"OB" }, &pixels(image, noise));
}

/// A bright disc on a ramp, under noise of four bits: compresses about as an image of a patient does.
fn pixels(image: Image, noise: u64) -> Vec<u8> {
    let (rows, columns) = (u32::from(image.rows), u32::from(image.columns));
    let radius = rows.min(columns) / 3;
    let bytes = rows * columns * u32::from(image.samples) * u32::from(image.bits / 8);
    let mut out = Vec::with_capacity(bytes as usize * usize::from(image.frames));
    let mut random = noise | 1;
    for frame in 0..u32::from(image.frames) {
        for row in 0..rows {
            for column in 0..columns {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (down, across) = (row.abs_diff(rows / 2), column.abs_diff(columns / 2));
                let inside = down * down + across * across < radius * radius;
                let value = (row + column + frame) / 4 + if inside { 1024 } else { 128 };
                let grain = ((random >> 60) as u32) & 0xF;
                push_pixel(&mut out, image, (value + grain) & 0xFFF);
            }
        }
    }
    out
}

fn push_pixel(out: &mut Vec<u8>, image: Image, value: u32) {
    let [low, high, ..] = value.to_le_bytes();
    if image.bits == 16 {
        out.extend_from_slice(&[low, high]);
    } else {
        let level = low.wrapping_add(high << 4);
        out.extend(std::iter::repeat_n(level, usize::from(image.samples)));
    }
}

/// A report with one text in one container (PS3.3 section C.17.3).
fn write_report(set: &mut Elements, identity: &Identity) {
    let concept = |value: &str, meaning: &str| {
        let mut code = Elements::default();
        code.text(0x0008, 0x0100, *b"SH", value);
        code.text(0x0008, 0x0102, *b"SH", "DCM");
        code.text(0x0008, 0x0104, *b"LO", meaning);
        code
    };
    let mut finding = Elements::default();
    finding.text(0x0040, 0xA010, *b"CS", "CONTAINS");
    finding.text(0x0040, 0xA040, *b"CS", "TEXT");
    finding.sequence(0x0040, 0xA043, &[concept("121071", "Finding")]);
    finding.text(0x0040, 0xA160, *b"UT", &format!("A disc on a ramp, number {:016X}", identity.noise));

    set.text(0x0040, 0xA040, *b"CS", "CONTAINER");
    set.sequence(0x0040, 0xA043, &[concept("126000", "Imaging Measurement Report")]);
    set.text(0x0040, 0xA050, *b"CS", "SEPARATE");
    set.text(0x0040, 0xA491, *b"CS", "COMPLETE");
    set.text(0x0040, 0xA493, *b"CS", "UNVERIFIED");
    set.sequence(0x0040, 0xA730, &[finding]);
}

/// Mixes a number into a seed so that neighbours share nothing (the finaliser of SplitMix64).
fn mixed(seed: u64, number: u32) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(u64::from(number) + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn wide(number: u64) -> u128 {
    (u128::from(mixed(number, u32::MAX)) << 64) | u128::from(number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let made = |seed| Phantom::new(seed, Place::default(), Shape::SmallCt).file();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn sizes_are_those_promised() {
        let of = |shape| Phantom::new(7, Place::default(), shape).file().len();
        for (shape, bytes) in [
            (Shape::Ct, 520_000..532_000),
            (Shape::SmallCt, 38_000..40_000),
            (Shape::Mr, 130_000..134_000),
            (Shape::Dx, 10_200_000..10_300_000),
            (Shape::Us { frames: 3 }, 2_700_000..2_800_000),
            (Shape::Sr, 900..1_500),
        ] {
            assert!(bytes.contains(&of(shape)), "{shape:?}: {}", of(shape));
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

    #[test]
    fn the_data_set_comes_out_of_the_file_again() {
        let phantom = Phantom::new(5, Place::default(), Shape::Sr);
        assert_eq!(part10::data_set(&phantom.file()).unwrap(), &phantom.data_set[..]);
    }
}
