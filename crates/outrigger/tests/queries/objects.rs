//! What is queried: a few studies, each with its own writing, and the names by which the table calls them.

use std::collections::BTreeMap;

use bytes::Bytes;
use outrigger_dataset::dictionary;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_dataset::text::Declared;
use outrigger_dataset::write::write;
use outrigger_model::Tag;
use outrigger_sim::phantom::{Phantom, Place, Shape};

use crate::modality::Object;

const SEED: u64 = 150;

/// A study: what all its objects say, and its series with their kind and number of instances.
struct Study {
    name: &'static str,
    charset: &'static str,
    series: &'static [(Shape, u32)],
    /// Patient's name and ID, birth date, study date and time, accession number, study ID, description.
    words: [&'static str; 8],
}

const ONE_CT: &[(Shape, u32)] = &[(Shape::SmallCt, 1)];

#[rustfmt::skip]
const STUDIES: &[Study] = &[
    Study { name: "a", charset: "", series: &[(Shape::SmallCt, 2), (Shape::SmallCt, 1), (Shape::Sr, 1)], words: ["Doe^Jane", "P1", "19600102", "20240101", "080000", "ACC1", "S1", "CT HEAD"] },
    Study { name: "b", charset: "", series: &[(Shape::Mr, 2)], words: ["Doe^Jane", "P1", "19600102", "20240215", "180000.5", "ACC2", "S2", "MR KNEE"] },
    Study { name: "c", charset: "", series: ONE_CT, words: ["Doering^Max", "P2", "19700615", "20240216", "055959", "ACC3", "S3", "CT CHEST"] },
    Study { name: "d", charset: "ISO_IR 100", series: ONE_CT, words: ["M\u{fc}ller^J\u{f6}rg", "P3", "19800229", "20240301", "093015", "ACC4", "S4", "Sch\u{e4}del"] },
    Study { name: "e", charset: "ISO_IR 192", series: ONE_CT, words: ["M\u{fc}ller^\u{c4}nne", "P4", "19810101", "20240302", "120000", "ACC5", "S5", "\u{5934}\u{90e8}"] },
    Study { name: "f", charset: "\\ISO 2022 IR 87", series: ONE_CT, words: ["Yamada^Tarou=\u{5c71}\u{7530}^\u{592a}\u{90ce}=\u{3084}\u{307e}\u{3060}^\u{305f}\u{308d}\u{3046}", "P5", "19820202", "20240303", "130000", "ACC6", "S6", "\u{982d}\u{90e8}"] },
    Study { name: "g", charset: "\\ISO 2022 IR 149", series: ONE_CT, words: ["Hong^Gildong=\u{6d2a}^\u{5409}\u{6d1e}=\u{d64d}^\u{ae38}\u{b3d9}", "P6", "19830303", "20240304", "140000", "ACC7", "S7", "CT"] },
    Study { name: "h", charset: "GB18030", series: ONE_CT, words: ["Wang^XiaoDong=\u{738b}^\u{5c0f}\u{4e1c}", "P7", "19840404", "20240305", "150000", "ACC8", "S8", "\u{80f8}\u{90e8}"] },
    Study { name: "i", charset: "ISO_IR 144", series: ONE_CT, words: ["\u{418}\u{432}\u{430}\u{43d}\u{43e}\u{432}^\u{418}\u{432}\u{430}\u{43d}", "P8", "19850505", "20240306", "160000", "ACC9", "S9", "\u{413}\u{43e}\u{43b}\u{43e}\u{432}\u{430}"] },
    Study { name: "j", charset: "", series: ONE_CT, words: ["Nobody^Known", "P9", "", "", "", "", "", ""] },
    Study { name: "k", charset: "", series: &[(Shape::Sr, 1)], words: ["O'Neil^Pat", "P_10%", "19860606", "20231231", "235959", "ACC'1", "S10", "100% [x]"] },
];

const WORDS: [Tag; 8] = [
    Tag::PATIENT_NAME,
    Tag::PATIENT_ID,
    Tag::PATIENT_BIRTH_DATE,
    Tag::STUDY_DATE,
    Tag::STUDY_TIME,
    Tag::ACCESSION_NUMBER,
    Tag::STUDY_ID,
    Tag::STUDY_DESCRIPTION,
];

/// The objects, and what their unique keys are called.
pub(crate) struct Corpus {
    pub(crate) objects: Vec<Object>,
    /// UIDs and patient IDs by name: `a` is a study, `a1` a series, `a1.1` an instance.
    pub(crate) named: BTreeMap<String, String>,
}

impl Corpus {
    pub(crate) fn new() -> Self {
        let mut corpus = Self { objects: Vec::new(), named: BTreeMap::new() };
        for (patient, study) in (0..).zip(STUDIES) {
            for (series, (shape, instances)) in (0..).zip(study.series) {
                for instance in 0..*instances {
                    let place = Place { patient, study: 0, series, instance };
                    corpus.add(study, Phantom::new(SEED, place, *shape), place);
                }
            }
        }
        corpus
    }

    fn add(&mut self, study: &Study, phantom: Phantom, place: Place) {
        let header = phantom.header.clone();
        let series = format!("{}{}", study.name, place.series + 1);
        let instance = format!("{series}.{}", place.instance + 1);
        self.named.insert(study.name.to_owned(), header.study.as_ref().unwrap().to_string());
        self.named.insert(series, header.series.as_ref().unwrap().to_string());
        self.named.insert(instance, header.sop_instance.to_string());
        let bytes = rewritten(study, &phantom, place.series);
        self.objects.push(Object { bytes, ..Object::from(phantom) });
    }

    /// A text with the names in braces replaced by what they stand for.
    pub(crate) fn resolved(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.named {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// What a value of a unique key is called; patients are called by their IDs.
    pub(crate) fn name<'n>(&'n self, value: &'n str) -> &'n str {
        self.named.iter().find(|(_, uid)| *uid == value).map_or(value, |(name, _)| name)
    }
}

/// A sequence that an object has: in which series, and the attributes of each item.
type Sequence = (&'static str, u32, Tag, &'static [&'static [(Tag, &'static str)]]);

const STEP_ID: Tag = Tag(0x0040, 0x0009);
const REQUESTED_PROCEDURE_ID: Tag = Tag(0x0040, 0x1001);
const CODE_VALUE: Tag = Tag(0x0008, 0x0100);
const CODING_SCHEME: Tag = Tag(0x0008, 0x0102);

#[rustfmt::skip]
const SEQUENCES: &[Sequence] = &[
    ("a", 0, Tag::REQUEST_ATTRIBUTES, &[&[(STEP_ID, "SPS1"), (REQUESTED_PROCEDURE_ID, "RP1")], &[(STEP_ID, "SPS2"), (REQUESTED_PROCEDURE_ID, "RP2")]]),
    ("a", 1, Tag::REQUEST_ATTRIBUTES, &[&[(STEP_ID, "SPS3"), (REQUESTED_PROCEDURE_ID, "RP1")]]),
    ("b", 0, Tag::PROCEDURE_CODES, &[&[(CODE_VALUE, "MRKNEE"), (CODING_SCHEME, "99LOCAL")]]),
    ("c", 0, Tag::PROCEDURE_CODES, &[&[(CODE_VALUE, "CTCHEST"), (CODING_SCHEME, "99LOCAL")]]),
    ("c", 0, Tag::OTHER_PATIENT_IDS, &[&[(Tag::PATIENT_ID, "X2"), (Tag::ISSUER_OF_PATIENT_ID, "OTHER")]]),
    ("c", 0, Tag::ANATOMIC_REGIONS, &[&[(CODE_VALUE, "51185008"), (CODING_SCHEME, "SCT")]]),
];

/// The phantom with the words of the study in its character set, and with its sequences.
fn rewritten(study: &Study, phantom: &Phantom, series: u32) -> Bytes {
    let mut set = read_form(Form::ExplicitLittle, phantom.data_set.clone()).unwrap();
    let charset = Declared::new(study.charset);
    if !study.charset.is_empty() {
        set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, study.charset));
    }
    for (tag, text) in WORDS.into_iter().zip(study.words) {
        let vr = dictionary::vr(tag);
        let bytes =
            charset.encode(text, vr).unwrap_or_else(|| panic!("{} cannot hold {text}", study.charset));
        set.put(Element::new(tag, vr, bytes));
    }
    let sequences = SEQUENCES.iter().filter(|(of, at, ..)| *of == study.name && *at == series);
    for (_, _, tag, items) in sequences {
        let item = |item: &&[(Tag, &str)]| -> DataSet {
            item.iter().map(|(tag, value)| Element::text(*tag, dictionary::vr(*tag), value)).collect()
        };
        set.put(Element::sequence(*tag, items.iter().map(item).collect()));
    }
    write(&set, Form::ExplicitLittle).into()
}
