//! Applets that are components already (`engine: component`): what is checked before one is packed. Its code is checked by whoever runs it; what
//! is told here is what its author can do something about: that it is a component, what it imports, what it exports.

use std::fs;
use std::path::Path;

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds, Validator, WasmFeatures,
};

use crate::diagnostic::Problem;
use crate::manifest::Manifest;

/// Largest component, bytes.
pub(crate) const COMPONENT_BYTES_MAX: u64 = 32 << 20;
/// The function that a component exports (`wit/component/applet.wit`).
pub(crate) const HANDLE: &str = "handle";

/// Interfaces of `belljar:component` 0.1.
const INTERFACES: [&str; 8] = ["db", "events", "http", "jobs", "kv", "log", "secrets", "types"];
/// Packages of WASI 0.2 that a host has.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Reads and checks the component that a manifest names.
///
/// # Errors
/// Every problem found, each at the manifest's entrypoint.
pub(crate) fn read(folder: &Path, manifest: &Manifest) -> Result<Vec<u8>, Vec<Problem>> {
    let (entry, file) = (&manifest.entrypoint, &manifest.file);
    let at = |problem: Problem| vec![problem.at(file, entry.start, entry.end, "")];
    let path = folder.join(&entry.value);
    let unreadable = |error: std::io::Error| {
        at(Problem::error("build.unreadable", format!("{} cannot be read: {error}", entry.value)))
    };
    let size = path.metadata().map_err(unreadable)?.len();
    if size > COMPONENT_BYTES_MAX {
        let message = format!("{} has {size} bytes, a component may have {COMPONENT_BYTES_MAX}", entry.value);
        return Err(at(Problem::error("build.component-too-large", message)
            .with_help("leave debugging information out: wasm-tools strip")));
    }
    let bytes = fs::read(&path).map_err(unreadable)?;
    let problems = problems(&entry.value, &bytes);
    if problems.is_empty() { Ok(bytes) } else { Err(problems.into_iter().flat_map(at).collect()) }
}

/// What is wrong with a component.
fn problems(name: &str, bytes: &[u8]) -> Vec<Problem> {
    let invalid = |error: &dyn std::fmt::Display| {
        vec![Problem::error("build.component", format!("{name} is no valid component: {error}"))]
    };
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            let message = format!("{name} is a core module, and no component");
            return vec![
                Problem::error("build.component", message)
                    .with_help("make it one: `wasm-tools component new`, or build for wasm32-wasip2"),
            ];
        }
        [0, b'a', b's', b'm', ..] => {}
        _ => return invalid(&"it is not WebAssembly"),
    }
    // What the host's engine has (host/core/src/engine/component.rs).
    let features =
        WasmFeatures::default() - WasmFeatures::CM_ASYNC - WasmFeatures::THREADS - WasmFeatures::RELAXED_SIMD;
    if let Err(error) = Validator::new_with_features(features).validate_all(bytes) {
        return invalid(&error);
    }
    let (mut problems, mut has_handle, mut depth) = (Vec::new(), false, 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return invalid(&error),
        };
        match payload {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 1 => {
                // A name for a type that is known asks for nothing.
                let is_asked = |ty| !matches!(ty, ComponentTypeRef::Type(TypeBounds::Eq(_)));
                let imports = imports.into_iter().flatten().filter(|import| is_asked(import.ty));
                problems.extend(imports.filter_map(|import| import_problem(name, import.name.name)));
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                has_handle |= exports
                    .into_iter()
                    .flatten()
                    .any(|export| export.name.name == HANDLE && export.kind == ComponentExternalKind::Func);
            }
            _ => {}
        }
    }
    if !has_handle {
        let help = "build it for the world `applet` of belljar:component (docs/components.md)";
        problems.push(
            Problem::error("build.component-export", format!("{name} exports no function '{HANDLE}'")).with_help(help),
        );
    }
    problems
}

/// Why an import is none that a host has.
fn import_problem(name: &str, import: &str) -> Option<Problem> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    let known = match interface.split_once('/') {
        Some(("belljar:component", interface)) => INTERFACES.contains(&interface) && version.starts_with("0.1."),
        Some((package, _)) => {
            package.strip_prefix("wasi:").is_some_and(|package| WASI.contains(&package)) && version.starts_with("0.2.")
        }
        None => false,
    };
    if known {
        return None;
    }
    let help = if interface.starts_with("wasi:http/") {
        "requests go out through belljar:component/http; with componentize-js, disable its features 'http' and 'fetch-event'".to_owned()
    } else if interface.starts_with("belljar:applet/") {
        "that is the JavaScript engine's own world; components have belljar:component".to_owned()
    } else {
        format!(
            "there are belljar:component/{{{}}}@0.1.0, and of WASI 0.2 wasi:{{{}}}",
            INTERFACES.join(","),
            WASI.join(",")
        )
    };
    Some(
        Problem::error("build.component-import", format!("{name} imports '{import}', which a host does not have"))
            .with_help(help),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component, as text between its brackets.
    fn check(text: &str, expected: &[(&str, &str)]) {
        let bytes = wat::parse_str(format!("(component {text})")).expect("it parses");
        let found: Vec<_> =
            problems("a.wasm", &bytes).into_iter().map(|problem| (problem.code, problem.message)).collect();
        assert_eq!(
            found,
            expected.iter().map(|(code, message)| (*code, (*message).to_owned())).collect::<Vec<_>>(),
            "{text}"
        );
    }

    const HANDLED: &str = r#"
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (export "handle" (func $f))"#;

    #[test]
    fn a_component_imports_what_a_host_has() {
        let with = |imports: &str| format!("{imports} {HANDLED}");
        check(&with(""), &[]);
        check(
            &with(r#"(import "belljar:component/db@0.1.0" (instance)) (import "wasi:cli/exit@0.2.3" (instance))"#),
            &[],
        );
        for other in [
            "wasi:http/types@0.2.12",
            "wasi:cli/exit@0.3.0",
            "belljar:component/files@0.1.0",
            "belljar:applet/db@0.1.0",
            "acme:strange/thing@1.0.0",
        ] {
            let message = format!("a.wasm imports '{other}', which a host does not have");
            check(&with(&format!(r#"(import "{other}" (instance))"#)), &[("build.component-import", &message)]);
        }
        check(&with(r#"(type $t (record (field "a" u32))) (import "call" (type (eq $t)))"#), &[]);
        check(
            &with(r#"(import "plain" (func))"#),
            &[("build.component-import", "a.wasm imports 'plain', which a host does not have")],
        );
    }

    #[test]
    fn only_its_own_imports_and_exports_count() {
        let nested = r#"(component (import "other" (func)) (export "handle" (func 0)))"#;
        check(nested, &[("build.component-export", "a.wasm exports no function 'handle'")]);
        check(
            r#"(instance $i) (export "handle" (instance $i))"#,
            &[("build.component-export", "a.wasm exports no function 'handle'")],
        );
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let message = |bytes: &[u8]| problems("a.wasm", bytes)[0].message.clone();
        assert_eq!(
            message(&wat::parse_str("(module)").expect("it parses")),
            "a.wasm is a core module, and no component"
        );
        assert_eq!(message(b"hello"), "a.wasm is no valid component: it is not WebAssembly");
        assert_eq!(message(b""), "a.wasm is no valid component: it is not WebAssembly");
        let mut bytes = wat::parse_str(format!("(component {HANDLED})")).expect("it parses");
        bytes.truncate(bytes.len() - 3);
        assert!(message(&bytes).starts_with("a.wasm is no valid component: unexpected end"), "{}", message(&bytes));
    }
}
