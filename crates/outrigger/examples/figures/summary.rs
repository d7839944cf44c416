//! Medians, and the table a person reads.

use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// Minimum, median and maximum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }

    /// `median (min-max)` with so many decimals.
    pub(crate) fn text(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$}-{:.decimals$})", self.median, self.min, self.max)
    }
}

/// Says what is measured, on what.
pub(crate) fn machine(program: &Path) -> Outcome<()> {
    let first = |command: &str, arguments: &[&str]| {
        Command::new(command)
            .args(arguments)
            .output()
            .ok()
            .and_then(|output| Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned()))
            .unwrap_or_else(|| "not installed".to_owned())
    };
    let cores = std::thread::available_parallelism()?;
    let model = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    println!(
        "machine: {cores} cores,{} ; kernel {}",
        model.trim_start_matches(['\t', ':']),
        first("uname", &["-r"])
    );
    println!("outrigger: {}", first(&program.display().to_string(), &["--version"]));
    println!("dcmtk: {}", first("storescp", &["--version"]));
    println!("orthanc: {}", first("Orthanc", &["--version"]));
    println!("load average at the start: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

/// Prints a Markdown table.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", heading.join(" | "));
    println!("|{}", "---|".repeat(heading.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}
