//! Who the phantom is: UIDs and names out of a seed.

use outrigger_model::{InstanceHeader, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag};

use super::Place;
use crate::element::{Element, Vr};

pub(super) struct Identity {
    sop_instance: SopInstanceUid,
    study: StudyUid,
    series: SeriesUid,
    place: Place,
    of_patient: u64,
    of_study: u64,
    /// Differs between any two instances.
    pub(super) noise: u64,
}

impl Identity {
    pub(super) fn new(seed: u64, place: Place) -> Self {
        let of_patient = mixed(seed, place.patient);
        let of_study = mixed(of_patient, place.study);
        let of_series = mixed(of_study, place.series);
        let of_instance = mixed(of_series, place.instance);
        Self {
            sop_instance: SopInstanceUid::from_random(wide(of_instance)),
            study: StudyUid::from_random(wide(of_study)),
            series: SeriesUid::from_random(wide(of_series)),
            place,
            of_patient,
            of_study,
            noise: of_instance,
        }
    }

    pub(super) fn attributes(&self) -> Vec<(Tag, String)> {
        let Self { place, of_patient, of_study, .. } = self;
        let date = format!("2024{:02}{:02}", 1 + of_study % 12, 1 + (of_study >> 8) % 28);
        let fixed = [
            (Tag::STUDY_TIME, "120000"),
            (Tag::CONTENT_TIME, "120000"),
            (Tag::MANUFACTURER, "Outrigger phantom"),
            (Tag::PATIENT_BIRTH_DATE, "19700101"),
            (Tag::PATIENT_SEX, "O"),
            (Tag::STUDY_ID, "1"),
        ];
        let own = [
            (Tag::STUDY_DATE, date.clone()),
            (Tag::CONTENT_DATE, date),
            (Tag::ACCESSION_NUMBER, format!("A{:012X}", of_study >> 16)),
            (Tag::PATIENT_NAME, format!("Phantom^Patient {}", place.patient)),
            (Tag::PATIENT_ID, format!("PH{:08X}", of_patient >> 32)),
            (Tag::SERIES_NUMBER, (place.series + 1).to_string()),
            (Tag::INSTANCE_NUMBER, (place.instance + 1).to_string()),
        ];
        fixed.into_iter().map(|(tag, value)| (tag, value.to_owned())).chain(own).collect()
    }

    pub(super) fn parents(&self) -> [Element; 2] {
        [
            Element::text(Tag::STUDY_INSTANCE_UID, Vr::UI, self.study.as_str()),
            Element::text(Tag::SERIES_INSTANCE_UID, Vr::UI, self.series.as_str()),
        ]
    }

    pub(super) fn header(&self, sop_class: &'static str, attributes: Vec<(Tag, String)>) -> InstanceHeader {
        InstanceHeader {
            sop_class: SopClassUid::known(sop_class),
            sop_instance: self.sop_instance.clone(),
            study: Some(self.study.clone()),
            series: Some(self.series.clone()),
            attributes,
        }
    }
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
