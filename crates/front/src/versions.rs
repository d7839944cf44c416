//! One version of a series in one answer: what is known to be as accepted is never mixed with what one keeper alone vouches for.

use std::collections::BTreeMap;

use outrigger_model::SeriesUid;

use crate::service::Provenance;

/// What was given of each series so far.
#[derive(Debug, Default)]
pub struct OneVersion {
    given: BTreeMap<SeriesUid, Provenance>,
}

/// An instance that would mix two versions.
#[derive(Debug, thiserror::Error)]
#[error("it would mix versions in series {series}: this instance is {this}, those before are {before}")]
pub struct Mixed {
    series: SeriesUid,
    this: Provenance,
    before: Provenance,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proven => f.write_str("as accepted"),
            Self::Unproven { keeper } => write!(f, "as {keeper} alone has it"),
        }
    }
}

impl OneVersion {
    /// Lets an instance of a series pass if it is of the version of those before.
    pub fn admit(&mut self, series: Option<&SeriesUid>, provenance: &Provenance) -> Result<(), Mixed> {
        let Some(series) = series else { return Ok(()) };
        let Some(before) = self.given.get(series) else {
            self.given.insert(series.clone(), provenance.clone());
            return Ok(());
        };
        if before == provenance {
            return Ok(());
        }
        Err(Mixed { series: series.clone(), this: provenance.clone(), before: before.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_stays_what_it_began_as_and_another_is_another_matter() {
        let (one, other) = (SeriesUid::known("1.2.3"), SeriesUid::known("1.2.4"));
        let of = |keeper: &str| Provenance::Unproven { keeper: keeper.to_owned() };
        let mut rule = OneVersion::default();
        rule.admit(Some(&one), &Provenance::Proven).unwrap();
        rule.admit(Some(&one), &Provenance::Proven).unwrap();
        let mixed = rule.admit(Some(&one), &of("a")).unwrap_err().to_string();
        assert!(mixed.contains("as a alone has it") && mixed.contains("as accepted"), "{mixed}");
        rule.admit(Some(&other), &of("a")).unwrap();
        rule.admit(Some(&other), &of("a")).unwrap();
        for provenance in [of("b"), Provenance::Proven] {
            assert!(rule.admit(Some(&other), &provenance).is_err());
            assert!(rule.admit(None, &provenance).is_ok());
        }
    }
}
