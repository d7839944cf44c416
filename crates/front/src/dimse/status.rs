//! What is answered to a C-STORE that is not taken (PS3.4 table B.2-1, PS3.7 Annex C).

use outrigger_dataset::scan::Scanned;
use outrigger_dimse::Outcome;
use outrigger_dimse::command::CommandError;
use outrigger_model::{InstanceHeader, SopClassUid, SopInstanceUid, Status, Tag};

pub(super) use crate::intake::Refusal;

/// Longest Error Comment (0000,0902): LO of the default repertoire (PS3.5 table 6.2-1).
const COMMENT_MAX: usize = 64;

impl Refusal {
    /// As the peer is told.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            status: self.status,
            error_comment: Some(comment(&self.text)),
            offending: self.offending.clone(),
        }
    }
}

/// A text as an Error Comment: what does not fit goes, by whole words.
fn comment(text: &str) -> String {
    if text.len() <= COMMENT_MAX {
        return text.to_owned();
    }
    let start = text.get(..text.floor_char_boundary(COMMENT_MAX + 1)).unwrap_or_default();
    let end = start.rfind(' ').unwrap_or(COMMENT_MAX);
    start.get(..end).unwrap_or_default().trim_end_matches([' ', ',', ';', ':']).to_owned()
}

/// SOP Class UID and SOP Instance UID of an object.
pub(super) type Named = (SopClassUid, SopInstanceUid);

/// What becomes of an object by what the command, the presentation context and its own bytes say of it.
///
/// Where it is refused, the UIDs that were seen in its bytes come back with the reason.
pub(super) fn judge(
    named: &Result<Named, CommandError>,
    abstract_syntax: &SopClassUid,
    scanned: Result<Scanned, Refusal>,
) -> Result<Scanned, (Refusal, Option<Named>)> {
    let names = |scanned: Scanned| (scanned.header.sop_class, scanned.header.sop_instance);
    let (sop_class, sop_instance) = match named {
        Ok(named) => named,
        Err(problem) => return Err((of_command(problem), scanned.ok().map(names))),
    };
    let scanned = scanned.map_err(|refusal| (refusal, None))?;
    match of_identity(sop_class, sop_instance, abstract_syntax, &scanned.header) {
        Ok(()) => Ok(scanned),
        Err(refusal) => Err((refusal, Some(names(scanned)))),
    }
}

/// A command that does not say which object comes, or says something else that cannot be read (PS3.7 section 9.3.1.1).
fn of_command(problem: &CommandError) -> Refusal {
    let (status, offending, what) = match problem {
        CommandError::Missing { tag } => (Status::DATA_SET_MISMATCH, vec![*tag], "is missing or empty"),
        CommandError::BadUid { tag, .. } => (Status::DATA_SET_MISMATCH, vec![*tag], "is no UID"),
        CommandError::BadValue { tag } => (Status::CANNOT_UNDERSTAND, vec![*tag], "cannot be read"),
        CommandError::ForeignGroup { tag } => {
            (Status::CANNOT_UNDERSTAND, vec![*tag], "does not belong there")
        }
        CommandError::Truncated { .. } | CommandError::TooManyElements => {
            (Status::CANNOT_UNDERSTAND, Vec::new(), "cannot be read")
        }
    };
    let element = offending.first().map(|tag| format!(" {tag}")).unwrap_or_default();
    Refusal::new(status, format!("the command's element{element} {what}")).of(offending)
}

/// The UIDs of command, presentation context and data set must be the same (PS3.4 section B.2.3).
fn of_identity(
    sop_class: &SopClassUid,
    sop_instance: &SopInstanceUid,
    abstract_syntax: &SopClassUid,
    header: &InstanceHeader,
) -> Result<(), Refusal> {
    let mut offending = Vec::new();
    let mut differing = Vec::new();
    if header.sop_class != *sop_class {
        offending.push(Tag::SOP_CLASS_UID);
        differing.push("SOP classes of command and data set differ");
    } else if *abstract_syntax != *sop_class {
        offending.push(Tag::SOP_CLASS_UID);
        differing.push("SOP class is not that of the presentation context");
    }
    if header.sop_instance != *sop_instance {
        offending.push(Tag::SOP_INSTANCE_UID);
        differing.push("SOP instances of command and data set differ");
    }
    if offending.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Status::DATA_SET_MISMATCH, differing.join("; ")).of(offending))
}

#[cfg(test)]
mod tests {
    use outrigger_runtime::spool::SpoolError;

    use super::*;
    use crate::intake::{of_service, of_spool};
    use crate::service::{RefusalKind, StoreRefusal};

    #[test]
    fn differing_uids_are_named() {
        let class = |uid| SopClassUid::new(uid).unwrap();
        let instance = |uid| SopInstanceUid::new(uid).unwrap();
        let header = InstanceHeader {
            sop_class: class("1.2"),
            sop_instance: instance("1.2.3"),
            study: None,
            series: None,
            attributes: Vec::new(),
        };
        for (sop_class, sop_instance, offending) in [
            ("1.2", "1.2.3\0", vec![]),
            ("1.9", "1.2.3", vec![Tag::SOP_CLASS_UID]),
            ("1.2", "1.2.4", vec![Tag::SOP_INSTANCE_UID]),
            ("1.9", "1.2.4", vec![Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID]),
        ] {
            let command_class = class(sop_class);
            let outcome = of_identity(&command_class, &instance(sop_instance), &command_class, &header);
            assert_eq!(outcome.err().map(|refusal| refusal.offending).unwrap_or_default(), offending);
        }
        let other_context =
            of_identity(&class("1.2"), &instance("1.2.3"), &class("1.9"), &header).unwrap_err();
        assert_eq!(other_context.offending, [Tag::SOP_CLASS_UID]);
        assert_eq!(other_context.status, Status::DATA_SET_MISMATCH);
    }

    #[test]
    fn what_a_command_lacks_is_named() {
        let instance = Tag(0x0000, 0x1000);
        let bad = SopInstanceUid::new("1.2\\3").unwrap_err();
        for (problem, status, offending, words) in [
            (CommandError::Missing { tag: instance }, 0xA900, &[instance][..], "missing"),
            (CommandError::BadUid { tag: instance, source: bad }, 0xA900, &[instance], "no UID"),
            (CommandError::BadValue { tag: Tag(0, 0x0700) }, 0xC000, &[Tag(0, 0x0700)], "cannot be read"),
            (CommandError::TooManyElements, 0xC000, &[], "cannot be read"),
        ] {
            let refusal = of_command(&problem);
            assert_eq!((refusal.status, &*refusal.offending), (Status(status), offending));
            assert!(refusal.text.contains(words), "{}", refusal.text);
        }
    }

    #[test]
    fn a_comment_fits_and_shows_nothing_of_our_inside() {
        let write = SpoolError::Write {
            path: "/var/lib/outrigger/journal/spool/1".into(),
            source: std::io::Error::from(std::io::ErrorKind::StorageFull),
        };
        let kinds = [
            RefusalKind::OutOfResources,
            RefusalKind::NotAuthorized,
            RefusalKind::Rejected,
            RefusalKind::ClassNotSupported,
            RefusalKind::Failed,
        ];
        let of_kind = |kind| of_service(&StoreRefusal { kind, text: "/inside".into(), source: None });
        let refusals = kinds
            .map(of_kind)
            .into_iter()
            .chain([of_spool(&write), of_spool(&SpoolError::TooLarge { limit: u64::MAX })]);
        for refusal in refusals {
            let comment = refusal.outcome().error_comment.unwrap();
            assert!(
                !comment.is_empty() && comment.len() <= COMMENT_MAX && !comment.contains('/'),
                "{comment}"
            );
        }
        let long = Refusal::new(
            Status::CANNOT_UNDERSTAND,
            "the data set ends inside the element, and more bytes than fit are missing",
        );
        let cut = long.outcome().error_comment.unwrap();
        assert_eq!(cut, "the data set ends inside the element, and more bytes than fit");
    }
}
