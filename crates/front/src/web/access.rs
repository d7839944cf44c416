//! Who may do what at the web door: tokens, client certificates, or loopback alone.

use std::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::host::is_here;

/// What a token lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Search and retrieve.
    Read,
    /// Store.
    Write,
    /// Everything.
    Admin,
}

/// One token and what it lets its holder do; the token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    rights: Vec<Right>,
    sha256: [u8; 32],
}

/// The tokens of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens(Vec<Token>);

/// What is wrong with a line of a file of tokens; the token is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not two words.
    #[error("line {line}: a right and a token are expected, with a space between")]
    Words {
        /// The line, from 1.
        line: usize,
    },
    /// None of the rights.
    #[error("line {line}: the right is `read`, `write` or `admin`")]
    Right {
        /// The line, from 1.
        line: usize,
    },
    /// Too short to keep anybody out.
    #[error("line {line}: the token is shorter than {TOKEN_CHARACTERS_MIN} characters")]
    Short {
        /// The line, from 1.
        line: usize,
    },
    /// There is none.
    #[error("there is no token in it")]
    Empty,
}

/// Shortest token taken: 16 characters of base64 are 96 random bits, which nobody guesses over a network.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Loopback alone, which may do everything.
    Loopback,
    /// Whoever shows a certificate of the authority in the TLS handshake; everything.
    Certificates,
    /// Whoever has a token.
    Tokens(Tokens),
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("no token, or one that is not known here; send `Authorization: Bearer TOKEN`")]
    Unknown,
    #[error("this token does not let you do that")]
    Insufficient,
    #[error("this listener is not open to your address")]
    Elsewhere,
    #[error("a listener without tokens answers by its address or as localhost only")]
    Named,
}

impl Tokens {
    /// Reads a file of tokens: a line each of right and token; a token on several lines has each of their rights. Empty
    /// lines and those that begin with `#` are left out.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut tokens: Vec<Token> = Vec::new();
        for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            let (right, sha256) = parse_line(line, text)?;
            match tokens.iter_mut().find(|token| token.sha256 == sha256) {
                Some(token) => token.rights.push(right),
                None => tokens.push(Token { rights: vec![right], sha256 }),
            }
        }
        if tokens.is_empty() { Err(TokenError::Empty) } else { Ok(Self(tokens)) }
    }

    /// The token that was shown. All are compared to their end, and by digests, so that the time it takes says nothing of them.
    fn known(&self, shown: &str) -> Option<&Token> {
        let shown: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
        self.0.iter().fold(None, |found, token| {
            let differing = token.sha256.iter().zip(&shown).fold(0, |bits, (one, two)| bits | (one ^ two));
            if differing == 0 { Some(token) } else { found }
        })
    }
}

impl Token {
    fn lets(&self, needed: Right) -> bool {
        self.rights.iter().any(|right| *right == needed || *right == Right::Admin)
    }

    /// What the audit trail calls it: the beginning of its digest, which `sha256sum` shows to whoever has the token.
    fn name(&self) -> String {
        let [a, b, c, d, ..] = self.sha256;
        format!("token:{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

fn parse_line(line: usize, text: &str) -> Result<(Right, [u8; 32]), TokenError> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let &[right, token] = &*words else { return Err(TokenError::Words { line }) };
    let right = match right {
        "read" => Right::Read,
        "write" => Right::Write,
        "admin" => Right::Admin,
        _ => return Err(TokenError::Right { line }),
    };
    if token.len() < TOKEN_CHARACTERS_MIN {
        return Err(TokenError::Short { line });
    }
    Ok((right, Sha256::digest(token.as_bytes()).into()))
}

/// What a request says of who sends it, and what that one must be let do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) from: IpAddr,
    pub(super) authorization: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    /// One of them is enough.
    pub(super) needed: &'a [Right],
}

/// Decides on a request; gives the name of the token, where there is one.
pub(super) fn admit(access: &Access, hosts: &[IpNet], asked: &Asked<'_>) -> Result<Option<String>, Denied> {
    let from = asked.from.to_canonical();
    if !hosts.is_empty() && !hosts.iter().any(|net| net.contains(&from)) {
        return Err(Denied::Elsewhere);
    }
    match access {
        Access::Loopback if !from.is_loopback() => Err(Denied::Elsewhere),
        Access::Loopback if !asked.host.is_some_and(is_here) => Err(Denied::Named),
        Access::Loopback | Access::Certificates => Ok(None),
        Access::Tokens(tokens) => {
            let token = asked.authorization.and_then(bearer).and_then(|token| tokens.known(token));
            let token = token.ok_or(Denied::Unknown)?;
            if asked.needed.iter().any(|needed| token.lets(*needed)) {
                Ok(Some(token.name()))
            } else {
                Err(Denied::Insufficient)
            }
        }
    }
}

/// The token of an Authorization header (RFC 6750 section 2.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# viewers\nread 0123456789abcdef\n\nwrite  fedcba9876543210\nadmin 00000000000000000000\n\
                        read ffffffffffffffff\nwrite ffffffffffffffff";

    #[test]
    fn a_token_lets_in_to_what_its_line_says() {
        let access = Access::Tokens(Tokens::parse(FILE).unwrap());
        let from = "10.0.0.1".parse().unwrap();
        let admit = |token: Option<&str>, needed: Right| {
            admit(&access, &[], &Asked { from, authorization: token, host: None, needed: &[needed] })
        };
        let viewer = Some("Bearer 0123456789abcdef");
        let name = admit(viewer, Right::Read).unwrap().unwrap();
        assert!(name.starts_with("token:") && name.len() == 14, "{name}");
        assert_eq!(admit(viewer, Right::Write), Err(Denied::Insufficient));
        let modality = Some("bearer fedcba9876543210");
        assert!(admit(modality, Right::Write).is_ok());
        assert_eq!(admit(modality, Right::Read), Err(Denied::Insufficient));
        for right in [Right::Read, Right::Write] {
            assert!(admit(Some("Bearer ffffffffffffffff"), right).is_ok());
            assert!(admit(Some("Bearer 00000000000000000000"), right).is_ok());
        }
        assert_eq!(admit(Some("Bearer ffffffffffffffff"), Right::Admin), Err(Denied::Insufficient));
        let wrong =
            ["Bearer 0123456789abcdeg", "Basic 0123456789abcdef", "Bearer", "", "Bearer 0123456789abcdef0"];
        for wrong in wrong.map(Some).into_iter().chain([None]) {
            assert_eq!(admit(wrong, Right::Read), Err(Denied::Unknown), "{wrong:?}");
        }
    }

    #[test]
    fn an_open_door_answers_loopback_alone_and_hosts_narrow_any() {
        let hosts: [IpNet; 1] = ["10.0.0.0/24".parse().unwrap()];
        let (open, certified) = (&Access::Loopback, &Access::Certificates);
        for (access, hosts, from, host, expected) in [
            (open, &[][..], "127.0.0.1", "127.0.0.1:8080", Ok(None)),
            (open, &[], "::ffff:127.0.0.1", "localhost", Ok(None)),
            (open, &[], "::1", "[::1]:80", Ok(None)),
            (open, &[], "10.0.0.1", "127.0.0.1", Err(Denied::Elsewhere)),
            (open, &[], "127.0.0.1", "rebound.example", Err(Denied::Named)),
            (open, &[], "127.0.0.1", "localhost.example:80", Err(Denied::Named)),
            (open, &[], "127.0.0.1", "[::1].example", Err(Denied::Named)),
            (open, &[], "127.0.0.1", "127.0.0.1:80@rebound.example", Err(Denied::Named)),
            (open, &[], "127.0.0.1", "localhost:rebound.example", Err(Denied::Named)),
            (open, &[], "127.0.0.1", "::1", Err(Denied::Named)),
            (open, &hosts, "127.0.0.1", "localhost", Err(Denied::Elsewhere)),
            (certified, &hosts, "10.0.0.1", "pacs.example", Ok(None)),
            (certified, &hosts, "127.0.0.1", "pacs.example", Err(Denied::Elsewhere)),
        ] {
            let from = from.parse().unwrap();
            let asked = Asked { from, authorization: None, host: Some(host), needed: &[Right::Write] };
            assert_eq!(admit(access, hosts, &asked), expected, "{from} {host}");
        }
        let nameless = Asked {
            from: "127.0.0.1".parse().unwrap(),
            authorization: None,
            host: None,
            needed: &[Right::Read],
        };
        assert_eq!(admit(open, &[], &nameless), Err(Denied::Named));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_tokens() {
        for (text, error) in [
            ("", TokenError::Empty),
            ("# nothing\n", TokenError::Empty),
            ("read", TokenError::Words { line: 1 }),
            ("read viewer 0123456789abcdef", TokenError::Words { line: 1 }),
            ("\nall 0123456789abcdef", TokenError::Right { line: 2 }),
            ("read secret", TokenError::Short { line: 1 }),
        ] {
            assert_eq!(Tokens::parse(text), Err(error));
            assert!(!error.to_string().contains("secret"));
        }
    }
}
