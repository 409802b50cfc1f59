//! Node's own modules: which of them a sandbox has, and what an author does instead of importing the others.

/// What a sandbox has (guest-js/web/src/node/modules.ts), without `node:`.
pub(crate) const PROVIDED: [&str; 23] = [
    "assert",
    "assert/strict",
    "async_hooks",
    "buffer",
    "console",
    "crypto",
    "diagnostics_channel",
    "events",
    "path",
    "path/posix",
    "path/win32",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "stream/web",
    "string_decoder",
    "sys",
    "timers",
    "timers/promises",
    "url",
    "util",
    "util/types",
];

/// Node's modules, without `node:`.
const BUILTINS: [&str; 44] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "sea",
    "sqlite",
    "stream",
    "string_decoder",
    "sys",
    "test",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "worker_threads",
    "zlib",
];

/// Parts of Node's modules that are modules of their own.
const PARTS: [&str; 12] = [
    "assert/strict",
    "dns/promises",
    "fs/promises",
    "inspector/promises",
    "path/posix",
    "path/win32",
    "readline/promises",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "timers/promises",
    "util/types",
];
/// Modules that Node has by the name with `node:` only: without it a package is meant.
const PREFIXED: [&str; 3] = ["sea", "sqlite", "test"];

/// The name with `node:` of one of Node's modules. As in Node, the module is meant even where a package of the same name is installed.
pub(crate) fn full_name(specifier: &str) -> Option<String> {
    if specifier.starts_with("node:") {
        return Some(specifier.to_owned());
    }
    let is_one = PARTS.contains(&specifier) || BUILTINS.contains(&specifier) && !PREFIXED.contains(&specifier);
    is_one.then(|| format!("node:{specifier}"))
}

/// The name of one of Node's modules that a sandbox has, from a specifier with or without `node:`. As in Node, it is meant even where a
/// package of the same name is installed; that is imported with a slash at the end (`events/`).
pub(crate) fn provided(specifier: &str) -> Option<&'static str> {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    PROVIDED.iter().find(|provided| **provided == name).copied()
}

/// A CommonJS module that is one of Node's: packages `require` it, and ES modules import its parts by name.
pub(crate) fn source(name: &str) -> String {
    format!("module.exports = process.getBuiltinModule({name:?});\n")
}

/// What to do instead of importing this, if it is one of Node's modules that a sandbox does not have.
pub(crate) fn advice(specifier: &str) -> Option<String> {
    let name = match specifier.strip_prefix("node:") {
        Some(name) => name,
        None => specifier,
    };
    let root = name.split('/').next().unwrap_or(name);
    if !specifier.starts_with("node:") && !BUILTINS.contains(&root) {
        return None;
    }
    let instead = match root {
        "fs" => "a sandbox has no file system: import a file as text or JSON, or keep data in sdk.db or sdk.kv",
        "http" | "https" | "http2" => "use fetch or sdk.http, and name the host under permissions.http",
        "net" | "tls" | "dgram" | "dns" => "a sandbox has no sockets: use fetch or sdk.http with permissions.http",
        "sqlite" => "use sdk.db with 'db: true' under permissions",
        "stream" => "use the web streams, which are globals (ReadableStream, TransformStream; 'node:stream/web')",
        "zlib" => "use CompressionStream and DecompressionStream, which are globals",
        "os" | "tty" | "v8" | "vm" | "inspector" | "repl" | "readline" => "a sandbox has no machine to ask",
        "module" => "a bundle has no modules to load; import what is needed, so that it is in the bundle",
        "child_process" | "cluster" | "worker_threads" => "an applet is one sandbox: use jobs for work beside it",
        _ => "use a capability of the sdk instead",
    };
    let package = if BUILTINS.contains(&name) && !specifier.starts_with("node:") {
        "; a package of that name is used when it is installed"
    } else {
        ""
    };
    Some(format!("{instead}{package}; or declare 'runtime.engine: bun' or 'node' to run as a process"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_nodes_modules() {
        let check = |specifier: &str, expected: bool| assert_eq!(advice(specifier).is_some(), expected, "{specifier}");
        check("fs", true);
        check("fs/promises", true);
        check("node:fs", true);
        check("node:something-new", true);
        check("stream/promises", true);
        check("fs-extra", false);
        check("@scope/fs", false);
        check("./fs", false);
    }

    #[test]
    fn knows_what_a_sandbox_has() {
        let check = |specifier: &str, expected: Option<&str>| assert_eq!(provided(specifier), expected, "{specifier}");
        check("events", Some("events"));
        check("node:events", Some("events"));
        check("node:path/posix", Some("path/posix"));
        check("events/", None);
        check("node:fs", None);
        check("./events", None);
    }

    #[test]
    fn knows_what_is_a_module_and_what_a_package() {
        let check = |specifier: &str, expected: Option<&str>| {
            assert_eq!(full_name(specifier).as_deref(), expected, "{specifier}")
        };
        check("fs", Some("node:fs"));
        check("fs/promises", Some("node:fs/promises"));
        check("node:sqlite", Some("node:sqlite"));
        check("sqlite", None);
        check("process/browser", None);
        check("punycode/", None);
        check("fs-extra", None);
    }

    #[test]
    fn the_guest_has_the_same() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-js/web/src/node/modules.ts");
        let text = std::fs::read_to_string(file).expect("the guest's list");
        let (_, list) = text.split_once("const MODULES").expect("a list");
        let (list, _) = list.split_once("} as never").expect("its end");
        let names: Vec<&str> = list
            .lines()
            .filter_map(|line| line.trim().split_once([':', ',']))
            .map(|(name, _)| name.trim_matches('\''))
            .filter(|name| !matches!(*name, "" | "__proto__"))
            .collect();
        assert_eq!(names, PROVIDED);
    }
}
