//! Names, paths and attributes that the sources do without.

use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Finding, Kind, SourceFile, Workspace};

/// Names that say nothing of what is inside.
const BAGS: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc", "types"];

/// Paths into the clock and the file system of the real world.
const WORLD: &[&[&str]] =
    &[&["std", "fs"], &["tokio", "fs"], &["std", "time", "Instant"], &["std", "time", "SystemTime"]];

/// Where the real world may be touched: `runtime`, which is its door, and the crates that only tests and developers run.
const DOORS: &[&str] = &["runtime", "sim", "xtask"];

/// Files elsewhere that may turn off the ban on clock and files, each for its reason there.
const EXCEPTIONS: &[&str] = &[];

fn is_door(file: &SourceFile) -> bool {
    file.crate_name.as_deref().is_some_and(|name| DOORS.contains(&name))
        || EXCEPTIONS.iter().any(|path| file.path == Path::new(path))
}

/// A place in a file, and what stands there.
type Place = (usize, String);

#[derive(Default)]
struct Seen {
    modules: Vec<Place>,
    paths: Vec<Place>,
    string_errors: Vec<Place>,
    attributes: Vec<(Place, syn::Attribute)>,
}

impl Seen {
    fn of(syntax: &syn::File) -> Self {
        let mut seen = Self::default();
        seen.visit_file(syntax);
        seen
    }

    fn imports(&mut self, tree: &syn::UseTree, prefix: &str) {
        match tree {
            syn::UseTree::Path(path) => self.imports(&path.tree, &format!("{prefix}{}::", path.ident)),
            syn::UseTree::Name(name) => self.import(prefix, &name.ident),
            syn::UseTree::Rename(rename) => self.import(prefix, &rename.ident),
            syn::UseTree::Glob(glob) => self.paths.push((glob.span().start().line, format!("{prefix}*"))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.imports(item, prefix)),
        }
    }

    fn import(&mut self, prefix: &str, ident: &syn::Ident) {
        self.paths.push((ident.span().start().line, format!("{prefix}{ident}")));
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.push((module.ident.span().start().line, module.ident.to_string()));
        let is_unit_tests = module.ident == "tests";
        module.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        // Unit tests may set up real files and clocks.
        let paths = self.paths.len();
        visit::visit_item_mod(self, module);
        if is_unit_tests {
            self.paths.truncate(paths);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.imports(&item.tree, "");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.span().start().line;
        if parts.last().is_some_and(|name| name == "Result") && has_string_error(path) {
            self.string_errors.push((line, "Result<_, String>".to_owned()));
        }
        self.paths.push((line, parts.join("::")));
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let name = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        let place = (attribute.span().start().line, name.unwrap_or_else(|| "macro".to_owned()));
        self.attributes.push((place, attribute.clone()));
    }
}

fn has_string_error(path: &syn::Path) -> bool {
    let Some(syn::PathArguments::AngleBracketed(given)) =
        path.segments.last().map(|segment| &segment.arguments)
    else {
        return false;
    };
    match given.args.iter().nth(1) {
        Some(syn::GenericArgument::Type(syn::Type::Path(error))) => error.path.is_ident("String"),
        _ => false,
    }
}

fn each_place(
    workspace: &Workspace,
    applies: impl Fn(&SourceFile) -> bool,
    rule: impl Fn(Seen) -> Vec<Place>,
) -> Vec<Finding> {
    let files = workspace.rust().filter(|(file, _)| applies(file));
    let found = |(file, syntax): (&SourceFile, &syn::File)| {
        let places = rule(Seen::of(syntax)).into_iter();
        places.map(|(line, what)| Finding::at(&file.path, line, what)).collect::<Vec<_>>()
    };
    files.flat_map(found).collect()
}

/// Modules that are bags.
pub fn bag_modules(workspace: &Workspace) -> Vec<Finding> {
    let bag = |(line, name): Place| {
        let what =
            format!("a module named `{name}`: name it by what it holds, or put it beside its one user");
        BAGS.contains(&name.as_str()).then_some((line, what))
    };
    each_place(workspace, |_| true, |seen| seen.modules.into_iter().filter_map(bag).collect())
}

/// Errors that are only a text, which no caller can tell apart.
pub fn string_errors(workspace: &Workspace) -> Vec<Finding> {
    let said = |(line, what): Place| (line, format!("`{what}`: give the operation an error enum"));
    let applies = |file: &SourceFile| file.kind == Kind::Source;
    each_place(workspace, applies, |seen| seen.string_errors.into_iter().map(said).collect())
}

/// Clock and files of the real world, reached past `runtime`.
pub fn outside_runtime(workspace: &Workspace) -> Vec<Finding> {
    let applies = |file: &SourceFile| file.kind == Kind::Source && !is_door(file);
    let touches = |(line, path): Place| {
        let parts: Vec<_> = path.split("::").collect();
        let touches = WORLD.iter().any(|world| parts.starts_with(world));
        touches.then(|| (line, format!("`{path}` outside runtime: take it from runtime's Clock or Disk")))
    };
    each_place(workspace, applies, |seen| seen.paths.into_iter().filter_map(touches).collect())
}

/// Lints turned off without a reason, or that nobody may turn off.
pub fn allowed_lints(workspace: &Workspace) -> Vec<Finding> {
    let of = |door: bool| {
        move |((line, name), attribute): (Place, syn::Attribute)| {
            matches!(name.as_str(), "allow" | "expect").then_some(())?;
            let text = attribute_text(&attribute);
            let what = if text.contains("dead_code") {
                "dead code is deleted, not allowed"
            } else if text.contains("clippy :: disallowed") && !door {
                "the ban on clock and files is turned off here"
            } else if !text.contains("reason") {
                "a lint is turned off without a reason"
            } else {
                return None;
            };
            Some((line, what.to_owned()))
        }
    };
    let found =
        |door: bool| move |seen: Seen| seen.attributes.into_iter().filter_map(of(door)).collect::<Vec<_>>();
    let is_free = |file: &SourceFile| file.kind == Kind::Test || is_door(file);
    let mut findings = each_place(workspace, is_free, found(true));
    findings.extend(each_place(workspace, |file| !is_free(file), found(false)));
    findings
}

fn attribute_text(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

/// Tests that are left out, and marks of unfinished work.
pub fn left_open(workspace: &Workspace) -> Vec<Finding> {
    // Split so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK")];
    let mut findings = each_place(
        workspace,
        |_| true,
        |seen| {
            let ignored = seen.attributes.into_iter().filter(|((_, name), _)| name == "ignore");
            ignored
                .map(|((line, _), _)| (line, "a test is left out: a name prefix does that".to_owned()))
                .collect()
        },
    );
    for file in workspace.files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        let marked = |line: &str| {
            marks.iter().find(|mark| line.split_whitespace().any(|word| word.starts_with(**mark)))
        };
        for (number, line) in file.text.lines().enumerate() {
            if let Some(mark) = marked(line) {
                findings.push(Finding::at(
                    &file.path,
                    number + 1,
                    format!("`{mark}`: do it, or write it into an issue"),
                ));
            }
        }
    }
    findings
}
