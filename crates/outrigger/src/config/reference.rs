//! The reference of the configuration, made from the declarations that the parser reads by.

use std::fmt::Write;

use super::keys::TABLES_ALL;

/// The reference as Markdown.
pub(crate) fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\nTOML; unknown keys are errors. Made from the source by `outrigger reference`.\n",
    );
    for table in TABLES_ALL {
        // Writing to a String cannot fail.
        drop(write!(
            out,
            "\n## `{}`\n\n{}.\n\n| key | expected | default | what for |\n|---|---|---|---|\n",
            table.header,
            capital(table.doc)
        ));
        for key in table.keys {
            let default = key.default.map_or("-".to_owned(), |default| format!("`{default}`"));
            let expects = key.expects.replace('|', "\\|");
            drop(writeln!(out, "| `{}` | {expects} | {default} | {} |", key.name, key.doc));
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
