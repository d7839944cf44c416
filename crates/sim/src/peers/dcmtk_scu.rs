//! DCMTK's clients: echoscu, storescu, findscu, movescu, getscu.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use outrigger_model::{AeTitle, Level, QueryRoot, Tag};

use super::dcmtk::files_in;
use super::{Nagle, PeerError, Sent, Station, ToolRun};

/// `echoscu`: verification.
#[derive(Debug)]
pub struct EchoScu;

impl EchoScu {
    /// Sends one C-ECHO; the run succeeds when it is answered with success.
    pub async fn run(calling: &AeTitle, called: &Station) -> Result<ToolRun, PeerError> {
        Self::run_with(calling, called, &[]).await
    }

    /// The same with options of its command line, such as those that turn on TLS.
    pub async fn run_with(
        calling: &AeTitle,
        called: &Station,
        options: &[&str],
    ) -> Result<ToolRun, PeerError> {
        let options = options.iter().map(OsString::from);
        ToolRun::of("echoscu", options.chain(between(calling, called)), Nagle::Off).await
    }
}

/// `storescu`: sends files.
#[derive(Debug)]
pub struct StoreScu<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// To whom.
    pub called: &'a Station,
    /// Which files, in this order.
    pub files: &'a [PathBuf],
    /// Options of its command line, such as `-xs`.
    pub options: &'a [&'a str],
    /// Whether as installed.
    pub nagle: Nagle,
}

impl StoreScu<'_> {
    /// Sends the files over one association.
    pub async fn run(&self) -> Result<StoreRun, PeerError> {
        let mut arguments = vec![OsString::from("--verbose")];
        arguments.extend(self.options.iter().map(OsString::from));
        arguments.extend(between(self.calling, self.called));
        arguments.extend(self.files.iter().map(OsString::from));
        let run = ToolRun::of("storescu", arguments, self.nagle).await?;
        let sent = sent(&run.stderr, &run.stdout);
        Ok(StoreRun { run, sent })
    }
}

/// What `storescu` did.
#[derive(Debug)]
pub struct StoreRun {
    /// Exit status and outputs.
    pub run: ToolRun,
    /// The objects that went out, in order.
    pub sent: Vec<Sent>,
}

impl StoreRun {
    /// How many responses said Success, without a warning.
    pub fn successes(&self) -> usize {
        self.sent.iter().filter(|sent| sent.status.as_deref() == Some("Success")).count()
    }
}

fn sent(stderr: &str, stdout: &str) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for line in stderr.lines().chain(stdout.lines()) {
        if let Some(file) = line.strip_prefix("I: Sending file: ") {
            sent.push(Sent { file: file.to_owned(), status: None });
        } else if let Some(rest) = line.strip_prefix("I: Received Store Response (")
            && let Some(last) = sent.last_mut()
        {
            last.status = Some(rest.trim_end_matches(')').to_owned());
        }
    }
    sent
}

/// `dcmsend`: sends files as they are, over as many associations as their encodings need.
#[derive(Debug)]
pub struct DcmSend<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// To whom.
    pub called: &'a Station,
    /// A directory whose files go, good and bad.
    pub directory: &'a Path,
}

impl DcmSend<'_> {
    /// Sends; what cannot be read or is refused does not end the run.
    pub async fn run(&self) -> Result<ToolRun, PeerError> {
        let options =
            ["--verbose", "--scan-directories", "--no-halt", "--no-uid-checks", "--decompress-never"];
        let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
        arguments.extend(["--aetitle".into(), self.calling.as_str().into()]);
        arguments.extend(["--call".into(), self.called.ae_title.as_str().into()]);
        arguments.extend(["127.0.0.1".into(), self.called.port.to_string().into()]);
        arguments.push(self.directory.into());
        ToolRun::of("dcmsend", arguments, Nagle::Off).await
    }
}

/// `findscu`: one query.
#[derive(Debug)]
pub struct FindScu<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// Who is asked.
    pub called: &'a Station,
    /// The information model.
    pub root: QueryRoot,
    /// The query/retrieve level.
    pub level: Level,
    /// Matching and return keys in its own notation, such as `PatientID=X*` or `0020,000d`.
    pub keys: &'a [&'a str],
}

impl FindScu<'_> {
    /// Asks, and gives the answers as attribute values by tag; sequences are left out.
    pub async fn run(&self) -> Result<FindRun, PeerError> {
        let mut arguments = vec![OsString::from("--verbose"), model_option(self.root).into()];
        arguments.extend(keys(self.level, self.keys));
        arguments.extend(between(self.calling, self.called));
        let run = ToolRun::of("findscu", arguments, Nagle::Off).await?;
        let answers = answers(&run.stderr, &run.stdout);
        Ok(FindRun { run, answers })
    }
}

/// What `findscu` was answered.
#[derive(Debug)]
pub struct FindRun {
    /// Exit status and outputs.
    pub run: ToolRun,
    /// The pending responses, in order.
    pub answers: Vec<BTreeMap<Tag, String>>,
}

fn answers(stderr: &str, stdout: &str) -> Vec<BTreeMap<Tag, String>> {
    let mut answers = Vec::new();
    for line in stderr.lines().chain(stdout.lines()) {
        let line = line.trim_start_matches("I: ").trim_start_matches("D: ").trim_end();
        if line.starts_with("Find Response: ") {
            answers.push(BTreeMap::new());
        } else if let Some(answer) = answers.last_mut()
            && let Some((tag, value)) = dumped(line)
        {
            answer.insert(tag, value);
        }
    }
    answers
}

/// An element of the top level as DCMTK dumps it: `(0008,0018) UI [1.2.3]   #   6, 1 SOPInstanceUID`.
fn dumped(line: &str) -> Option<(Tag, String)> {
    let (tag, rest) = line.strip_prefix('(')?.split_once(") ")?;
    let (group, element) = tag.split_once(',')?;
    let tag = Tag(u16::from_str_radix(group, 16).ok()?, u16::from_str_radix(element, 16).ok()?);
    let (_, rest) = rest.split_once(' ')?;
    match rest.strip_prefix('[') {
        Some(text) => Some((tag, text.rsplit_once(']')?.0.to_owned())),
        None => Some((tag, String::new())),
    }
}

/// `movescu`: has an archive send to a third station.
#[derive(Debug)]
pub struct MoveScu<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// The archive.
    pub called: &'a Station,
    /// Where to, by AE title.
    pub destination: &'a AeTitle,
    /// The information model.
    pub root: QueryRoot,
    /// The query/retrieve level.
    pub level: Level,
    /// Unique keys, such as `0020,000d=1.2.3`.
    pub keys: &'a [&'a str],
}

impl MoveScu<'_> {
    /// Moves; the run succeeds when the final response is success.
    pub async fn run(&self) -> Result<ToolRun, PeerError> {
        let mut arguments = vec![OsString::from("--debug"), model_option(self.root).into()];
        arguments.extend(["--move".into(), self.destination.as_str().into()]);
        arguments.extend(keys(self.level, self.keys));
        arguments.extend(between(self.calling, self.called));
        ToolRun::of("movescu", arguments, Nagle::Off).await
    }
}

/// `getscu`: retrieves over its own association.
#[derive(Debug)]
pub struct GetScu<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// The archive.
    pub called: &'a Station,
    /// The information model.
    pub root: QueryRoot,
    /// The query/retrieve level.
    pub level: Level,
    /// Unique keys, such as `0020,000d=1.2.3`.
    pub keys: &'a [&'a str],
    /// Where the objects are written.
    pub into: &'a Path,
}

impl GetScu<'_> {
    /// Retrieves, and lists the files in the directory afterwards.
    pub async fn run(&self) -> Result<(ToolRun, Vec<PathBuf>), PeerError> {
        let mut arguments = vec![OsString::from("--debug"), model_option(self.root).into()];
        arguments.extend(["--output-directory".into(), self.into.into()]);
        arguments.extend(keys(self.level, self.keys));
        arguments.extend(between(self.calling, self.called));
        let run = ToolRun::of("getscu", arguments, Nagle::Off).await?;
        Ok((run, files_in(self.into)?))
    }
}

fn between(calling: &AeTitle, called: &Station) -> Vec<OsString> {
    vec![
        "--aetitle".into(),
        calling.as_str().into(),
        "--call".into(),
        called.ae_title.as_str().into(),
        "127.0.0.1".into(),
        called.port.to_string().into(),
    ]
}

fn model_option(root: QueryRoot) -> &'static str {
    match root {
        QueryRoot::Patient => "--patient",
        QueryRoot::Study => "--study",
    }
}

fn keys(level: Level, keys: &[&str]) -> Vec<OsString> {
    let level = match level {
        Level::Patient => "PATIENT",
        Level::Study => "STUDY",
        Level::Series => "SERIES",
        Level::Image => "IMAGE",
    };
    let first = format!("QueryRetrieveLevel={level}");
    std::iter::once(first.as_str())
        .chain(keys.iter().copied())
        .flat_map(|key| [OsString::from("--key"), key.into()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_their_files() {
        let log =
            "I: Sending file: a.dcm\nI: Received Store Response (Success)\nI: Sending file: b.dcm\nE: lost\n";
        let expected = [("a.dcm", Some("Success")), ("b.dcm", None)];
        let found = sent(log, "");
        let found: Vec<_> = found.iter().map(|sent| (sent.file.as_str(), sent.status.as_deref())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn answers_are_read_from_the_dump() {
        let log = "I: Find Response: 1 (Pending)\nI: (0008,0018) UI [1.2.3]   #  6, 1 SOPInstanceUID\n\
                   I: (0010,0010) PN (no value available)  #  0, 0 PatientName\nI: Find Response: 2 (Pending)\n";
        let found = answers(log, "");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get(&Tag(0x0008, 0x0018)).unwrap(), "1.2.3");
        assert_eq!(found[0].get(&Tag(0x0010, 0x0010)).unwrap(), "");
    }
}
