//! Small trees, each of which breaks one rule: the rule finds it, and finds nothing once it is mended.

use std::path::Path;

use xtask::tidy::{RULES, SourceFile, Workspace};

/// A rule, a file that breaks it, and the same file mended.
#[derive(Clone)]
struct Case {
    rule: &'static str,
    path: &'static str,
    broken: String,
    mended: String,
}

fn case(rule: &'static str, path: &'static str, broken: &str, mended: &str) -> Case {
    Case { rule, path, broken: broken.to_owned(), mended: mended.to_owned() }
}

const LIB: &str = "crates/front/src/lib.rs";
const INNER: &str = "crates/front/src/a.rs";

fn about_shape() -> Vec<Case> {
    let statements = |count: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(count));
    let deep = "fn f() {\n    if a { if b { loop { while c { if d { g(); } } } } }\n}\n";
    let flat = "fn f() {\n    if a { if b { loop { while c { g(); } } } }\n}\n";
    let deep_line = format!("fn f() {{\n{}g();\n}}\n", " ".repeat(24));
    let lost = "crates/front/tests/lost.rs";
    vec![
        case("files are short", INNER, &"// a\n".repeat(601), &"// a\n".repeat(600)),
        case("files are short", LIB, &"// a\n".repeat(61), &"// a\n".repeat(60)),
        case("functions are short", INNER, &statements(69), &statements(68)),
        case("functions are flat", INNER, deep, flat),
        case("the tree as a whole is flat", INNER, &deep_line, "fn f() {\n    g();\n}\n"),
        case("expect is rare", INNER, "fn f() { a.expect(\"a\"); }\n", "fn f() { a.got(\"a\"); }\n"),
        case("every source file belongs to a crate", lost, "fn f() {}\n", ""),
    ]
}

fn about_crates() -> Vec<Case> {
    let arrows = "arrows between crates only point downward";
    let growth = "dependencies are few, from the registry, and none is banned";
    let package = |name: &str| format!("[[package]]\nname = \"{name}\"\n");
    let strange = package("a") + "source = \"git+https://example.org/a\"\n";
    let section = |name: &str| format!("[package]\nname = \"x\"\n[{name}]\n");
    let upward = section("dependencies") + "outrigger-ledger.workspace = true\n";
    let downward = section("dependencies") + "outrigger-dimse.workspace = true\n";
    let with_sim = section("dev-dependencies") + "outrigger-sim.workspace = true\n";
    let (front, journal) = ("crates/front/Cargo.toml", "crates/journal/Cargo.toml");
    vec![
        case(arrows, front, &upward, &downward),
        case(arrows, journal, &with_sim, &section("dev-dependencies")),
        case(
            "every crate stands in ARCHITECTURE.md",
            "ARCHITECTURE.md",
            "`journal`",
            "`front` and `journal`",
        ),
        case(growth, "Cargo.lock", &package("a").repeat(1000), &package("a")),
        case(growth, "Cargo.lock", &package("openssl"), &package("rustls")),
        case(growth, "Cargo.lock", &strange, &package("a")),
    ]
}

fn about_words() -> Vec<Case> {
    let bans = "clock and files are reached through runtime";
    let lints = "lints are turned off for a reason, and some never";
    let open = "no test is left out, no work is left open";
    let texts = "errors are types, not texts";
    let examples = "examples are tests, and not of rustdoc";
    let fenced = "/// A.\n///\n/// ```text\n/// f\n/// ```\nfn f() {}\n";
    let mark = concat!("// TO", "DO: more\n");
    let allow = "#[allow(unused)]\nfn f() {}\n";
    let reasoned = "#[allow(unused, reason = \"a\")]\nfn f() {}\n";
    let unbanned = "#![allow(clippy::disallowed_methods, reason = \"a\")]\n";
    vec![
        case("modules are named by what they are", INNER, "mod helpers {}\n", "mod backoff {}\n"),
        case(bans, INNER, "use std::{fs, net};\n", "use std::net;\n"),
        case(bans, INNER, "fn f() { std::time::Instant::now(); }\n", "fn f() { clock.now(); }\n"),
        case(lints, INNER, allow, reasoned),
        case(lints, INNER, unbanned, ""),
        case(open, INNER, "#[ignore]\n#[test]\nfn f() {}\n", "#[test]\nfn f() {}\n"),
        case(open, INNER, mark, "// More.\n"),
        case(texts, INNER, "fn f() -> Result<u8, String> { g() }\n", "fn f() -> Result<u8, E> { g() }\n"),
        case(examples, INNER, "/// A.\n///\n/// ```\n/// f();\n/// ```\nfn f() {}\n", fenced),
        case(
            examples,
            INNER,
            "/// A.\n///\n///     f();\nfn f() {}\n",
            "/// A:\n/// - b\n///   c\nfn f() {}\n",
        ),
        case("sources are ASCII", INNER, "// \u{e4}\n", "// a\n"),
        case("nothing names a machine or a registry", "docs/a.md", concat!("/ro", "ot/x"), "/var/lib/x"),
    ]
}

fn cases() -> Vec<Case> {
    [about_shape(), about_crates(), about_words()].concat()
}

/// How many findings the rule has in a small tree, tidy but for this text.
fn found(case: &Case, text: &str) -> usize {
    let lib = if case.path == INNER { "mod a;\n" } else { "" };
    let around = [
        ("ARCHITECTURE.md", "`front` and `journal`"),
        ("Cargo.lock", ""),
        ("deny.toml", "[bans]\ndeny = [{ crate = \"openssl\", reason = \"TLS is rustls\" }]\n"),
        ("crates/front/Cargo.toml", ""),
        ("crates/journal/Cargo.toml", ""),
        (LIB, lib),
    ];
    let around = around.into_iter().filter(|(path, _)| *path != case.path);
    let files = around.chain((!text.is_empty()).then_some((case.path, text)));
    let files = files.map(|(path, text)| SourceFile::new(Path::new(path), text.to_owned()).unwrap());
    let (_, rule) = RULES.iter().find(|(name, _)| *name == case.rule).unwrap();
    rule(&Workspace { files: files.collect() }).len()
}

#[test]
fn each_rule_finds_what_breaks_it_and_nothing_else() {
    for case in cases() {
        assert_eq!(found(&case, &case.broken), 1, "{} in {}", case.rule, case.path);
        assert_eq!(found(&case, &case.mended), 0, "{} in {}, mended", case.rule, case.path);
    }
}

#[test]
fn each_rule_has_a_case() {
    let cases = cases();
    for (name, _) in RULES {
        assert!(cases.iter().any(|case| case.rule == *name), "{name}");
    }
}
