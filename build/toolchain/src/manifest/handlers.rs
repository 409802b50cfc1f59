//! `handlers[]`: names, exports and triggers. It knows the fields of each type, not what the bundle exports.

use std::collections::HashMap;

use belljar_package::{Auth, LifecycleEvent, Overlap, Trigger, rules};

use super::{
    ManifestHandler, duration, plain,
    reader::{Fields, Reader},
    tree::Node,
};

/// Deliveries of an event in all, when the manifest does not say.
const ATTEMPTS_DEFAULT: u32 = 5;
/// Milliseconds before an event's first retry, when the manifest does not say.
const BACKOFF_MS_DEFAULT: u64 = 1_000;

#[derive(Clone, Copy)]
enum Kind {
    Call,
    Http,
    Event,
    Schedule,
    Render,
    Lifecycle,
}

const KINDS: [(&str, Kind); 6] = [
    ("call", Kind::Call),
    ("http", Kind::Http),
    ("event", Kind::Event),
    ("schedule", Kind::Schedule),
    ("render", Kind::Render),
    ("lifecycle", Kind::Lifecycle),
];

impl Kind {
    /// Keys of this type, without `name`, `type` and `export`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Call => &[],
            Self::Http => &["method", "path", "auth", "permissions", "rate_limit_per_minute", "rateLimitPerMinute"],
            Self::Event => &["names", "retry"],
            Self::Schedule => &["cron", "time_zone", "overlap", "timeZone", "timezone"],
            Self::Render => &["component"],
            Self::Lifecycle => &["on"],
        }
    }
}

const ALL_KEYS: [&str; 18] = [
    "name",
    "type",
    "export",
    "method",
    "path",
    "auth",
    "permissions",
    "rate_limit_per_minute",
    "rateLimitPerMinute",
    "names",
    "retry",
    "cron",
    "time_zone",
    "overlap",
    "timeZone",
    "timezone",
    "component",
    "on",
];

/// Reads the list; handlers with errors are reported and left out.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<ManifestHandler> {
    let items = reader.list("handlers", node, false).unwrap_or_default();
    if items.len() > rules::HANDLERS_MAX {
        let message = format!("there are {} handlers", items.len());
        reader.error("manifest.value", message, (node.start, node.end), "an applet has at most 256 handlers");
        return Vec::new();
    }
    let mut handlers: Vec<ManifestHandler> = Vec::new();
    let mut routes: HashMap<String, String> = HashMap::new();
    for (index, item) in items.into_iter().enumerate() {
        let Some(handler) = handler(reader, &format!("handlers[{index}]"), item) else { continue };
        let span = (handler.name.start, handler.name.end);
        if let Some(other) = handlers.iter().find(|other| other.name.value == handler.name.value) {
            let (line, column) = reader.file.line_column(other.name.start);
            let message = format!("handler '{}' is there twice, first at {line}:{column}", handler.name.value);
            reader.error("manifest.duplicate-handler", message, span, "give every handler a name of its own");
        }
        if let Trigger::Http { method, path, .. } = &handler.trigger {
            let route = format!("{method} {path}");
            if let Some(other) = routes.get(&route) {
                let message = format!("handler '{}' has the route of '{other}': {route}", handler.name.value);
                reader.error("manifest.duplicate-route", message, span, "a method and path lead to one handler");
            }
            routes.insert(route, handler.name.value.clone());
        }
        handlers.push(handler);
    }
    handlers
}

fn handler(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<ManifestHandler> {
    // Keys of other types are known here, so that the message can say that they belong to another type.
    let fields = reader.map(what, node, &ALL_KEYS)?;
    let name = fields
        .require(reader, what, "name", "give the handler a name; by default it is also its export")
        .and_then(|node| reader.text_by(&format!("{what}.name"), node, rules::handler_name));
    let export = match fields.get("export") {
        Some(node) => Some(reader.text_by(&format!("{what}.export"), node, rules::export_name)?),
        None => None,
    };
    let kind = match fields.get("type") {
        Some(node) => reader.choice(&format!("{what}.type"), node, &KINDS)?,
        None => Kind::Call,
    };
    let word = KINDS.iter().find(|(_, other)| other.keys() == kind.keys()).map_or("", |(word, _)| word);
    for key in &ALL_KEYS[3..] {
        if let Some(span) = fields.key(key).filter(|_| !kind.keys().contains(key)) {
            let owner = KINDS.iter().find(|(_, other)| other.keys().contains(key)).map_or("", |(word, _)| word);
            let message = format!("'{key}' does not belong to a handler of type '{word}'");
            let help = match fields.get("type") {
                Some(_) => format!("'{key}' belongs to type '{owner}'"),
                None => format!("add 'type: {owner}'"),
            };
            reader.error("manifest.unknown-key", message, span, &help);
        }
    }
    let trigger = trigger(reader, what, &fields, kind);
    Some(ManifestHandler { name: name?, export, trigger: trigger? })
}

fn trigger(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>, kind: Kind) -> Option<Trigger> {
    match kind {
        Kind::Call => Some(Trigger::Call {}),
        Kind::Http => http(reader, what, fields),
        Kind::Event => event(reader, what, fields),
        Kind::Schedule => {
            let cron = fields
                .require(reader, what, "cron", "add a schedule, such as \"cron: '0 6 * * *'\"")
                .and_then(|node| reader.text_by(&format!("{what}.cron"), node, rules::cron));
            let zone = ["time_zone", "timeZone", "timezone"].iter().find_map(|key| fields.get(key));
            let time_zone = match zone {
                Some(node) => reader.text_by(&format!("{what}.time_zone"), node, rules::time_zone)?.value,
                None => "UTC".to_owned(),
            };
            let policies = [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)];
            let overlap = match fields.get("overlap") {
                Some(node) => reader.choice(&format!("{what}.overlap"), node, &policies)?,
                None => Overlap::Skip,
            };
            Some(Trigger::Schedule { cron: cron?.value, time_zone, overlap })
        }
        Kind::Render => {
            let node =
                fields.require(reader, what, "component", "name the component's file, such as 'src/page.tsx'")?;
            let what = format!("{what}.component");
            let component = reader.text_by(&what, node, |path| rules::relative_path(plain(path)))?;
            Some(Trigger::Render { component: plain(&component.value).to_owned() })
        }
        Kind::Lifecycle => {
            let events = [
                ("install", LifecycleEvent::Install),
                ("update", LifecycleEvent::Update),
                ("enable", LifecycleEvent::Enable),
                ("disable", LifecycleEvent::Disable),
                ("uninstall", LifecycleEvent::Uninstall),
            ];
            let node = fields.require(reader, what, "on", "say when: 'on: install'")?;
            Some(Trigger::Lifecycle { on: reader.choice(&format!("{what}.on"), node, &events)? })
        }
    }
}

fn http(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Trigger> {
    let method = match fields.get("method") {
        Some(node) => {
            let rule = |value: &str| rules::method(&value.to_ascii_uppercase(), true);
            reader.text_by(&format!("{what}.method"), node, rule).map(|text| text.value.to_ascii_uppercase())
        }
        None => Some("*".to_owned()),
    };
    let path = fields
        .require(reader, what, "path", "add the route, such as 'path: /hooks/:id'")
        .and_then(|node| reader.text_by(&format!("{what}.path"), node, rules::route));
    let words = [("required", Auth::Required), ("optional", Auth::Optional), ("none", Auth::None)];
    let auth = match fields.get("auth") {
        Some(node) => reader.choice(&format!("{what}.auth"), node, &words),
        None => Some(Auth::Required),
    };
    let permissions = fields
        .get("permissions")
        .map(|node| reader.texts(&format!("{what}.permissions"), node, rules::name))
        .unwrap_or_default();
    let rate = fields.get("rate_limit_per_minute").or_else(|| fields.get("rateLimitPerMinute"));
    let rate = rate.and_then(|node| reader.number(&format!("{what}.rate_limit_per_minute"), node, 1, 1_000_000));
    Some(Trigger::Http {
        method: method?,
        path: path?.value,
        auth: auth?,
        permissions,
        rate_limit_per_minute: rate.and_then(|rate| u32::try_from(rate.value).ok()),
    })
}

fn event(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Trigger> {
    let node = fields.require(reader, what, "names", "list the events, such as 'names: [order.paid]'")?;
    let names = reader.texts(&format!("{what}.names"), node, rules::event_pattern);
    if names.is_empty() {
        let span = (node.start, node.end);
        reader.error("manifest.value", format!("{what}.names has no event name"), span, "list at least one event");
    }
    let (mut attempts, mut backoff_ms) = (ATTEMPTS_DEFAULT, BACKOFF_MS_DEFAULT);
    let what = format!("{what}.retry");
    let retry = fields.get("retry").and_then(|node| reader.map(&what, node, &["attempts", "backoff", "backoff_ms"]));
    if let Some(retry) = retry {
        let written = retry.get("attempts").and_then(|node| reader.number(&format!("{what}.attempts"), node, 1, 100));
        attempts = written.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(attempts);
        backoff_ms = duration(reader, &retry, "backoff", "backoff_ms", 10, 3_600_000).unwrap_or(backoff_ms);
    }
    (!names.is_empty()).then_some(Trigger::Event { names, attempts, backoff_ms })
}
