//! How long and how deep functions are, and how often they assume.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Finding, Kind, SourceFile, Workspace};

/// Longest function, signature included, in lines.
const FUNCTION_LINES_MAX: usize = 70;
/// Most blocks inside one another in a function, its body not counted.
const FUNCTION_DEPTH_MAX: usize = 4;
/// Most `expect` calls outside tests, in a thousand lines.
const EXPECTS_PER_THOUSAND_MAX: usize = 3;

/// What was measured of one function.
struct Function {
    name: String,
    line: usize,
    lines: usize,
    depth: usize,
}

#[derive(Default)]
struct Measured {
    functions: Vec<Function>,
    depth: usize,
    deepest: usize,
    expects: usize,
}

impl Measured {
    fn of(syntax: &syn::File) -> Self {
        let mut measured = Self::default();
        measured.visit_file(syntax);
        measured
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        // A function inside a function is measured by itself.
        let outer = (std::mem::take(&mut self.depth), std::mem::take(&mut self.deepest));
        visit::visit_block(self, block);
        let (first, last) = (signature.span().start().line, block.span().end().line);
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line: first,
            lines: last + 1 - first,
            depth: self.deepest,
        });
        (self.depth, self.deepest) = outer;
    }
}

impl<'ast> Visit<'ast> for Measured {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // What only tests use may assume.
        let expects = self.expects;
        visit::visit_item_mod(self, module);
        if is_for_tests(&module.attrs) {
            self.expects = expects;
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        visit::visit_block(self, block);
        self.depth -= 1;
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        self.visit_expr(&expression.expr);
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        for arm in &expression.arms {
            self.visit_arm(arm);
        }
        self.depth -= 1;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.expects += usize::from(call.method == "expect");
        visit::visit_expr_method_call(self, call);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

fn each_function(workspace: &Workspace, rule: impl Fn(&Function) -> Option<String>) -> Vec<Finding> {
    let found = |(file, syntax): (&SourceFile, &syn::File)| {
        let measured = Measured::of(syntax).functions.into_iter();
        let findings = measured
            .filter_map(|function| rule(&function).map(|what| Finding::at(&file.path, function.line, what)));
        findings.collect::<Vec<_>>()
    };
    workspace.rust().flat_map(found).collect()
}

/// Functions that are too long.
pub fn long(workspace: &Workspace) -> Vec<Finding> {
    each_function(workspace, |Function { name, lines, .. }| {
        (*lines > FUNCTION_LINES_MAX).then(|| {
            format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}: split decide from act")
        })
    })
}

/// Functions that are too deep.
pub fn deep(workspace: &Workspace) -> Vec<Finding> {
    each_function(workspace, |Function { name, depth, .. }| {
        (*depth > FUNCTION_DEPTH_MAX).then(|| {
            format!(
                "`{name}` nests {depth} blocks, more than {FUNCTION_DEPTH_MAX}: return early, or name a part"
            )
        })
    })
}

/// Too many calls of `expect` outside tests.
pub fn expects(workspace: &Workspace) -> Vec<Finding> {
    let (mut expects, mut lines) = (0, 0);
    for (file, syntax) in workspace.rust().filter(|(file, _)| file.kind == Kind::Source) {
        expects += Measured::of(syntax).expects;
        lines += file.text.lines().count();
    }
    if expects * 1000 <= lines * EXPECTS_PER_THOUSAND_MAX {
        return Vec::new();
    }
    let what = format!("{expects} calls of expect in {lines} lines: make the impossible unsayable instead");
    vec![Finding { path: "crates".into(), line: 0, what }]
}
