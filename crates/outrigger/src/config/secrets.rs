//! Secrets in URLs: what `${env:NAME}` and `${file:PATH}` stand for.

use std::path::Path;

use outrigger_member::http;
use outrigger_runtime::disk;

use super::section::Section;
use super::units::{self, SubstitutionError};

/// Longest secret read from a file, in bytes: tokens have some hundred.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// Puts secrets into a URL; what is put into its user or password may have any letters, what stands there is escaped already.
pub(super) fn put_in(section: &Section<'_>, text: &str) -> Result<String, SubstitutionError> {
    let escaped = |value: String| http::escaped(&value);
    let at = credentials_end(text);
    let (before, after) = text.split_at_checked(at).unwrap_or(("", text));
    Ok(substituted(section, before, &escaped)? + &substituted(section, after, &|value| value)?)
}

/// Where user and password end in a URL, 0 where there are none; braces may hold any letters.
fn credentials_end(text: &str) -> usize {
    let start = text.find("://").map_or(0, |at| at + 3);
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '@' if depth == 0 => return at,
            '/' | '?' | '#' if depth == 0 => return 0,
            _ => {}
        }
    }
    0
}

fn substituted(
    section: &Section<'_>,
    text: &str,
    put: &dyn Fn(String) -> String,
) -> Result<String, SubstitutionError> {
    let env = |name: &str| std::env::var(name).ok().map(put);
    let file = |path: &str| secret(section, Path::new(path)).map(put);
    units::substituted_with_files(text, env, file)
}

/// What a file holds, without the end of its line.
fn secret(section: &Section<'_>, path: &Path) -> Result<String, std::io::Error> {
    let content = disk::read_small(section.disk(), path, SECRET_BYTES_MAX)?;
    let text = String::from_utf8(content).map_err(std::io::Error::other)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_end_before_the_host() {
        for (url, credentials) in [
            ("http://u:p@h/x", "http://u:p"),
            ("http://${env:U}:${file:/a/b@c}@h/x", "http://${env:U}:${file:/a/b@c}"),
            ("http://h/a@b", ""),
            ("http://h", ""),
        ] {
            assert_eq!(&url[..credentials_end(url)], credentials);
        }
    }
}
