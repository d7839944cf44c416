//! The SOP class of instances that a member shows without it: one of each series is read, as a guess by the modality would be
//! offered to others as a fact.

use outrigger_dataset::scan::Scanner;
use outrigger_member::{AskSession, Member, MemberError, Returned};
use outrigger_model::{SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid, transfer_syntax};
use outrigger_runtime::{BlockSource as _, Body};

/// Encodings in which archives keep most of what they have.
const ENCODINGS: [&str; 7] = [
    transfer_syntax::EXPLICIT_VR_LE,
    transfer_syntax::IMPLICIT_VR_LE,
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.91",
];

/// What instances of a modality usually are; with what goes with any modality at the end.
#[rustfmt::skip]
const BY_MODALITY: &[(&str, &[&str])] = &[
    ("CR", &["1.2.840.10008.5.1.4.1.1.1"]),
    ("CT", &["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"]),
    ("DX", &["1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"]),
    ("KO", &["1.2.840.10008.5.1.4.1.1.88.59"]),
    ("MG", &["1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.13.1.3"]),
    ("MR", &["1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"]),
    ("NM", &["1.2.840.10008.5.1.4.1.1.20"]),
    ("PR", &["1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2"]),
    ("PT", &["1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130"]),
    ("RF", &["1.2.840.10008.5.1.4.1.1.12.2"]),
    ("SEG", &["1.2.840.10008.5.1.4.1.1.66.4"]),
    ("SR", &["1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.67"]),
    ("US", &["1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"]),
    ("XA", &["1.2.840.10008.5.1.4.1.1.12.1"]),
    ("", &[
        "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.2", "1.2.840.10008.5.1.4.1.1.7.4",
        "1.2.840.10008.5.1.4.1.1.104.1",
    ]),
];

/// One instance, by what names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'n> {
    pub(crate) study: &'n StudyUid,
    pub(crate) series: &'n SeriesUid,
    pub(crate) instance: &'n SopInstanceUid,
    pub(crate) modality: &'n str,
}

/// The classes that an instance of a modality may have, the likeliest first.
fn candidates(modality: &str) -> Vec<Returned> {
    let encodings: Vec<_> = ENCODINGS.iter().map(|uid| TransferSyntaxUid::known(uid)).collect();
    let classes = BY_MODALITY.iter().filter(|(known, _)| known.is_empty() || *known == modality);
    let returned = |class: &&'static str| Returned {
        sop_class: SopClassUid::known(class),
        encodings: encodings.clone(),
    };
    classes.flat_map(|(_, classes)| classes.iter().map(returned)).collect()
}

/// Reads an instance by a route, and gives its class.
pub(crate) async fn read(route: &dyn Member, named: Named<'_>) -> Result<Option<SopClassUid>, MemberError> {
    let returned = candidates(named.modality);
    let mut session = route.ask(&returned).await?;
    let given = returned.iter().find(|returned| session.gives(&returned.sop_class));
    let class = match given {
        Some(given) => read_by(&mut *session, named, &given.sop_class).await,
        None => Ok(None),
    };
    session.release().await;
    class
}

async fn read_by(
    session: &mut dyn AskSession,
    named: Named<'_>,
    given: &SopClassUid,
) -> Result<Option<SopClassUid>, MemberError> {
    let (syntax, body) = session.fetch(named.study, named.series, named.instance, given).await?;
    Ok(class_in(&syntax, &body).filter(|(instance, _)| instance == named.instance).map(|(_, class)| class))
}

/// The identity in the bytes of an instance.
fn class_in(syntax: &TransferSyntaxUid, body: &Body) -> Option<(SopInstanceUid, SopClassUid)> {
    let mut scanner = Scanner::new(syntax);
    for index in 0.. {
        match body.read_block(index) {
            Ok(block) if block.is_empty() => break,
            Ok(block) => scanner.push(&block),
            Err(error) => {
                tracing::warn!(%error, "an instance read for its class cannot be looked into");
                return None;
            }
        }
    }
    let header = scanner.finish().ok()?.header;
    Some((header.sop_instance, header.sop_class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_any_modality_is_asked_for_last() {
        let of = |modality| {
            candidates(modality).into_iter().map(|returned| returned.sop_class).collect::<Vec<_>>()
        };
        assert_eq!(of("CT").first(), Some(&SopClassUid::known("1.2.840.10008.5.1.4.1.1.2")));
        assert!(of("CT").ends_with(&of("OT")), "{:?}", of("CT"));
        assert_eq!(of("OT").len(), 4);
    }
}
