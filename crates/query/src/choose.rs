//! Which members are asked, and which only when those do not answer.

use std::str::FromStr;

/// Who answers queries (`[query] source`); the catalogue always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Respondents {
    /// The preferred member that is up and owes nothing; the others where there is none, or where nobody knows what they hold.
    #[default]
    Members,
    /// All members.
    All,
    /// Nobody else.
    Catalogue,
}

/// A word names no respondents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `members`, `all`, `catalogue`")]
pub struct RespondentsError(String);

impl FromStr for Respondents {
    type Err = RespondentsError;

    fn from_str(text: &str) -> Result<Self, RespondentsError> {
        match text {
            "members" => Ok(Self::Members),
            "all" => Ok(Self::All),
            "catalogue" => Ok(Self::Catalogue),
            other => Err(RespondentsError(other.to_owned())),
        }
    }
}

/// How a member stands toward a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) call: Call,
    pub(crate) books: Books,
    pub(crate) content: Content,
}

/// Whether it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    May,
    LeftAlone,
}

/// Whether it has what came through here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Books {
    OwesNothing,
    Owes,
}

/// Whether the catalogue knows what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Inventoried,
    Unknown,
}

/// Who is asked, by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    /// At once.
    pub(crate) first: Vec<usize>,
    /// When the first of `first` does not answer whole.
    pub(crate) then: Vec<usize>,
}

/// Chooses among members, the preferred first.
pub(crate) fn choose(respondents: Respondents, standings: &[Standing]) -> Choice {
    let callable = || standings.iter().enumerate().filter(|(_, standing)| standing.call == Call::May);
    let all = || callable().map(|(place, _)| place).collect::<Vec<_>>();
    let preferred = callable().find(|(_, standing)| standing.books == Books::OwesNothing);
    match (respondents, preferred) {
        (Respondents::Catalogue, _) => Choice::default(),
        (Respondents::All, _) | (Respondents::Members, None) => Choice { first: all(), then: Vec::new() },
        (Respondents::Members, Some((preferred, _))) => {
            let others = callable().filter(|(place, _)| *place != preferred);
            let (unknown, known): (Vec<_>, Vec<_>) =
                others.partition(|(_, standing)| standing.content == Content::Unknown);
            let mut first = vec![preferred];
            first.extend(unknown.into_iter().map(|(place, _)| place));
            Choice { first, then: known.into_iter().map(|(place, _)| place).collect() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Standing =
        Standing { call: Call::May, books: Books::OwesNothing, content: Content::Inventoried };
    const OWING: Standing = Standing { books: Books::Owes, ..WELL };
    const AWAY: Standing = Standing { call: Call::LeftAlone, ..WELL };
    const UNKNOWN: Standing = Standing { content: Content::Unknown, ..WELL };

    #[test]
    fn the_preferred_member_that_owes_nothing_is_asked() {
        for (standings, first, then) in [
            (&[WELL, WELL][..], &[0][..], &[1][..]),
            (&[OWING, WELL], &[1], &[0]),
            (&[AWAY, WELL], &[1], &[]),
            (&[OWING, OWING], &[0, 1], &[]),
            (&[OWING, AWAY], &[0], &[]),
            (&[AWAY, AWAY], &[], &[]),
            (&[WELL, UNKNOWN, WELL], &[0, 1], &[2]),
            (&[UNKNOWN, UNKNOWN], &[0, 1], &[]),
            (&[], &[], &[]),
        ] {
            let expected = Choice { first: first.to_vec(), then: then.to_vec() };
            assert_eq!(choose(Respondents::Members, standings), expected, "{standings:?}");
        }
    }

    #[test]
    fn all_and_nobody() {
        let standings = [WELL, AWAY, OWING];
        assert_eq!(choose(Respondents::All, &standings).first, [0, 2]);
        assert_eq!(choose(Respondents::Catalogue, &standings), Choice::default());
    }
}
