//! `handlers[]`: names, exports and triggers. It knows the fields of each type, not what the bundle exports.

use std::collections::HashMap;

use belljar_package::{
    BACKOFF_MS_MAX_DEFAULT, Batch, Cron, EventOrder, LifecycleEvent, Misfire, Overlap, Route,
    SCHEDULE_BACKOFF_MS_DEFAULT, Trigger, rules,
};

use super::{
    ManifestHandler, duration,
    reader::{Fields, Reader},
    routes,
    tree::{Node, Value},
};
use crate::diagnostic::nearest;

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
            Self::Http => {
                &["method", "path", "auth", "permissions", "rate_limit_per_minute", "rateLimitPerMinute", "cors"]
            }
            Self::Event => &["names", "retry", "order", "batch"],
            Self::Schedule => &["cron", "time_zone", "overlap", "misfire", "retry", "timeZone", "timezone"],
            Self::Render => &[
                "component",
                "hydrate",
                "path",
                "auth",
                "permissions",
                "rate_limit_per_minute",
                "rateLimitPerMinute",
                "cors",
            ],
            Self::Lifecycle => &["on"],
        }
    }
}

const ALL_KEYS: [&str; 23] = [
    "name",
    "type",
    "export",
    "method",
    "path",
    "auth",
    "permissions",
    "rate_limit_per_minute",
    "rateLimitPerMinute",
    "cors",
    "names",
    "retry",
    "order",
    "batch",
    "cron",
    "time_zone",
    "overlap",
    "misfire",
    "timeZone",
    "timezone",
    "component",
    "hydrate",
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
        if let Some(Route { method, path, .. }) = handler.trigger.route() {
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
    if matches!(kind, Kind::Render) {
        let (trigger, page) = routes::page(reader, what, &fields)?;
        return Some(ManifestHandler { name: name?, export, trigger, page: Some(page) });
    }
    let trigger = trigger(reader, what, &fields, kind);
    Some(ManifestHandler { name: name?, export, trigger: trigger?, page: None })
}

fn trigger(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>, kind: Kind) -> Option<Trigger> {
    match kind {
        Kind::Call => Some(Trigger::Call {}),
        Kind::Http => routes::http(reader, what, fields),
        Kind::Event => event(reader, what, fields),
        Kind::Schedule => schedule(reader, what, fields),
        // Read with what the build needs to know of it.
        Kind::Render => None,
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

fn event(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Trigger> {
    let node = fields.require(reader, what, "names", "list the events, such as 'names: [order.paid]'")?;
    let names = reader.texts(&format!("{what}.names"), node, rules::event_pattern);
    if names.is_empty() {
        let span = (node.start, node.end);
        reader.error("manifest.value", format!("{what}.names has no event name"), span, "list at least one event");
    }
    let retry = retry(reader, what, fields, ATTEMPTS_DEFAULT, BACKOFF_MS_DEFAULT);
    let order = match fields.get("order") {
        None => EventOrder::None,
        Some(Node { value: Value::Bool(true), .. }) => EventOrder::All,
        Some(Node { value: Value::Bool(false), .. }) => EventOrder::None,
        Some(node) => {
            // Not `choice`: the other values are no texts.
            let known = matches!(&node.value, Value::Text(word) if word == "key");
            if !known {
                let help = "use true (all events of the handler, one after the other), or 'key' (those with the same order key)";
                let message = format!("{what}.order is true, false or 'key'");
                reader.error("manifest.value", message, (node.start, node.end), help);
            }
            EventOrder::Key
        }
    };
    let batch = batch(reader, &format!("{what}.batch"), fields);
    (!names.is_empty()).then_some(Trigger::Event {
        names,
        attempts: retry.attempts,
        backoff_ms: retry.backoff_ms,
        backoff_ms_max: retry.backoff_ms_max,
        order,
        batch,
    })
}

/// `batch: { max: 100, wait_ms: 200 }`.
fn batch(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Batch {
    let Some(node) = fields.get("batch") else { return Batch::default() };
    let Some(batch) = reader.map(what, node, &["max", "wait", "wait_ms"]) else { return Batch::default() };
    let most = batch
        .require(reader, what, "max", "say how many events a call may get, such as 'max: 100'")
        .and_then(|node| reader.number(&format!("{what}.max"), node, 1, rules::BATCH_MAX.into()));
    let max = most.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(1);
    let wait_ms = duration(reader, &batch, "wait", "wait_ms", 0, rules::BATCH_WAIT_MS_MAX).unwrap_or(0);
    Batch { max, wait_ms }
}

struct Retry {
    attempts: u32,
    backoff_ms: u64,
    backoff_ms_max: u64,
}

/// `retry: { attempts: 5, backoff: 1s, backoff_max: 1h }`.
fn retry(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>, attempts: u32, backoff_ms: u64) -> Retry {
    let mut read = Retry { attempts, backoff_ms, backoff_ms_max: BACKOFF_MS_MAX_DEFAULT };
    let what = format!("{what}.retry");
    let keys = ["attempts", "backoff", "backoff_ms", "backoff_max", "backoff_max_ms"];
    let Some(retry) = fields.get("retry").and_then(|node| reader.map(&what, node, &keys)) else { return read };
    let most = rules::ATTEMPTS_MAX.into();
    let written = retry.get("attempts").and_then(|node| reader.number(&format!("{what}.attempts"), node, 1, most));
    read.attempts = written.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(attempts);
    let (low, high) = (rules::BACKOFF_MS_MIN, rules::BACKOFF_FIRST_MS_MAX);
    read.backoff_ms = duration(reader, &retry, "backoff", "backoff_ms", low, high).unwrap_or(backoff_ms);
    let longest = duration(reader, &retry, "backoff_max", "backoff_max_ms", low, rules::BACKOFF_CEILING_MS);
    read.backoff_ms_max = longest.unwrap_or(BACKOFF_MS_MAX_DEFAULT).max(read.backoff_ms);
    read
}

fn schedule(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Trigger> {
    let cron = fields
        .require(reader, what, "cron", "add a schedule, such as \"cron: '0 6 * * *'\"")
        .and_then(|node| cron(reader, &format!("{what}.cron"), node));
    let zone = ["time_zone", "timeZone", "timezone"].iter().find_map(|key| fields.get(key));
    let time_zone = match zone {
        Some(node) => time_zone(reader, &format!("{what}.time_zone"), node)?,
        None => "UTC".to_owned(),
    };
    let policies = [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)];
    let overlap = match fields.get("overlap") {
        Some(node) => reader.choice(&format!("{what}.overlap"), node, &policies)?,
        None => Overlap::Skip,
    };
    let policies = [("skip", Misfire::Skip), ("once", Misfire::Once), ("all", Misfire::All)];
    let misfire = match fields.get("misfire") {
        Some(node) => reader.choice(&format!("{what}.misfire"), node, &policies)?,
        None => Misfire::Once,
    };
    let Retry { attempts, backoff_ms, .. } = retry(reader, what, fields, 1, SCHEDULE_BACKOFF_MS_DEFAULT);
    Some(Trigger::Schedule { cron: cron?, time_zone, overlap, misfire, attempts, backoff_ms })
}

/// An expression, with the place of what is wrong in it.
fn cron(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<String> {
    let text = reader.text(what, node)?.value;
    let Err(problem) = Cron::parse(&text) else { return Some(text) };
    // Where the text stands as it is, behind a quote or not, its parts can be pointed at.
    let source = reader.file.text();
    let begins = (node.start..=node.start + 1).find(|at| source.get(*at..).is_some_and(|rest| rest.starts_with(&text)));
    let inside = problem.start < problem.end && problem.end <= text.len();
    let span = match begins.filter(|_| inside) {
        Some(begin) => (begin + problem.start, begin + problem.end),
        None => (node.start, node.end),
    };
    let shown: String = text.chars().take(80).collect();
    reader.error("manifest.value", format!("{what} {shown:?} is not valid"), span, &problem.to_string());
    None
}

/// A zone that the time zone database has.
fn time_zone(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<String> {
    let zone = reader.text_by(what, node, rules::time_zone)?.value;
    match belljar_intl::time_zone(&zone) {
        Some(known) if known == zone => return Some(zone),
        Some(known) => {
            let message = format!("{what} {zone:?} is not written as the database has it");
            reader.error("manifest.value", message, (node.start, node.end), &format!("write '{known}'"));
        }
        None => {
            let help = match nearest(&zone, &belljar_intl::time_zones()) {
                Some(name) => format!("did you mean '{name}'?"),
                None => "use a name of the IANA time zone database, such as 'UTC' or 'Europe/Rome'".to_owned(),
            };
            reader.error(
                "manifest.unknown-zone",
                format!("time zone {zone:?} is not known"),
                (node.start, node.end),
                &help,
            );
        }
    }
    None
}
