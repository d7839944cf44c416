//! Instances made for the tests.

use outrigger_catalogue::{CatalogueInstance, Version};
use outrigger_model::{
    InstanceHeader, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid,
    WallTime,
};

/// An instance of a CT by its place: study, series and instance number.
pub(crate) fn instance(study: u32, series: u32, number: u32) -> CatalogueInstance {
    let patient = study / 2;
    let modality = if series == 1 { "CT" } else { "SR" };
    let attributes = vec![
        (Tag::STUDY_DATE, format!("2024{:02}{:02}", study % 12 + 1, study % 28 + 1)),
        (Tag::STUDY_TIME, format!("{:02}3000.5", study % 24)),
        (Tag::ACCESSION_NUMBER, format!("A{study}")),
        (Tag::MODALITY, modality.to_owned()),
        (Tag::PATIENT_NAME, format!("DOE{patient}^JANE=\u{5C71}{patient}")),
        (Tag::PATIENT_ID, format!("P{patient}")),
        (Tag::STUDY_DESCRIPTION, format!("CT HEAD {study}")),
        (Tag::SERIES_NUMBER, series.to_string()),
        (Tag::INSTANCE_NUMBER, number.to_string()),
        (Tag::ROWS, "512".to_owned()),
    ];
    let header = InstanceHeader {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::new(&format!("1.2.{study}.{series}.{number}")).unwrap(),
        study: Some(StudyUid::new(&format!("1.2.{study}")).unwrap()),
        series: Some(SeriesUid::new(&format!("1.2.{study}.{series}")).unwrap()),
        attributes,
    };
    let version = Version {
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        sha256: Sha256Digest([u8::try_from(number % 251).unwrap(); 32]),
        length: 1000 + u64::from(number),
        stored_at: WallTime(1_700_000_000_000_000 + i64::from(number)),
        place: u64::from(number),
    };
    CatalogueInstance { header, issuer: Some("HOSP".to_owned()), version }
}

/// An instance with attributes set, or removed where the value is empty.
pub(crate) fn with(mut instance: CatalogueInstance, attributes: &[(Tag, &str)]) -> CatalogueInstance {
    for (tag, value) in attributes {
        instance.header.attributes.retain(|(known, _)| known != tag);
        instance.header.attributes.push((*tag, (*value).to_owned()));
    }
    instance
}

/// The same instance with other bytes.
pub(crate) fn other_bytes(mut instance: CatalogueInstance, content: u8) -> CatalogueInstance {
    instance.version.sha256 = Sha256Digest([content; 32]);
    instance
}
