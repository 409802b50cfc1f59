//! Where a bundle runs, and what follows from it: which of a package's builds is taken, and what of Node is there.

use belljar_package::Engine;
use rolldown::{Platform, ResolveOptions};

use super::{Target, node_builtins, specifier::package_name};

/// What an import outside the bundle is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// A module of the runtime, by its full name.
    Builtin(String),
    /// A part of a package that travels beside the bundle, by the package's name.
    Package(String),
}

impl Target {
    pub(crate) fn is_browser(&self) -> bool {
        matches!(self, Self::Browser { .. })
    }

    /// What is left to be imported when the bundle runs.
    pub(crate) fn outside(&self, specifier: &str) -> Option<Outside> {
        let Self::Process { engine, external } = self else { return None };
        if let Some(name) = node_builtins::full_name(specifier) {
            return Some(Outside::Builtin(name));
        }
        if *engine == Engine::Bun && (specifier == "bun" || specifier.starts_with("bun:")) {
            return Some(Outside::Builtin(specifier.to_owned()));
        }
        let name = package_name(specifier)?;
        external.iter().any(|external| external == name).then(|| Outside::Package(name.to_owned()))
    }

    pub(crate) fn platform(&self) -> Platform {
        match self {
            Self::Sandbox => Platform::Neutral,
            // CommonJS packages get a `require` for Node's modules then.
            Self::Process { .. } => Platform::Node,
            Self::Browser { .. } => Platform::Browser,
        }
    }

    /// `import` or `require`, and `default`, are added for each import by its kind.
    pub(crate) fn resolve(&self) -> ResolveOptions {
        let texts = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let (conditions, main_fields, alias_fields): (&[&str], &[&str], bool) = match self {
            // What a package has for other places than these needs Node's files, sockets or processes.
            Self::Sandbox => (&["belljar", "worker", "browser", "module"], &["browser", "module", "main"], true),
            // As the runtime itself would choose. `worker` and `browser` are left out: these builds do without the files and sockets that
            // are there, and often take `self` or `window` for granted. `module` may come in, because everything is bundled.
            Self::Process { engine: Engine::Bun, .. } => {
                (&["belljar", "bun", "node", "module"], &["module", "main"], false)
            }
            Self::Process { engine: Engine::Deno, .. } => {
                (&["belljar", "deno", "node", "module"], &["module", "main"], false)
            }
            Self::Process { .. } => (&["belljar", "node", "module"], &["module", "main"], false),
            Self::Browser { .. } => (&["browser", "module"], &["browser", "module", "main"], true),
        };
        ResolveOptions {
            condition_names: texts(conditions),
            main_fields: texts(main_fields),
            alias_fields: alias_fields.then(|| vec![vec!["browser".to_owned()]]),
            extensions: texts(&[".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".cjs", ".json"]),
            ..ResolveOptions::default()
        }
    }

    /// The syntax that is left as it is.
    pub(crate) fn syntax(&self) -> &'static str {
        match self {
            // Every browser since 2023.
            Self::Browser { .. } => "es2022",
            _ => "es2024",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has() {
        let check = |engine: Engine, specifier: &str, expected: Option<Outside>| {
            let target = Target::Process { engine, external: vec!["@s/pkg".into()] };
            assert_eq!(target.outside(specifier), expected, "{engine:?} {specifier}");
        };
        let builtin = |name: &str| Some(Outside::Builtin(name.into()));
        check(Engine::Node, "fs", builtin("node:fs"));
        check(Engine::Deno, "node:fs/promises", builtin("node:fs/promises"));
        check(Engine::Bun, "bun:sqlite", builtin("bun:sqlite"));
        check(Engine::Bun, "bun", builtin("bun"));
        check(Engine::Node, "bun:sqlite", None);
        check(Engine::Node, "@s/pkg/sub.js", Some(Outside::Package("@s/pkg".into())));
        check(Engine::Node, "@s/pkg2", None);
        check(Engine::Node, "events/", None);
        assert_eq!(Target::Sandbox.outside("fs"), None);
    }
}
