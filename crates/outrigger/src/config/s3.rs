//! `[archive.s3]`: the object store that keeps an archive's objects.

use outrigger_archive::{S3Credentials, S3Options, Secret};
use outrigger_member::http::{Scheme, Target};

use super::keys;
use super::route::is_loopback;
use super::section::{Key, Section};
use super::tls::{RouteSecurity, read_web_tls};

/// Letters of a prefix beside letters and digits: those that every server takes as they are.
const PREFIX_MARKS: &[char] = &['-', '_', '.', '/'];

/// Bucket and prefix of `s3://BUCKET/PREFIX`; `None` if it is not so.
pub(super) fn bucket(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |text: &str, marks: &[char]| {
        text.chars().all(|letter| letter.is_ascii_alphanumeric() || marks.contains(&letter))
    };
    let good = (3..=63).contains(&bucket.len()) && is_plain(bucket, &['-', '.', '_']);
    let parts = prefix.trim_end_matches('/').split('/');
    let good_prefix = prefix.is_empty()
        || (is_plain(prefix, PREFIX_MARKS) && parts.clone().all(|part| !["", ".", ".."].contains(&part)));
    (good && good_prefix).then(|| (bucket.to_owned(), prefix.trim_end_matches('/').to_owned()))
}

/// Reads `[archive.s3]`; `None` after a mistake.
pub(super) fn read_s3(section: Section<'_>, bucket: Option<(String, String)>) -> Option<S3Options> {
    let region = section.read(&keys::S3_REGION, |text| (!text.is_empty()).then(|| text.to_owned()));
    let target = read_target(&section, region.as_deref());
    let tls = read_web_tls(&section, target.as_ref());
    let plain_http = section.truth(&keys::S3_PLAIN_HTTP);
    let path_style = section.truth(&keys::S3_PATH_STYLE);
    let access_key = secret(&section, &keys::S3_ACCESS_KEY_FILE, &keys::S3_ACCESS_KEY_ENV);
    let secret_key = secret(&section, &keys::S3_SECRET_KEY_FILE, &keys::S3_SECRET_KEY_ENV);
    let timeout = section.timer(&keys::S3_TIMEOUT);
    let retry_for = section.duration(&keys::S3_RETRY_FOR);
    let (target, plain_http) = (target?, plain_http?);
    if target.scheme() == Scheme::Plain && !is_loopback(&target) && !plain_http {
        let right = "let it begin with `https://`, or set `plain_http = true`";
        section.wrong_as(&keys::S3_URL, "patients' data would be sent there without TLS", right);
        section.end();
        return None;
    }
    section.end();
    let (bucket, prefix) = bucket?;
    Some(S3Options {
        bucket,
        prefix,
        endpoint: target.to_string(),
        region: region?,
        path_style: path_style?,
        credentials: S3Credentials { access_key: access_key?, secret_key: secret_key? },
        tls: match tls? {
            RouteSecurity::Plain => None,
            RouteSecurity::Tls(files) => Some(files.client),
        },
        timeout: timeout?,
        retry_for: retry_for?,
    })
}

/// The server: AWS's own of the region where none is named.
fn read_target(section: &Section<'_>, region: Option<&str>) -> Option<Target> {
    let url = match section.optional(&keys::S3_URL) {
        Some(url) => url,
        None if section.has(&keys::S3_URL) => return None,
        None => format!("https://s3.{}.amazonaws.com", region?),
    };
    let read = Target::read(&url);
    let target = read.map_err(|error| section.wrong(&keys::S3_URL, outrigger_model::with_causes(&error)));
    let target = target.ok()?;
    if target.has_credentials() {
        let right = "leave them out: `access_key_file` and `secret_key_file` say who calls";
        section.wrong_as(&keys::S3_URL, "it has a user or password", right);
        return None;
    }
    Some(target)
}

/// A secret, from a file or from the environment; `None` after a mistake.
fn secret(section: &Section<'_>, file: &Key, env: &Key) -> Option<Secret> {
    let (has_file, has_env) = (section.has(file), section.has(env));
    let (key, said) = match (has_file, has_env) {
        (true, true) => {
            let right = format!("`{}` or `{}` is expected, not both", file.name, env.name);
            section.wrong_as(env, format!("`{}` is given too", file.name), &right);
            return None;
        }
        (false, false) => {
            section.wrong_as(file, "it is missing", &format!("it, or `{}`, is expected", env.name));
            return None;
        }
        (true, false) => (file, String::from_utf8_lossy(&section.readable(file)?.1).trim().to_owned()),
        (false, true) => {
            let name = section.text(env)?;
            let Ok(value) = std::env::var(&name) else {
                section.wrong(env, format!("the environment variable {name} is not set"));
                return None;
            };
            (env, value)
        }
    };
    if said.is_empty() || !said.chars().all(|letter| letter.is_ascii_graphic()) {
        section.wrong(key, "what it leads to is empty, or no key");
        return None;
    }
    Some(Secret::new(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_what_keys_begin_with() {
        for (url, found) in [
            ("s3://site-objects", Some(("site-objects", ""))),
            ("s3://site-objects/", Some(("site-objects", ""))),
            ("s3://site-objects/a/b", Some(("site-objects", "a/b"))),
            ("s3://site-objects/a/b/", Some(("site-objects", "a/b"))),
            ("s3://s", None),
            ("s3://", None),
            ("s3:site-objects", None),
            ("s3://site objects", None),
            ("s3://site-objects/a//b", None),
            ("s3://site-objects/../b", None),
            ("s3://key:secret@site-objects", None),
        ] {
            let found = found.map(|(bucket, prefix)| (bucket.to_owned(), prefix.to_owned()));
            assert_eq!(bucket(url), found, "{url}");
        }
    }
}
