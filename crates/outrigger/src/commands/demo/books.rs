//! Looking at the books of the front door, and reading objects back from the archives.

use std::time::Duration;

use outrigger_dataset::normal::{self, Fingerprint, Verdict};
use outrigger_member::{DimseMember, Member};
use outrigger_runtime::BlockSource;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::objects::DemoObject;
use crate::admin::client::Client;
use crate::process::Failure;

/// How often the books are looked at while they are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the books may take to balance after everything is up again.
const BALANCE_WAIT: Duration = Duration::from_secs(90);

/// One member's line of the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The member.
    pub(crate) name: String,
    /// Entries accepted.
    pub(crate) accepted: u64,
    /// Entries confirmed there.
    pub(crate) confirmed: u64,
    /// Entries owed.
    pub(crate) pending: u64,
    /// Entries that wait for a person.
    pub(crate) suspense: u64,
    /// What the columns do not explain.
    pub(crate) difference: i64,
}

/// The balance as the admin API gives it.
pub(crate) async fn balance(admin: &str) -> Result<(bool, Vec<Line>), Failure> {
    let url = format!("http://{admin}");
    let asked = tokio::task::spawn_blocking(move || Client::new(&url).get::<Value>("/balance", &[])).await;
    let balance = asked.map_err(|error| Failure::of("the balance could not be asked for", error))??;
    let members = balance.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
    let balanced = balance.get("balanced").and_then(Value::as_bool) == Some(true);
    Ok((balanced, members.iter().map(line).collect()))
}

fn line(member: &Value) -> Line {
    let count = |key: &str| member.get(key).and_then(Value::as_u64).unwrap_or(u64::MAX);
    Line {
        name: member.get("name").and_then(Value::as_str).unwrap_or("?").to_owned(),
        accepted: count("accepted_entries"),
        confirmed: count("confirmed"),
        pending: count("pending"),
        suspense: count("suspense"),
        difference: member.get("difference").and_then(Value::as_i64).unwrap_or(i64::MAX),
    }
}

/// Waits until the books balance, and gives them; those of the last look if they never do.
pub(crate) async fn balanced(admin: &str) -> Result<(bool, Vec<Line>), Failure> {
    let give_up = Instant::now() + BALANCE_WAIT;
    loop {
        let (balanced, lines) = balance(admin).await?;
        if balanced || Instant::now() > give_up {
            return Ok((balanced, lines));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until a member has `count` entries confirmed, or for `limit`; gives how many it has.
pub(crate) async fn confirmed(admin: &str, name: &str, count: u64, limit: Duration) -> Result<u64, Failure> {
    let give_up = Instant::now() + limit;
    loop {
        let (_, lines) = balance(admin).await?;
        let confirmed = lines.iter().find(|line| line.name == name).map_or(0, |line| line.confirmed);
        if confirmed >= count || Instant::now() > give_up {
            return Ok(confirmed);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How objects read back from an archive compare with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ReadBack {
    /// The same, byte for byte.
    pub(crate) identical: usize,
    /// The same content in another encoding.
    pub(crate) re_encoded: usize,
    /// Different or missing, with the reason.
    pub(crate) wrong: Vec<String>,
}

/// Reads every object back from an archive.
pub(crate) async fn read_back(archive: &DimseMember, objects: &[DemoObject]) -> ReadBack {
    let mut result = ReadBack::default();
    for object in objects {
        match compared(archive, object).await {
            Ok(Verdict::Identical) => result.identical += 1,
            Ok(Verdict::ReEncoded) => result.re_encoded += 1,
            Ok(verdict) => result.wrong.push(format!("{}: {verdict:?}", object.header.sop_instance)),
            Err(error) => result.wrong.push(format!("{}: {error}", object.header.sop_instance)),
        }
    }
    result
}

async fn compared(
    archive: &DimseMember,
    object: &DemoObject,
) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>> {
    let header = &object.header;
    let (Some(study), Some(series)) = (&header.study, &header.series) else {
        return Err("it stands outside studies and cannot be retrieved".into());
    };
    let mut encodings = vec![object.transfer_syntax.clone()];
    encodings.extend(object.need().alternatives);
    let (syntax, body) =
        archive.fetch(study, series, &header.sop_instance, &header.sop_class, &encodings).await?;
    if body.sha256 == object.sha256.0 && syntax == object.transfer_syntax {
        return Ok(Verdict::Identical);
    }
    let mut bytes = Vec::new();
    for index in 0.. {
        let block = body.read_block(index)?;
        if block.is_empty() {
            break;
        }
        bytes.extend_from_slice(&block);
    }
    let sent = Fingerprint::of(&object.transfer_syntax, object.bytes.clone());
    Ok(normal::compare(&sent, &Fingerprint::of(&syntax, bytes.into())))
}
