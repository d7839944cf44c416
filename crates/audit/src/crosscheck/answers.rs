//! What members say of the same study or series, attribute by attribute.

use std::collections::BTreeMap;

use outrigger_catalogue::normalised;
use outrigger_ledger::finding::Witness;
use outrigger_model::{Answer, MemberNumber, Tag};

/// Values by attribute, written as all are written; what is not said is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said(BTreeMap<Tag, String>);

impl Said {
    /// What an answer says of these attributes.
    pub fn of(answer: &Answer, tags: impl Iterator<Item = Tag>) -> Self {
        let value = |tag: Tag| {
            Some((tag, normalised(tag, answer.value(tag)?))).filter(|(_, value)| !value.is_empty())
        };
        Self(tags.filter_map(value).collect())
    }
}

/// An attribute of which members say different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The attribute.
    pub tag: Tag,
    /// Who is wrong; all of them where nobody decides.
    pub wrong: Vec<MemberNumber>,
    /// Who decided.
    pub witness: Witness,
    /// What each of them says.
    pub said: Vec<(MemberNumber, String)>,
}

/// Where members differ; `accepted` is what is known of what was accepted. Who says nothing of an attribute contradicts nobody.
pub fn disagreements(said: &[(MemberNumber, Said)], accepted: Option<&Said>) -> Vec<Disagreement> {
    let mut by_tag: BTreeMap<Tag, Vec<(MemberNumber, &str)>> = BTreeMap::new();
    for (member, Said(values)) in said {
        for (tag, value) in values {
            by_tag.entry(*tag).or_default().push((*member, value));
        }
    }
    by_tag.into_iter().filter_map(|(tag, values)| disagreement(tag, &values, accepted)).collect()
}

fn disagreement(tag: Tag, values: &[(MemberNumber, &str)], accepted: Option<&Said>) -> Option<Disagreement> {
    let (_, first) = values.first()?;
    if values.iter().all(|(_, value)| value == first) {
        return None;
    }
    let others = |right: &str| -> Vec<MemberNumber> {
        values.iter().filter(|(_, value)| *value != right).map(|(member, _)| *member).collect()
    };
    let known = accepted.and_then(|Said(values)| values.get(&tag)).map(String::as_str);
    if let Some(right) = known.filter(|known| values.iter().any(|(_, value)| value == known)) {
        return Some(told(tag, values, others(right), Witness::Books));
    }
    let majority =
        values.iter().map(|(_, value)| *value).find(|value| others(value).len() * 2 < values.len());
    let (wrong, witness) = match majority {
        Some(right) => (others(right), Witness::Members),
        None => (values.iter().map(|(member, _)| *member).collect(), Witness::Undecided),
    };
    Some(told(tag, values, wrong, witness))
}

fn told(
    tag: Tag,
    values: &[(MemberNumber, &str)],
    wrong: Vec<MemberNumber>,
    witness: Witness,
) -> Disagreement {
    let of_wrong = values.iter().filter(|(member, _)| wrong.contains(member));
    let said = of_wrong.map(|(member, value)| (*member, (*value).to_owned())).collect();
    Disagreement { tag, wrong, witness, said }
}
