//! What a browser does not have: modules of Node and of Bun, and packages that have nothing for browsers. A page's file may import them for
//! `load`; whether they are used after all is known when the bundle is made. Until then an empty module stands for each.

use std::{collections::BTreeSet, path::Path};

use super::{
    imports::{ImportGraph, at_import},
    node_builtins,
    specifier::package_name,
};
use crate::diagnostic::Problem;

/// Marks module ids; what follows is how they are asked for, and the specifier.
const MARK: &str = "\0belljar-server-only:";
/// Marks their code, so that a finished bundle tells which of them are in it.
const TEXT: &str = "belljar-server-only:";
/// How packages ask that may be able to do without.
const REQUIRED: &str = "require:";

/// The id of the module that stands for a specifier that leads nowhere; `None` for what is no module of a runtime and no package.
pub(crate) fn stand_in(specifier: &str, is_required: bool) -> Option<String> {
    if is_of_runtime(specifier) {
        return Some(format!("{MARK}{}{specifier}", if is_required { REQUIRED } else { "" }));
    }
    // Packages `require` what may be missing, which the bundler sees.
    (!is_required && package_name(specifier).is_some()).then(|| format!("{MARK}{specifier}"))
}

fn is_of_runtime(specifier: &str) -> bool {
    node_builtins::full_name(specifier).is_some() || specifier == "bun" || specifier.starts_with("bun:")
}

/// The code of such a module: CommonJS, so that it has whatever is imported from it.
pub(crate) fn code(id: &str) -> Option<String> {
    let name = id.strip_prefix(MARK)?;
    let text = serde_json::Value::from(format!("{TEXT}{name};"));
    Some(format!("module.exports = {{}};\nthrow new Error({text});\n"))
}

/// What a finished bundle uses all the same, each at its import. `included` are the modules in it. What is required, and not imported, is
/// worth a notice: whoever requires it may catch the error.
pub(crate) fn problems(
    folder: &Path,
    imports: &ImportGraph,
    entry: &str,
    code: &str,
    included: &BTreeSet<&str>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (importer, target, specifier) in imports.edges() {
        let Some(name) = target.strip_prefix(MARK) else { continue };
        if !included.contains(importer) || !code.contains(&format!("{TEXT}{name};")) {
            continue;
        }
        let (problem, advice) = if name.starts_with(REQUIRED) {
            let message = format!("'{specifier}' is not there in a browser: requiring it throws");
            (Problem::notice("bundle.server-only", message), "that is well if the package catches the error")
        } else if is_of_runtime(specifier) {
            let message = format!("'{specifier}' is not there in a browser");
            (
                Problem::error("bundle.server-only", message),
                "use it in what only load() needs, best in a file of its own",
            )
        } else {
            let message = format!("'{specifier}' cannot be found for a browser");
            let advice = "install the package, or, if it is for servers only, use it in what only load() needs";
            (Problem::error("bundle.server-only", message), advice)
        };
        let chain = imports.chain(folder, entry, importer);
        let shown: Vec<&str> = chain.iter().rev().map(String::as_str).collect();
        let help = format!(
            "a page's code goes to the browser: {advice}\nimported by {}",
            shown.join("\n  which is imported by ")
        );
        problems.push(at_import(folder, problem.with_help(help), importer, specifier));
    }
    problems
}
