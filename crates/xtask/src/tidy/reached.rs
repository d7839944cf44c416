//! Which Rust files the compiler sees: one that no module declares is dead, and a test in it never runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, SourceFile, Workspace};

/// Files that no crate root reaches.
pub fn orphans(workspace: &Workspace) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for (file, syntax) in workspace.rust() {
        if is_root(&file.path) {
            let folder = file.path.parent().unwrap_or(Path::new(""));
            reached.insert(file.path.clone());
            reach(workspace, &syntax.items, folder, &mut reached);
        }
    }
    let unreached = |file: &SourceFile| {
        (!reached.contains(&file.path))
            .then(|| Finding::at(&file.path, 0, "no module declares this file: declare it or delete it"))
    };
    workspace.rust().filter_map(|(file, _)| unreached(file)).collect()
}

fn is_root(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts.as_slice(),
        ["crates", _, "src", "lib.rs" | "main.rs"]
            | ["crates", _, "tests", "main.rs"]
            | ["crates", _, "build.rs"]
            | ["crates", _, "src", "bin", _]
            | ["crates", _, "benches" | "examples", _]
            | ["crates", _, "src", "bin", _, "main.rs"]
            | ["crates", _, "benches" | "examples", _, "main.rs"]
            | ["fuzz", ..]
    )
}

/// Follows the `mod` declarations of a file whose submodules lie in `folder`.
fn reach(workspace: &Workspace, items: &[syn::Item], folder: &Path, reached: &mut BTreeSet<PathBuf>) {
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        let name = module.ident.to_string();
        let inside = folder.join(&name);
        if let Some((_, items)) = &module.content {
            reach(workspace, items, &inside, reached);
            continue;
        }
        let places = [folder.join(format!("{name}.rs")), inside.join("mod.rs")];
        for (file, syntax) in workspace.rust().filter(|(file, _)| places.contains(&file.path)) {
            reached.insert(file.path.clone());
            reach(workspace, &syntax.items, &inside, reached);
        }
    }
}
