//! The reference of the configuration, made from the declarations that the parser reads by.

use super::keys::TABLES_ALL;

/// The reference as Markdown.
pub(crate) fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\nTOML; unknown keys are errors. Made from the source by `outrigger reference`.\n",
    );
    for table in TABLES_ALL {
        out.push_str(&format!("\n## `{}`\n\n{}.\n\n", table.header, capital(table.doc)));
        out.push_str("| key | expected | default | what for |\n|---|---|---|---|\n");
        for key in table.keys {
            let default = key.default.map_or("-".to_owned(), |default| format!("`{default}`"));
            let expects = key.expects.replace('|', "\\|");
            out.push_str(&format!("| `{}` | {expects} | {default} | {} |\n", key.name, key.doc));
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
