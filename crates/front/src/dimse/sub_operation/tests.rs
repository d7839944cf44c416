use outrigger_dimse::Roles;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};

use super::*;

const RLE: &str = "1.2.840.10008.1.2.5";
const BASELINE: &str = "1.2.840.10008.1.2.4.50";

fn instance(syntax: &'static str, length: u64) -> Retrievable {
    Retrievable {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::known("1.2.3"),
        study: None,
        series: None,
        transfer_syntax: TransferSyntaxUid::known(syntax),
        length,
        place: String::new(),
    }
}

fn counted(completed: usize, warnings: usize, failed: usize) -> Progress {
    let mut progress = Progress::new(completed + warnings + failed + 1, 0);
    let one = instance(RLE, 1);
    let of = |count, status| std::iter::repeat_n(status, count);
    let statuses = of(completed, Some(Status::SUCCESS)).chain(of(warnings, Some(Status::COERCED)));
    for status in statuses.chain(of(failed, None)) {
        progress.count(&one, status);
    }
    progress
}

#[test]
fn the_final_status_follows_the_counters() {
    for (progress, status) in [
        (counted(0, 0, 0), Status::SUCCESS),
        (counted(3, 0, 0), Status::SUCCESS),
        (counted(3, 1, 0), Status::COERCED),
        (counted(0, 2, 0), Status::COERCED),
        (counted(3, 0, 1), Status::COERCED),
        (counted(0, 1, 1), Status::COERCED),
        (counted(0, 0, 2), Status::CANNOT_PERFORM_SUBOPERATIONS),
    ] {
        assert_eq!(progress.status(Finish::Done), status, "{progress:?}");
        assert_eq!(progress.status(Finish::Cancelled), Status::CANCEL);
    }
}

#[test]
fn what_no_archive_lists_has_failed_without_a_uid() {
    let mut progress = Progress::new(1, 70_000);
    progress.count(&instance(RLE, 1), Some(Status::SUCCESS));
    assert_eq!(progress.status(Finish::Done), Status::COERCED);
    assert_eq!(progress.counters(Status::COERCED).failed, Some(65_535));
    assert_eq!(progress.comment().unwrap(), "70000 instances are not listed by their archive");
    let nothing = Progress::new(0, 3);
    assert_eq!(nothing.status(Finish::Done), Status::CANNOT_PERFORM_SUBOPERATIONS);
    assert_eq!((nothing.failed(), counted(1, 0, 0).comment()), (&[][..], None));
}

#[test]
fn counters_saturate_and_remaining_is_said_only_on_the_way() {
    let progress = counted(70_000, 2, 1);
    let pending = progress.counters(Status::PENDING);
    assert_eq!(pending.completed, Some(65_535));
    assert_eq!((pending.remaining, pending.warning, pending.failed), (Some(1), Some(2), Some(1)));
    assert_eq!(progress.counters(Status::CANCEL).remaining, Some(1));
    assert_eq!(progress.counters(Status::COERCED).remaining, None);
    assert_eq!(progress.sent.count_of(&instance(RLE, 1)), 70_002);
    let many = counted(0, 70_000, 70_000).counters(Status::PENDING);
    assert_eq!((many.completed, many.warning, many.failed), (Some(0), Some(65_535), Some(65_535)));
    assert_eq!(Progress::new(70_000, 0).counters(Status::PENDING).remaining, Some(65_535));
}

#[test]
fn bytes_go_out_as_they_are_kept_if_they_can() {
    let context = |id, syntax, scu| Context {
        id,
        abstract_syntax: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        transfer_syntax: TransferSyntaxUid::known(syntax),
        roles: Roles { scu, scp: false },
        extended: Vec::new().into(),
    };
    let contexts = [
        context(1, IMPLICIT_VR_LE, true),
        context(3, EXPLICIT_VR_LE, true),
        context(5, RLE, true),
        context(7, BASELINE, false),
    ];
    let taken = |contexts: &[Context], syntax, length| {
        let instance = instance(syntax, length);
        way(contexts, &instance, &instance.transfer_syntax, length).ok().map(|way| way.context)
    };
    assert_eq!(taken(&contexts, RLE, 10), Some(5));
    assert_eq!(taken(&contexts[..2], RLE, 10), Some(3), "decoded to the better plain encoding");
    assert_eq!(taken(&contexts[..2], RLE, TRANSCODED_BYTES_MAX + 1), None);
    assert_eq!(taken(&contexts, BASELINE, 10), None, "not ours to send on, and lossy");
    assert_eq!(taken(&contexts[..1], EXPLICIT_VR_LE, 10), Some(1));
}
