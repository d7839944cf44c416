//! The figures of docs/benchmarks.md: Outrigger beside DCMTK and Orthanc on the same work in the same run.
//!
//! Sides are interleaved (ABBA), every round has fresh folders, medians are given with minimum and maximum, CPU is that
//! of all threads and children of the server. `cargo xtask bench figures -- ROW [--rounds N]`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench measures real time, reads /proc and prints; what it counts stays far below 2^52"
)]

mod beyond;
mod ceiling;
mod contestant;
mod delivery;
mod find;
mod layers;
mod load;
mod memory;
mod outage;
mod relay;
mod restart;
mod retrieve;
mod scripted;
mod store;
mod summary;

use clap::{Parser, ValueEnum};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Durable C-STORE of 525 KB CT objects over one and four associations, members away
    Ct,
    /// The same with 39 KB objects
    Small,
    /// From DCMTK's storescu as installed, Nagle's algorithm on
    Nagle,
    /// With two scripted members that take everything, and with a backlog of 10,000
    Members,
    /// Delivery over one connection to DCMTK's storescp as installed, beside storescu
    Delivery,
    /// Until two Orthanc members have 500 CT, beside one sender that feeds both
    Pair,
    /// Study-level C-FIND and QIDO-RS by UID and by date among 10,000 studies, beside Orthanc, and among 50,000
    Find,
    /// The same queries through a front door that knows nothing, answered by an Orthanc: what comes to Orthanc's own time
    Beyond,
    /// WADO-RS and C-MOVE of a CT study of 200 instances, from the journal, an embedded archive, and through from Orthanc
    Retrieve,
    /// STOW-RS, 20 instances a request
    Stow,
    /// Time without an answer when the member that is asked first dies, so often as `--objects` says, and when it hangs
    Outage,
    /// Durable C-STORE with the journal in one copy and in two, 4 associations
    Copies,
    /// Durable C-STORE into embedded archives over each database, beside Orthanc, 4 associations
    Archives,
    /// Memory: idle, 100 associations, one object of 500 MB
    Memory,
    /// Start, and accepting again after kill -9 with 100,000 undelivered entries
    Restart,
}

/// Measures one row.
#[derive(Debug, Parser)]
struct Arguments {
    /// What
    #[arg(value_enum)]
    row: Row,
    /// Rounds a side
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Objects in a round
    #[arg(long)]
    objects: Option<usize>,
    /// The binary measured; the release build beside this program unless given
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => contestant::built()?,
    };
    summary::machine(&program)?;
    let rounds = arguments.rounds;
    match arguments.row {
        Row::Ct => store::compare(&program, store::Work::Ct, rounds, arguments.objects.unwrap_or(400)).await,
        Row::Small => {
            store::compare(&program, store::Work::Small, rounds, arguments.objects.unwrap_or(1500)).await
        }
        Row::Nagle => store::nagle(&program, rounds, arguments.objects.unwrap_or(40)).await,
        Row::Members => scripted::measure(&program, rounds, arguments.objects.unwrap_or(600)).await,
        Row::Delivery => delivery::one_connection(&program, rounds, arguments.objects.unwrap_or(100)).await,
        Row::Pair => delivery::pair(&program, rounds, arguments.objects.unwrap_or(500)).await,
        Row::Find => {
            find::compare(&program, &[10_000, 50_000], rounds, arguments.objects.unwrap_or(300)).await
        }
        Row::Beyond => beyond::compare(&program, rounds, arguments.objects.unwrap_or(200)).await,
        Row::Retrieve => retrieve::compare(&program, rounds).await,
        Row::Stow => retrieve::stow(&program, rounds, arguments.objects.unwrap_or(10)).await,
        Row::Outage => outage::measure(&program, arguments.objects.unwrap_or(100)).await,
        Row::Copies => layers::copies(&program, rounds, arguments.objects.unwrap_or(400)).await,
        Row::Archives => layers::archives(&program, rounds, arguments.objects.unwrap_or(400)).await,
        Row::Memory => memory::measure(&program).await,
        Row::Restart => restart::measure(&program, arguments.objects.unwrap_or(100_000)).await,
    }
}
