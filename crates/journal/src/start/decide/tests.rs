use super::*;
use crate::damage::Damage;
use crate::head::{Copy, Head};
use crate::ids::Epoch;

fn places(count: usize) -> Vec<Place> {
    (0..count).map(|at| Place::new(EngineKind::ALL[at % 2], format!("/{at}"))).collect()
}

/// A copy of this name in a place, by the generation and copies its head names.
fn copy(at: usize, name: &str, generation: u64, copies: &[&str]) -> FoundCopy {
    let engine = |name: &str| EngineKind::ALL[usize::from(name.ends_with('b'))].name().to_owned();
    let copies = copies.iter().map(|name| Copy { name: (*name).to_owned(), engine: engine(name) }).collect();
    let mut head = Head::new(JournalId(7), 0, EngineKind::ALL[at % 2]);
    (head.copy, head.generation, head.copies, head.epoch) = (name.to_owned(), generation, copies, Epoch(3));
    FoundCopy { at, directory: format!("/{at}/{name}").into(), head, damage: None::<Damage> }
}

fn decided(copies: Vec<FoundCopy>, accepted_by: Option<&str>) -> Result<Standing, OpenError> {
    let found = Found { copies, headless: Vec::new() };
    match decide(&places(2), found, Seq(9), accepted_by) {
        Ok(Decision::On(standing)) => Ok(standing),
        Ok(Decision::New) => panic!("a new journal"),
        Err(error) => Err(error),
    }
}

fn names(standing: &Standing) -> Vec<&str> {
    standing.copies.iter().map(|copy| copy.head.copy.as_str()).collect()
}

#[test]
fn all_copies_of_the_newest_generation_are_needed_and_no_other() {
    let both = ["a", "b"];
    let standing = decided(vec![copy(0, "a", 4, &both), copy(1, "b", 4, &both)], None).unwrap();
    assert_eq!((names(&standing), standing.stale.len()), (vec!["a", "b"], 0));

    let lacking = decided(vec![copy(0, "a", 4, &both)], None).unwrap_err();
    assert!(matches!(lacking, OpenError::CopyMissing { generation: 4, .. }), "{lacking}");
    let given_up = decided(vec![copy(0, "a", 4, &both)], Some("Ada")).unwrap();
    assert_eq!(names(&given_up), ["a"]);
    assert_eq!(given_up.loss.unwrap().copies, ["sqlite b"]);

    // Taken out at generation 5, and found again.
    let standing = decided(vec![copy(0, "a", 5, &["a"]), copy(1, "b", 4, &both)], None).unwrap();
    assert_eq!((names(&standing), &standing.stale), (vec!["a"], &vec![(1, PathBuf::from("/1/b"))]));
    // With only the one that was taken out, the newest generation is not there, but its own says that it needs the other.
    let alone = decided(vec![copy(1, "b", 4, &both)], None).unwrap_err();
    assert!(matches!(alone, OpenError::CopyMissing { .. }));
}

#[test]
fn a_copy_that_comes_in_counts_as_soon_as_its_own_head_says_so() {
    // The crash came before the others noted it.
    let standing = decided(vec![copy(0, "a", 4, &["a"]), copy(1, "b", 5, &["a", "b"])], None).unwrap();
    assert_eq!(names(&standing), ["a", "b"]);
    // Never finished.
    let standing = decided(vec![copy(0, "a", 4, &["a"]), copy(1, "b", UNFINISHED, &["b"])], None).unwrap();
    assert_eq!((names(&standing), standing.stale.len()), (vec!["a"], 1));
}

#[test]
fn what_cannot_be_known_is_refused() {
    let both = ["a", "b"];
    let cloned = decided(vec![copy(0, "a", 4, &["a"]), copy(0, "a", 4, &["a"])], Some("Ada")).unwrap_err();
    assert!(matches!(cloned, OpenError::Cloned { .. }), "{cloned}");
    let apart = decided(vec![copy(0, "a", 5, &["a"]), copy(1, "b", 5, &["b"])], Some("Ada")).unwrap_err();
    assert!(matches!(apart, OpenError::Diverged { generation: 5, .. }), "{apart}");
    let mut foreign = copy(1, "b", 4, &both);
    foreign.head.journal = JournalId(8).to_string();
    let foreign = decided(vec![copy(0, "a", 4, &both), foreign], Some("Ada")).unwrap_err();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
    let swapped = decided(vec![copy(1, "a", 4, &["a"])], None).unwrap_err();
    assert!(matches!(swapped, OpenError::OtherEngine { .. }), "{swapped}");
}

#[test]
fn nothing_found_is_a_new_journal_only_where_none_is_missed() {
    let nothing = || Found::default();
    assert!(matches!(decide(&places(2), nothing(), Seq(0), None), Ok(Decision::New)));
    let missed = decide(&places(2), nothing(), Seq(1), Some("Ada"));
    assert!(matches!(missed, Err(OpenError::Missing { .. })));
    let headless = Found { copies: Vec::new(), headless: vec![OpenError::Head { file: "/0/head".into() }] };
    assert!(matches!(decide(&places(2), headless, Seq(0), None), Err(OpenError::Head { .. })));
}
