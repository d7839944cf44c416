//! What a member wants to hold.

use std::collections::BTreeSet;

use outrigger_model::{AeTitle, InstanceHeader, Origin, SopClassUid, Tag};

/// What a member wants to hold; what an object does not say cannot leave it out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// By Modality (0008,0060).
    pub modalities: Only<String>,
    /// Studies of this date or later, as eight digits (VR DA); `None` takes all.
    pub newer_than: Option<String>,
    /// By SOP class.
    pub sop_classes: Only<SopClassUid>,
    /// By calling AE title.
    pub sources: Only<AeTitle>,
}

/// A condition on one value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Only<T> {
    /// Every value.
    #[default]
    All,
    /// One of these.
    Of(BTreeSet<T>),
}

impl<T: Ord> Only<T> {
    fn admits(&self, value: &T) -> bool {
        match self {
            Self::All => true,
            Self::Of(values) => values.contains(value),
        }
    }
}

impl Scope {
    /// Whether an object falls into it.
    pub fn wants(&self, instance: &InstanceHeader, origin: &Origin) -> bool {
        self.wants_inherited(instance) && self.sources.admits(&origin.calling_ae)
    }

    /// Whether an object falls into it of which nobody knows where it came from: that cannot leave it out.
    pub(crate) fn wants_inherited(&self, instance: &InstanceHeader) -> bool {
        self.wants_modality(instance.attribute(Tag::MODALITY))
            && self.wants_date(instance.attribute(Tag::STUDY_DATE))
            && self.sop_classes.admits(&instance.sop_class)
    }

    fn wants_modality(&self, modality: Option<&str>) -> bool {
        match (&self.modalities, modality) {
            (Only::All, _) | (Only::Of(_), None) => true,
            (Only::Of(wanted), Some(modality)) => wanted.contains(modality),
        }
    }

    fn wants_date(&self, study_date: Option<&str>) -> bool {
        let (Some(limit), Some(date)) = (&self.newer_than, study_date) else { return true };
        // Dates of the ACR-NEMA days have dots (PS3.5 table 6.2-1); without them, order of text is order of time.
        let date: String = date.chars().filter(|digit| *digit != '.').collect();
        let readable = date.len() == 8 && date.bytes().all(|digit| digit.is_ascii_digit());
        !readable || date.as_str() >= limit.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrigger_model::{AssociationId, SopInstanceUid};
    use std::net::{IpAddr, Ipv4Addr};

    fn origin() -> Origin {
        Origin {
            calling_ae: AeTitle::new("CT1").unwrap(),
            called_ae: AeTitle::new("OUTRIGGER").unwrap(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            association: AssociationId(1),
            implementation: String::new(),
            issuer: None,
            member: None,
        }
    }

    fn instance(modality: &str, date: &str) -> InstanceHeader {
        InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::known("1.2.3"),
            study: None,
            series: None,
            attributes: vec![(Tag::MODALITY, modality.to_owned()), (Tag::STUDY_DATE, date.to_owned())],
        }
    }

    #[test]
    fn what_is_not_said_is_not_left_out() {
        let scope = Scope {
            modalities: Only::Of(["CT".to_owned()].into()),
            newer_than: Some("20200101".to_owned()),
            ..Scope::default()
        };
        for (modality, date, wanted) in [
            ("CT", "20200101", true),
            ("CT", "2020.01.01", true),
            ("CT", "20191231", false),
            ("MR", "20240101", false),
            ("", "20240101", true),
            ("CT", "", true),
            ("CT", "1 May", true),
        ] {
            assert_eq!(scope.wants(&instance(modality, date), &origin()), wanted, "{modality} {date}");
        }
    }

    #[test]
    fn class_and_source_count() {
        let other_class =
            Scope { sop_classes: Only::Of([SopClassUid::known("1.2")].into()), ..Scope::default() };
        let other_source =
            Scope { sources: Only::Of([AeTitle::new("MR1").unwrap()].into()), ..Scope::default() };
        assert!(Scope::default().wants(&instance("CT", ""), &origin()));
        assert!(!other_class.wants(&instance("CT", ""), &origin()));
        assert!(!other_source.wants(&instance("CT", ""), &origin()));
    }
}
