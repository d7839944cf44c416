//! `outrigger reference`: the reference of commands and configuration, from the declarations the parsers read by.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::config;
use crate::output;
use crate::process::Finished;

/// Prints the reference.
pub(crate) fn run() -> Finished {
    output::line(text().trim_end());
    Finished::Good
}

/// The reference as Markdown.
pub(crate) fn text() -> String {
    let mut out = String::from(
        "# Reference\n\nMade by `outrigger reference`; a test holds it against the program.\n\n## Commands\n",
    );
    let mut command = Cli::command();
    command.build();
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        describe(verb, "outrigger", &mut out);
    }
    out.push('\n');
    out.push_str(&config::reference());
    out
}

fn describe(command: &mut clap::Command, path: &str, out: &mut String) {
    let path = format!("{path} {}", command.get_name());
    let help = command.clone().bin_name(path.clone()).render_help();
    out.push_str(&format!("\n### `{path}`\n\n```text\n{}\n```\n", help.to_string().trim_end()));
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        describe(verb, &path, out);
    }
}
