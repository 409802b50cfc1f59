//! Node's own modules, and what an author does instead of importing them.

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

/// What to do instead of importing this, if it is one of Node's modules.
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
        "crypto" => "use the global crypto (getRandomValues, randomUUID, subtle)",
        "process" => {
            "process.env.NODE_ENV is filled in when bundling; other settings come from the tenant's configuration"
        }
        "timers" => "setTimeout and its kin are globals",
        "url" => "URL and URLSearchParams are globals",
        "console" => "console is a global",
        "perf_hooks" => "performance is a global",
        "stream" => "use the web streams, which are globals",
        "child_process" | "cluster" | "worker_threads" => "an applet is one sandbox: use jobs for work beside it",
        "assert" | "buffer" | "events" | "path" | "punycode" | "querystring" | "string_decoder" | "util" => {
            return Some(format!(
                "install the npm package of that name and import it as '{root}/' or without 'node:', or declare 'runtime.engine: bun' or 'node'"
            ));
        }
        _ => "use a capability of the sdk instead",
    };
    Some(format!("{instead}; or declare 'runtime.engine: bun' or 'node' to run as a process"))
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
        check("fs-extra", false);
        check("@scope/fs", false);
        check("./fs", false);
    }
}
