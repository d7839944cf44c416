//! `outrigger check`: every mistake of a configuration; with `--probe`, a word with each member and peer.

mod probe;

use outrigger_runtime::{Clock, RealDisk};
use serde_json::json;

use crate::cli::CheckArgs;
use crate::commands::read_config;
use crate::config::{self, ArchiveConfig, Mistake, Mistakes, NodeConfig};
use crate::output;
use crate::process::{Failure, Finished};

/// What a file configures.
enum Checked {
    Node(Box<NodeConfig>),
    Archive(Box<ArchiveConfig>),
}

/// Checks a configuration, of a node or of an archive.
pub(crate) fn run(args: &CheckArgs) -> Result<Finished, Failure> {
    let (file, text) = read_config(&args.config)?;
    let checked = match read(&file, &text) {
        Ok(checked) => checked,
        Err(mistakes) => return refused(mistakes, args),
    };
    let now_us = Clock::System.wall_us();
    let warnings = match &checked {
        Checked::Node(config) => config.warnings(&RealDisk, now_us),
        Checked::Archive(config) => config.warnings(now_us),
    };
    for warning in &warnings {
        output::note(&format!("{file}: warning: {warning}"));
    }
    if !args.probe {
        say(args, &format!("{file}: good"), &json!({"good": true, "mistakes": [], "warnings": warnings}));
        return Ok(Finished::Good);
    }
    let runtime = super::runtime()?;
    let probes = match &checked {
        Checked::Node(config) => runtime.block_on(probe::node(config)),
        Checked::Archive(config) => runtime.block_on(probe::archive(config)),
    };
    probe::show(&probes, args);
    let all_good = probes.iter().all(probe::Probe::is_good);
    Ok(if all_good { Finished::Good } else { Finished::Attention })
}

fn read(file: &str, text: &str) -> Result<Checked, Mistakes> {
    if config::is_archive(text) {
        config::read_archive(file, text, &RealDisk).map(|config| Checked::Archive(Box::new(config)))
    } else {
        config::read_node(file, text, &RealDisk).map(|config| Checked::Node(Box::new(config)))
    }
}

fn refused(mistakes: Mistakes, args: &CheckArgs) -> Result<Finished, Failure> {
    if args.json {
        let shown = |mistake: &Mistake| {
            json!({
                "file": mistake.file, "line": mistake.line, "key": mistake.key,
                "wrong": mistake.wrong, "right": mistake.right,
            })
        };
        output::line(
            &json!({"good": false, "mistakes": mistakes.0.iter().map(shown).collect::<Vec<_>>()}).to_string(),
        );
    }
    Err(Failure::Configuration(mistakes))
}

fn say(args: &CheckArgs, text: &str, json: &serde_json::Value) {
    output::line(&if args.json { json.to_string() } else { text.to_owned() });
}
