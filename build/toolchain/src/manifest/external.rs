//! What only process engines have: `runtime.external`, packages that are not bundled, by name, and `runtime.server`. It knows names, not
//! where the packages are.

use belljar_package::{EXTERNALS_MAX, Engine, package_name};

use super::{
    At,
    reader::{Fields, Reader},
};

/// Reads the list, which only a process can use.
pub(crate) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>, engine: Engine) -> Vec<At<String>> {
    let Some(node) = fields.get("external") else { return Vec::new() };
    if !engine.is_process() {
        let span = fields.key("external").unwrap_or((node.start, node.end));
        let help = "leave it out: a sandbox has no files, everything is in the bundle; or declare 'engine: bun', 'node' or 'deno'";
        reader.error("manifest.external", "only process engines load packages beside the bundle".into(), span, help);
        return Vec::new();
    }
    let mut names: Vec<At<String>> = Vec::new();
    for item in reader.list("runtime.external", node, true).unwrap_or_default() {
        let Some(name) = reader.text_by("runtime.external", item, package_name) else { continue };
        if names.iter().any(|other| other.value == name.value) {
            let message = format!("runtime.external {:?} is there twice", name.value);
            reader.error("manifest.value", message, (name.start, name.end), "keep one of the two");
        } else {
            names.push(name);
        }
    }
    if names.len() > EXTERNALS_MAX {
        let help = format!("an applet has at most {EXTERNALS_MAX}; what these depend on comes with them");
        reader.error(
            "manifest.value",
            format!("runtime.external has {} items", names.len()),
            (node.start, node.end),
            &help,
        );
    }
    names
}

/// Reads `server: true`: the entry file listens on `SOCKET_PATH` itself.
pub(crate) fn server(reader: &mut Reader<'_>, fields: &Fields<'_>, engine: Engine) -> bool {
    let Some(node) = fields.get("server") else { return false };
    let Some(is_server) = reader.boolean("runtime.server", node) else { return false };
    if is_server && !engine.is_process() {
        let span = fields.key("server").unwrap_or((node.start, node.end));
        let help = "leave it out: a sandbox has no sockets; or declare 'engine: bun', 'node' or 'deno'";
        reader.error("manifest.server", "only process engines run applets that are servers".into(), span, help);
        return false;
    }
    is_server
}
