//! `permissions`: what the applet asks for. It knows the shapes; granting is the tenant's business.

use belljar_package::{HttpRule, Permissions, SecretRule, rules};

use super::{
    reader::{Fields, Reader},
    tree::{Node, Value},
};

/// Reads the map; what has errors is reported and left out.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Permissions {
    let keys = ["db", "http", "events", "secrets", "kv", "jobs", "custom"];
    let Some(fields) = reader.map("permissions", node, &keys) else { return Permissions::default() };
    let mut permissions = Permissions::default();
    if let Some(node) = fields.get("db") {
        permissions.db = db(reader, node);
    }
    if let Some(node) = fields.get("http") {
        permissions.http = http(reader, node);
    }
    if let Some(events) =
        fields.get("events").and_then(|node| reader.map("permissions.events", node, &["publish", "subscribe"]))
    {
        if let Some(node) = events.get("publish") {
            permissions.events_publish = reader.texts("permissions.events.publish", node, rules::name);
        }
        if let Some(node) = events.get("subscribe") {
            permissions.events_subscribe = reader.texts("permissions.events.subscribe", node, rules::event_pattern);
        }
    }
    if let Some(node) = fields.get("secrets") {
        permissions.secrets = secrets(reader, node);
    }
    permissions.kv = fields.get("kv").and_then(|node| reader.boolean("permissions.kv", node)).unwrap_or_default();
    permissions.jobs = fields.get("jobs").and_then(|node| reader.boolean("permissions.jobs", node)).unwrap_or_default();
    if let Some(node) = fields.get("custom") {
        permissions.custom = reader.texts("permissions.custom", node, rules::capability_name);
    }
    permissions
}

/// `true`, `own`, or the older list of tables.
fn db(reader: &mut Reader<'_>, node: &Node) -> bool {
    match &node.value {
        Value::Bool(wanted) => *wanted,
        Value::Text(text) if text == "own" => true,
        Value::Map(_) => {
            let Some(fields) = reader.map("permissions.db", node, &["tables"]) else { return false };
            if let (Some(tables), Some(span)) = (fields.get("tables"), fields.key("tables")) {
                reader.texts("permissions.db.tables", tables, rules::name);
                let message = "the applet gets a database of its own, so the list of tables is not needed".to_owned();
                reader.notice("manifest.db-tables", message, span, "write 'db: true'");
            }
            true
        }
        _ => {
            reader.wrong_type("permissions.db", "true, false or a map with 'tables'", node);
            false
        }
    }
}

/// A list of hosts and rules, or one rule whose `hosts` share ports and methods.
fn http(reader: &mut Reader<'_>, node: &Node) -> Vec<HttpRule> {
    let mut rules_read: Vec<HttpRule> = Vec::new();
    let items = match &node.value {
        Value::Map(_) => vec![node],
        _ => reader.list("permissions.http", node, true).unwrap_or_default(),
    };
    for item in items {
        match &item.value {
            Value::Map(_) => rules_read.extend(http_rule(reader, item)),
            _ => {
                if let Some(host) = host(reader, item) {
                    rules_read.push(HttpRule { host, ports: vec![], methods: vec![], allow_http: false });
                }
            }
        }
    }
    for (index, rule) in rules_read.iter().enumerate() {
        if rules_read[..index].contains(rule) {
            let message = format!("permissions.http names {:?} twice", rule.host);
            reader.error("manifest.value", message, (node.start, node.end), "keep one of the two");
            break;
        }
    }
    rules_read
}

fn http_rule(reader: &mut Reader<'_>, node: &Node) -> Vec<HttpRule> {
    let keys = ["host", "hosts", "ports", "methods", "allow_http", "allowHttp"];
    let Some(fields) = reader.map("permissions.http", node, &keys) else { return Vec::new() };
    let hosts: Vec<String> = match (fields.get("hosts"), fields.get("host")) {
        (Some(list), None) => {
            let items = reader.list("permissions.http.hosts", list, true).unwrap_or_default();
            items.into_iter().filter_map(|item| host(reader, item)).collect()
        }
        (None, Some(one)) => host(reader, one).into_iter().collect(),
        (Some(_), Some(_)) => {
            let span = fields.key("host").unwrap_or_default();
            let message = "'host' and 'hosts' stand together".to_owned();
            reader.error("manifest.value", message, span, "keep one of the two");
            Vec::new()
        }
        (None, None) => {
            fields.require(reader, "permissions.http", "host", "name a host, such as 'host: api.example.com'");
            Vec::new()
        }
    };
    let ports = ports(reader, &fields);
    let upper = |value: &str| rules::method(&value.to_ascii_uppercase(), false);
    let methods = fields.get("methods").map(|node| reader.texts("permissions.http.methods", node, upper));
    let methods: Vec<String> = methods.unwrap_or_default().iter().map(|method| method.to_ascii_uppercase()).collect();
    let plain_http = fields.get("allow_http").or_else(|| fields.get("allowHttp"));
    let allow_http =
        plain_http.and_then(|node| reader.boolean("permissions.http.allow_http", node)).unwrap_or_default();
    let rule = |host| HttpRule { host, ports: ports.clone(), methods: methods.clone(), allow_http };
    hosts.into_iter().map(rule).collect()
}

fn ports(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<u16> {
    let Some(node) = fields.get("ports") else { return Vec::new() };
    let items = match node.value {
        Value::Integer(_) => vec![node],
        _ => reader.list("permissions.http.ports", node, false).unwrap_or_default(),
    };
    let number = |item| reader.number("permissions.http.ports", item, 1, 65_535);
    let numbers: Vec<_> = items.into_iter().filter_map(number).collect();
    numbers.into_iter().filter_map(|number| u16::try_from(number.value).ok()).collect()
}

fn host(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let host = reader.text_by("permissions.http.host", node, rules::host)?.value;
    if host == "*" {
        let message = "the applet may call every host: high risk".to_owned();
        let help = "name the hosts it needs; '*' is shown as high risk when the applet is installed";
        reader.notice("manifest.any-host", message, (node.start, node.end), help);
    }
    Some(host)
}

fn secrets(reader: &mut Reader<'_>, node: &Node) -> Vec<SecretRule> {
    let mut secrets: Vec<SecretRule> = Vec::new();
    for item in reader.list("permissions.secrets", node, true).unwrap_or_default() {
        let secret = match &item.value {
            Value::Map(_) => secret(reader, item),
            _ => reader.text_by("permissions.secrets", item, rules::name).map(|name| SecretRule {
                name: name.value,
                required: true,
                hosts: vec![],
            }),
        };
        let Some(secret) = secret else { continue };
        if secrets.iter().any(|other| other.name == secret.name) {
            let message = format!("secret '{}' is there twice", secret.name);
            reader.error("manifest.value", message, (item.start, item.end), "keep one of the two");
        }
        secrets.push(secret);
    }
    secrets
}

fn secret(reader: &mut Reader<'_>, node: &Node) -> Option<SecretRule> {
    let fields = reader.map("permissions.secrets", node, &["name", "required", "hosts"])?;
    let name = fields.require(reader, "permissions.secrets", "name", "name the secret")?;
    let name = reader.text_by("permissions.secrets.name", name, rules::name)?.value;
    let required = fields.get("required").and_then(|node| reader.boolean("permissions.secrets.required", node));
    let hosts = fields.get("hosts").map(|node| reader.texts("permissions.secrets.hosts", node, rules::host));
    Some(SecretRule { name, required: required.unwrap_or(true), hosts: hosts.unwrap_or_default() })
}
