//! The command line: every command and option, declared once; the reference is made from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Two or more unlike archives as one service.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole thing at work: a front door, two unlike archives, and failures in the middle
    Demo(DemoArgs),
    /// Run a node in the foreground; SIGTERM drains for 30 s and stops
    Serve(ServeArgs),
    /// Run an embedded archive in the foreground, or bring objects in and out of one that is stopped
    Archive(ArchiveArgs),
    /// Read the whole configuration and report every mistake in it
    Check(CheckArgs),
    /// Make a running node read its configuration again
    Reload(AdminArgs),
    /// Show members, breakers, backlog, journal and peers of a running node
    Status(AdminArgs),
    /// Have a running node read journal and ledger again, or an archive its objects, and show what is not as it was written
    Scrub(AdminArgs),
    /// Show the trial balance
    Balance(BalanceArgs),
    /// Show where each object of a study, series or instance is, and what was tried
    Why(WhyArgs),
    /// Work the list of postings that a person must look at
    Suspense(SuspenseArgs),
    /// List members, hold and resume delivery to one, or take one out of the books
    Member(MemberArgs),
    /// Post a study, or everything since a time, to a member again
    Resend(ResendArgs),
    /// Put a study before everything else
    Expedite(StudyArgs),
    /// Make catalogue and ledger anew from the journal, with the node stopped
    Rebuild(ConfigArgs),
    /// Print the reference of commands and configuration as Markdown
    Reference,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Send the DICOM files of this directory instead of phantoms
    #[arg(long, value_name = "DIR")]
    pub(crate) input: Option<PathBuf>,
    /// Keep everything in this directory instead of removing it at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Database and web server of the two archives
    #[arg(long, value_name = "A/B", default_value = "sqlite+axum/redb+actix")]
    pub(crate) layers: String,
}

/// The configuration file.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `archive`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ArchiveArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// What to do with an archive that is stopped, instead of running it
    #[command(subcommand)]
    pub(crate) verb: Option<ArchiveVerb>,
}

/// What to do with an archive that is stopped.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveVerb {
    /// Bring the DICOM files of a folder, and of all below it, into the archive; run again, it goes on
    Import(ImportArgs),
    /// Take a study, a series or an instance out, as files of PS3.10
    Export(ExportArgs),
    /// Move the archive to another catalogue and another place for its objects; run again, it goes on
    Migrate(MigrateArgs),
}

/// Options of `archive migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Configuration file of the archive (TOML); it is only read, and answers meanwhile
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Configuration file of the archive it becomes (TOML); it starts when all is there
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// Options of `archive import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Configuration file of the archive (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `archive export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Study, Series or SOP Instance UID
    pub(crate) uid: String,
    /// Where the files go; made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Configuration file of the archive (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Start without copies of the journal that are lost, on this person's word: what only they held is gone
    #[arg(long, value_name = "NAME")]
    pub(crate) accept_loss: Option<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Talk to each member and each peer with an address
    #[arg(long)]
    pub(crate) probe: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to reach a running node.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// Admin API of the node
    #[arg(long, value_name = "URL", env = "OUTRIGGER_ADMIN", default_value = "http://127.0.0.1:8081")]
    pub(crate) admin: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the balance is broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// One row a member
    Member,
    /// One row a day
    Day,
    /// One row a study that is owed something
    Study,
}

/// Options of `balance`.
#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// One row for each of these
    #[arg(long, value_enum, default_value = "member")]
    pub(crate) by: By,
    /// The node.
    #[command(flatten)]
    pub(crate) node: AdminArgs,
}

/// Options of `why`.
#[derive(Debug, Args)]
#[command(override_usage = "outrigger why [OPTIONS] <UID | --accession <ACCESSION> [--issuer <ISSUER>]>")]
pub(crate) struct WhyArgs {
    /// Study, series or SOP Instance UID; an accession number may be given in its place
    #[arg(required_unless_present = "accession", conflicts_with = "accession")]
    pub(crate) uid: Option<String>,
    /// Accession number
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) accession: Option<String>,
    /// Issuer of the accession number or patient
    #[arg(long, requires = "accession")]
    pub(crate) issuer: Option<String>,
    /// The node.
    #[command(flatten)]
    pub(crate) node: AdminArgs,
}

/// Options of `suspense`.
#[derive(Debug, Args)]
pub(crate) struct SuspenseArgs {
    /// What to do with the list
    #[command(subcommand)]
    pub(crate) verb: SuspenseVerb,
}

/// What to do with the suspense list.
#[derive(Debug, Subcommand)]
pub(crate) enum SuspenseVerb {
    /// List what a person must look at
    List {
        /// Only of this member
        #[arg(long)]
        member: Option<String>,
        /// List objects that were refused at the front door instead
        #[arg(long, conflicts_with = "member")]
        refused: bool,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Show one item
    Show {
        /// The item, as in the list
        id: String,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Try again
    Retry {
        /// Which
        #[command(flatten)]
        which: Which,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Give up, by name and with a reason
    WriteOff {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Who decides this
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
}

/// One item, or many by member and reason.
#[derive(Debug, Args)]
#[group(id = "which")]
pub(crate) struct Which {
    /// The item, as in the list; `--member` may be given in its place
    #[arg(required_unless_present = "member", conflicts_with = "member")]
    pub(crate) id: Option<String>,
    /// All of this member
    #[arg(long)]
    pub(crate) member: Option<String>,
    /// Only those suspended for this reason
    #[arg(long, value_name = "REASON", requires = "member")]
    pub(crate) reason_code: Option<String>,
}

/// Options of `member`.
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: MemberVerb,
}

/// What to do with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberVerb {
    /// List the members
    List {
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Stop delivery to a member; what it owes waits
    Hold {
        /// The member
        member: String,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Go on with delivery to a member
    Resume {
        /// The member
        member: String,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
    /// Take a member out of the books for good; its `[[member]]` table can go
    Retire {
        /// The member
        member: String,
        /// The node.
        #[command(flatten)]
        node: AdminArgs,
    },
}

/// Options of `resend`.
#[derive(Debug, Args)]
pub(crate) struct ResendArgs {
    /// Study Instance UID
    #[arg(required_unless_present = "since", conflicts_with = "since")]
    pub(crate) study: Option<String>,
    /// Everything accepted since then (RFC 3339, such as 2026-11-24T06:00:00Z)
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(crate) since: Option<String>,
    /// The member; a study without it goes to every member that wants it
    #[arg(long, value_name = "MEMBER")]
    pub(crate) to: Option<String>,
    /// The node.
    #[command(flatten)]
    pub(crate) node: AdminArgs,
}

/// Options of `expedite`.
#[derive(Debug, Args)]
pub(crate) struct StudyArgs {
    /// Study Instance UID
    pub(crate) study: String,
    /// The node.
    #[command(flatten)]
    pub(crate) node: AdminArgs,
}
