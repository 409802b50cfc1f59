//! `belljar inspect`: what is in a package, and what it asks for.

use std::fmt::Write as _;

use belljar_package::{Descriptor, Handler, PACKAGE_BYTES_MAX, Package, Permissions, Text, Trigger};
use serde_json::json;

use crate::args::InspectArgs;
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::present::grouped;
use crate::terminal::{self, one_line};

/// Prints what a package says of itself.
///
/// # Errors
/// When the file cannot be read, or is no package.
pub(crate) fn run(args: &InspectArgs) -> Result<i32, Failure> {
    let bytes = crate::files::read(&args.file, PACKAGE_BYTES_MAX as u64)?;
    let package = Package::decode(&bytes).map_err(|error| {
        Failure::new("corrupt-package", format!("{}: {}", args.file.display(), chain(&error)))
            .exiting(exit_codes::CORRUPT_PACKAGE)
            .hint("build it again with `belljar build DIR`, or copy it again from where it came")
    })?;
    let digest = Package::digest_of(&bytes).to_hex();
    let risks = risks(&package.descriptor.permissions);
    if args.json {
        let files: serde_json::Map<_, _> =
            package.files.iter().map(|(path, file)| (path.clone(), file.len().into())).collect();
        let object = json!({
            "digest": digest.as_str(),
            "bytes": bytes.len(),
            "bundle_bytes": package.bundle.len(),
            "source_map_bytes": package.source_map.len(),
            "files": files,
            "risks": risks,
            "descriptor": package.descriptor,
        });
        terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes())?;
    } else {
        terminal::stdout(describe(&package, bytes.len(), &digest, &risks).as_bytes())?;
    }
    Ok(exit_codes::OK)
}

fn describe(package: &Package, bytes: usize, digest: &str, risks: &[String]) -> String {
    let Descriptor { id, version, name, description, runtime, handlers, permissions, .. } = &package.descriptor;
    let mut text = format!("{id} {version}\n");
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<12} {}", one_line(value));
    };
    row("name", plain(name));
    if let Some(description) = description {
        row("description", plain(description));
    }
    row("digest", digest);
    row("size", &format!("{} bytes", grouped(bytes as u64)));
    row(
        "bundle",
        &format!(
            "{} bytes, source map {}",
            grouped(package.bundle.len() as u64),
            grouped(package.source_map.len() as u64)
        ),
    );
    row("engine", json!(runtime.engine).as_str().unwrap_or_default());
    row("entrypoint", &runtime.entrypoint);
    for (name, value) in json!(runtime.limits).as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        row("limit", &format!("{name} {value}"));
    }
    for handler in handlers {
        row("handler", &route(handler));
    }
    for permission in asked(permissions) {
        row("permission", &permission);
    }
    for risk in risks {
        row("RISK", risk);
    }
    for (path, file) in &package.files {
        row("file", &format!("{path} ({} bytes)", grouped(file.len() as u64)));
    }
    text
}

fn plain(text: &Text) -> &str {
    match text {
        Text::Plain(text) => text,
        Text::ByLocale(texts) => texts.get("en").or_else(|| texts.values().next()).map_or("", String::as_str),
    }
}

fn route(handler: &Handler) -> String {
    let trigger = match &handler.trigger {
        Trigger::Call {} => "called by name".to_owned(),
        Trigger::Http { method, path, auth, .. } => {
            format!("http {method} {path}, auth {}", json!(auth).as_str().unwrap_or_default())
        }
        Trigger::Event { names, .. } => format!("event {}", names.join(", ")),
        Trigger::Schedule { cron, time_zone, .. } => format!("schedule {cron} ({time_zone})"),
        Trigger::Render { component, path: Some(path), .. } => format!("render {component} at {path}"),
        Trigger::Render { component, .. } => format!("render {component}"),
        Trigger::Lifecycle { on } => format!("lifecycle {}", json!(on).as_str().unwrap_or_default()),
    };
    format!("{}: {trigger}", handler.name)
}

/// What is asked for, a line each.
pub(crate) fn asked(permissions: &Permissions) -> Vec<String> {
    let mut asked = Vec::new();
    let flags =
        [("db: its own database", permissions.db), ("kv: its own store", permissions.kv), ("jobs", permissions.jobs)];
    asked.extend(flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
    for rule in &permissions.http {
        let list = |items: Vec<String>, none: &str| if items.is_empty() { none.to_owned() } else { items.join(",") };
        let ports = list(rule.ports.iter().map(u16::to_string).collect(), "default");
        let methods = list(rule.methods.clone(), "any");
        let scheme = if rule.allow_http { "https and http" } else { "https" };
        asked.push(format!("http: {} ({scheme}, ports {ports}, methods {methods})", rule.host));
    }
    asked.extend(permissions.events_publish.iter().map(|name| format!("events: publish {name}")));
    asked.extend(permissions.events_subscribe.iter().map(|name| format!("events: subscribe {name}")));
    asked.extend(permissions.custom.iter().map(|name| format!("custom: {name}, of the host's own")));
    for secret in &permissions.secrets {
        let to = if secret.hosts.is_empty() {
            "may be read".to_owned()
        } else {
            format!("only sent to {}", secret.hosts.join(", "))
        };
        asked.push(format!("secret: {} ({to})", secret.name));
    }
    asked
}

/// What whoever grants it should look at twice.
pub(crate) fn risks(permissions: &Permissions) -> Vec<String> {
    let mut risks = Vec::new();
    for rule in &permissions.http {
        if rule.host == "*" {
            risks.push("http: any public host (bare `*`): data can be sent anywhere".to_owned());
        }
        if rule.allow_http {
            risks.push(format!("http: {} without encryption", rule.host));
        }
    }
    for (what, names) in [("publishes", &permissions.events_publish), ("sees", &permissions.events_subscribe)] {
        if names.iter().any(|name| name == "*") {
            risks.push(format!("events: {what} all of them (bare `*`)"));
        }
    }
    let readable = permissions.secrets.iter().filter(|secret| secret.hosts.is_empty());
    risks.extend(
        readable.map(|secret| {
            format!("secret {}: the applet can read it, and send it to any host it may call", secret.name)
        }),
    );
    risks
}

#[cfg(test)]
mod tests {
    use belljar_package::HttpRule;

    use super::*;

    #[test]
    fn a_bare_star_is_a_risk() {
        let rule = |host: &str, allow_http| HttpRule { host: host.into(), ports: vec![], methods: vec![], allow_http };
        let permissions = Permissions {
            http: vec![rule("*", false), rule("*.example.com", false), rule("a.example", true)],
            custom: vec!["greet".into()],
            ..Permissions::default()
        };
        let found = risks(&permissions);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`*`") && found[1].contains("a.example without encryption"));
        assert_eq!(asked(&permissions)[2], "http: a.example (https and http, ports default, methods any)");
        assert_eq!(asked(&permissions)[3], "custom: greet, of the host's own");
    }
}
