//! Differences as they are noted: by what they are known again, and in words that name no patient.

use std::collections::BTreeMap;

use outrigger_ledger::finding::{Difference, FindingKind, Seen, Shelved, Witness};
use outrigger_model::{MemberName, MemberNumber, SeriesUid, Sha256Digest, StudyUid};
use sha2::{Digest as _, Sha256};

use super::answers::Disagreement;

/// Names of the members that are looked at.
pub(crate) struct Names<'n>(pub(crate) Vec<(MemberNumber, &'n MemberName)>);

impl Names<'_> {
    fn of(&self, member: MemberNumber) -> String {
        let found = self.0.iter().find(|(number, _)| *number == member);
        found.map_or_else(|| format!("member {}", member.0), |(_, name)| (*name).to_string())
    }

    fn all(&self, members: &[MemberNumber]) -> String {
        let names: Vec<String> = members.iter().map(|member| self.of(*member)).collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} and {last}", before.join(", ")),
            None => String::new(),
        }
    }
}

/// What the answers about a study, or about a series of it, are known by.
pub(crate) fn about_answers(study: &StudyUid, series: Option<&SeriesUid>) -> String {
    match series {
        Some(series) => format!("answers {study} {series}"),
        None => format!("answers {study}"),
    }
}

/// What an instance that a member does not show is known by; many of a study are one difference.
pub(crate) fn about_forgotten(member: MemberNumber, study: &StudyUid, instance: Option<&Shelved>) -> String {
    match instance {
        Some(instance) => format!("forgotten {} {}", member.0, instance.sop_instance),
        None => format!("forgotten {} study {study}", member.0),
    }
}

/// What the copies of an instance are known by.
pub(crate) fn about_copies(instance: &Shelved) -> String {
    format!("copies {}", instance.sop_instance)
}

/// Members answer differently.
pub(crate) fn disagree(
    names: &Names<'_>,
    study: &StudyUid,
    series: Option<&SeriesUid>,
    found: &[Disagreement],
) -> Difference {
    let told: Vec<String> = found.iter().map(|one| told(names, one)).collect();
    let witness = found.iter().map(|one| one.witness).max().unwrap_or(Witness::Undecided);
    let mut wrong = found.iter().flat_map(|one| one.wrong.iter().copied());
    let first = wrong.next();
    let member = first.filter(|first| wrong.all(|other| other == *first));
    let of = series.map_or_else(String::new, |series| format!("series {series} of "));
    Difference {
        about: about_answers(study, series),
        kind: FindingKind::Disagree,
        study: study.clone(),
        instance: None,
        entry: None,
        member,
        witness,
        text: format!("members answer differently about {of}study {study}: {}", told.join("; ")),
        seen: seen(found),
    }
}

/// What each member says that is wrong about something.
fn seen(found: &[Disagreement]) -> Vec<Seen> {
    let mut members: BTreeMap<MemberNumber, Sha256> = BTreeMap::new();
    for one in found {
        for (member, value) in &one.said {
            let digest = members.entry(*member).or_default();
            // Apart, so that one value cannot be taken for two.
            digest.update(format!("{} {} ", one.tag, value.len()));
            digest.update(value);
        }
    }
    let of = |(member, digest): (MemberNumber, Sha256)| Seen {
        member,
        digest: Sha256Digest(digest.finalize().into()),
    };
    members.into_iter().map(of).collect()
}

fn told(names: &Names<'_>, one: &Disagreement) -> String {
    let (tag, wrong) = (one.tag, names.all(&one.wrong));
    match one.witness {
        Witness::Undecided => format!("{tag} is undecided between {wrong}"),
        Witness::Members => format!("{tag} of {wrong} is not as most have it"),
        Witness::Books | Witness::Journal | Witness::Digest => {
            format!("{tag} of {wrong} is not as it was accepted")
        }
    }
}

/// A member does not show an instance that it had by the books; `shown_by` are those that do.
pub(crate) fn forgotten(
    names: &Names<'_>,
    study: &StudyUid,
    member: MemberNumber,
    instance: &Shelved,
    shown_by: &[MemberNumber],
) -> Difference {
    let name = names.of(member);
    let (uid, by) = (&instance.sop_instance, shown_by_words(names, shown_by));
    Difference {
        about: about_forgotten(member, study, Some(instance)),
        kind: FindingKind::Forgotten,
        study: study.clone(),
        instance: Some(uid.clone()),
        entry: instance.accepted.as_ref().map(|copy| copy.entry),
        member: Some(member),
        witness: Witness::Books,
        text: format!(
            "member {name} does not show instance {uid} of study {study} any more; {}{by}{}",
            books(instance),
            remedy(instance, study, &name)
        ),
        seen: Vec::new(),
    }
}

/// A member does not show many instances of a study that it had by the books; `first` is one of them.
pub(crate) fn forgotten_many(
    names: &Names<'_>,
    study: &StudyUid,
    member: MemberNumber,
    first: &Shelved,
    count: usize,
) -> Difference {
    let name = names.of(member);
    Difference {
        about: about_forgotten(member, study, None),
        kind: FindingKind::Forgotten,
        study: study.clone(),
        instance: None,
        entry: first.accepted.as_ref().map(|copy| copy.entry),
        member: Some(member),
        witness: Witness::Books,
        text: format!(
            "member {name} does not show {count} instances of study {study} any more, the first of them {}; {}{}",
            first.sop_instance,
            books(first),
            remedy(first, study, &name)
        ),
        seen: Vec::new(),
    }
}

fn books(instance: &Shelved) -> String {
    match &instance.accepted {
        Some(copy) => format!("by the books it was confirmed there (entry {})", copy.entry),
        None => "the inventory saw it there".to_owned(),
    }
}

fn shown_by_words(names: &Names<'_>, shown_by: &[MemberNumber]) -> String {
    match shown_by {
        [] => String::new(),
        [one] => format!(", and {} shows it", names.of(*one)),
        many => format!(", and {} show it", names.all(many)),
    }
}

fn of_many(members: &[MemberNumber], one: &'static str, many: &'static str) -> &'static str {
    if members.len() == 1 { one } else { many }
}

fn remedy(instance: &Shelved, study: &StudyUid, name: &str) -> String {
    match &instance.accepted {
        Some(_) => format!("; `outrigger resend {study} --to {name}` sends it again"),
        None => String::new(),
    }
}

/// Members give another instance than was accepted, or than others give.
pub(crate) fn altered(
    names: &Names<'_>,
    study: &StudyUid,
    instance: &Shelved,
    wrong: &[MemberNumber],
    witness: Witness,
) -> Difference {
    let (uid, who) = (&instance.sop_instance, names.all(wrong));
    let said = match witness {
        Witness::Journal => "differs from what was accepted, which the journal has",
        Witness::Digest => {
            "differs from what was accepted: another member's copy has the digest that the journal keeps"
        }
        Witness::Members | Witness::Books => "differs from what most members give",
        Witness::Undecided => {
            "contradict one another, and it is undecided which is right: the journal has let the bytes go, if it ever had them, and no copy has their digest"
        }
    };
    let cure = match (witness, &instance.accepted) {
        (Witness::Undecided, _) | (_, None) => String::new(),
        (_, Some(_)) => {
            format!(
                "; once the altered copy is removed there, `outrigger resend {study} --to {who}` sends it again"
            )
        }
    };
    Difference {
        about: about_copies(instance),
        kind: FindingKind::Altered,
        study: study.clone(),
        instance: Some(uid.clone()),
        entry: instance.accepted.as_ref().map(|copy| copy.entry),
        member: (wrong.len() == 1).then(|| wrong.first().copied()).flatten(),
        witness,
        text: format!(
            "what {who} {} of instance {uid} of study {study} {said}{cure}",
            of_many(wrong, "gives", "give")
        ),
        seen: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [MemberNumber; 3] = [MemberNumber(0), MemberNumber(1), MemberNumber(2)];

    fn with_names<T>(what: impl FnOnce(&Names<'_>) -> T) -> T {
        let names = ["a", "b", "c"].map(|name| MemberName::new(name).unwrap());
        what(&Names(MEMBERS.into_iter().zip(&names).collect()))
    }

    fn instance() -> Shelved {
        Shelved {
            sop_class: outrigger_model::SopClassUid::known("1.2"),
            sop_instance: outrigger_model::SopInstanceUid::known("1.3"),
            series: SeriesUid::known("1.4"),
            accepted: None,
            holders: outrigger_model::MemberSet::default(),
            unsettled: outrigger_model::MemberSet::default(),
        }
    }

    #[test]
    fn one_member_shows_it_and_many_show_it() {
        let told = |shown_by: &[MemberNumber]| with_names(|names| shown_by_words(names, shown_by));
        assert_eq!(told(&[]), "");
        assert_eq!(told(&MEMBERS[..1]), ", and a shows it");
        assert_eq!(told(&MEMBERS[..2]), ", and a and b show it");
        assert_eq!(told(&MEMBERS), ", and a, b and c show it");
        let given = |wrong: &[MemberNumber]| {
            with_names(|names| {
                altered(names, &StudyUid::known("1.1"), &instance(), wrong, Witness::Undecided).text
            })
        };
        assert!(given(&MEMBERS[..1]).starts_with("what a gives of instance 1.3"), "{}", given(&MEMBERS[..1]));
        assert!(given(&MEMBERS[..2]).starts_with("what a and b give of instance 1.3"));
    }

    #[test]
    fn what_is_said_is_told_apart_without_standing_in_the_words() {
        let differing = |said: &[(MemberNumber, &str)]| {
            let said = said.iter().map(|(member, value)| (*member, (*value).to_owned())).collect();
            let found = Disagreement {
                tag: outrigger_model::Tag::PATIENT_NAME,
                wrong: vec![MEMBERS[0]],
                witness: Witness::Books,
                said,
            };
            with_names(|names| disagree(names, &StudyUid::known("1.1"), None, &[found]))
        };
        let (one, other) = (differing(&[(MEMBERS[0], "DOE^J")]), differing(&[(MEMBERS[0], "ROE^J")]));
        assert_eq!(one.text, other.text);
        assert!(!one.text.contains("DOE") && !format!("{one:?}").contains("DOE"), "{one:?}");
        assert_ne!(one.seen, other.seen);
        assert_eq!(one.seen, differing(&[(MEMBERS[0], "DOE^J")]).seen);
    }
}
