//! Running the program to its end.

use std::fs;
use std::path::Path;

use outrigger_sim::peers::{Nagle, ToolRun};
use serde_json::Value;

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_outrigger"))
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit status, and gives the run back.
    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Asserts that it failed with one sentence that contains each of `words`.
    pub(crate) fn says(&self, words: &[&str]) {
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "one sentence: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in {self:?}");
        }
    }
}

/// Runs the program with arguments until it ends.
pub(crate) async fn run(arguments: &[&str]) -> Ran {
    let run = ToolRun::of(program(), arguments, Nagle::Off).await.unwrap();
    Ran { status: run.status.code().unwrap_or(-1), stdout: run.stdout, stderr: run.stderr }
}

/// A line of what the system says of a process's memory, in KiB.
pub(crate) fn memory_kib(process: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
