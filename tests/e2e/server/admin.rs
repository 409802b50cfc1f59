//! The admin API answers as its OpenAPI document says: each route is asked, well and badly, and status and keys of the answer are compared
//! with the document.

use std::collections::BTreeSet;

use belljar_tests::serving::{Answer, Server, request};
use serde_json::{Value, json};

use super::hello;

/// What differs between a value and a schema.
fn differences(value: &Value, schema: &Value, document: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(to) = schema["$ref"].as_str() {
        let schema = document.pointer(to.trim_start_matches('#')).unwrap_or_else(|| panic!("{to} leads nowhere"));
        return differences(value, schema, document, at, found);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(options) = schema[key].as_array() {
            let fits = options.iter().any(|option| {
                let mut missed = Vec::new();
                differences(value, option, document, at, &mut missed);
                missed.is_empty()
            });
            if !fits {
                found.push(format!("{at}: {value} fits none of {key}"));
            }
            return;
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        parts.iter().for_each(|part| differences(value, part, document, at, found));
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |wanted: &Value| wanted == kind || (kind == "number" && wanted == "integer");
    let fits = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is_kind),
        wanted => is_kind(wanted),
    };
    if !fits {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    match value {
        Value::Object(map) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !map.contains_key(name.as_str().unwrap_or_default()) {
                    found.push(format!("{at}.{name} is missing"));
                }
            }
            if let Some(properties) = schema["properties"].as_object() {
                for (name, value) in map {
                    match properties.get(name) {
                        Some(schema) => differences(value, schema, document, &format!("{at}.{name}"), found),
                        None => found.push(format!("{at}.{name} is not described")),
                    }
                }
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| differences(item, &schema["items"], document, &format!("{at}[]"), found))
        }
        _ => {}
    }
}

struct Checked {
    server: Server,
    document: Value,
    asked: BTreeSet<(String, String)>,
}

impl Checked {
    /// Asks, and compares the answer with the document. `template` is the path there.
    fn ask(&mut self, method: &str, template: &str, path: &str, body: Option<&Value>, expected: u16) -> Answer {
        let answer = self.server.ask(method, path, body);
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
        self.compare(method, template, &answer);
        answer
    }

    /// Asks for something that is not there.
    fn miss(&mut self, method: &str, template: &str, path: &str) {
        self.ask(method, template, path, None, 404);
    }

    fn compare(&mut self, method: &str, template: &str, answer: &Answer) {
        let operation = &self.document["paths"][template][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {template} is not described");
        let response = &operation["responses"][answer.status.to_string()];
        assert!(
            response.is_object(),
            "{method} {template} answers {}, which is not described: {}",
            answer.status,
            answer.text()
        );
        self.asked.insert((method.to_lowercase(), template.to_owned()));
        let Some(content) = response["content"].as_object() else {
            assert!(answer.body.is_empty(), "{method} {template} {}: {}", answer.status, answer.text());
            return;
        };
        let kind = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let described = content.get(&kind).unwrap_or_else(|| {
            panic!("{method} {template} {} is {kind}, not one of {:?}", answer.status, content.keys())
        });
        if kind == "application/json" {
            let mut found = Vec::new();
            differences(&answer.json(), &described["schema"], &self.document, "", &mut found);
            assert!(found.is_empty(), "{method} {template} {}: {found:#?}\n{}", answer.status, answer.text());
        }
    }
}

#[test]
fn every_route_answers_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let document = request(server.admin, "GET", "/openapi.json", &[], b"");
    let mut api = Checked { document: document.json(), server, asked: BTreeSet::new() };
    api.compare("GET", "/openapi.json", &document);
    for path in ["/healthz", "/readyz"] {
        let answer = request(api.server.admin, "GET", path, &[], b"");
        assert_eq!(answer.status, 200);
        api.compare("GET", path, &answer);
    }
    let refused = request(api.server.admin, "GET", "/v1/status", &[("authorization", "Bearer wrong")], b"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(refused.json()["error"]["code"], "unauthorized");
    assert_eq!(request(api.server.admin, "GET", "/metrics", &[], b"").status, 401);
    assert_eq!(api.server.ask("GET", "/v1/nothing", None).json()["error"]["code"], "not-found");
    assert_eq!(api.server.ask("PATCH", "/v1/tenants", None).status, 405);

    let metrics = api.ask("GET", "/metrics", "/metrics", None, 200);
    assert!(metrics.text().contains("belljar_process_resident_memory_bytes"), "{}", metrics.text());
    api.ask("GET", "/v1/status", "/v1/status", None, 200);
    api.ask("GET", "/v1/recordings", "/v1/recordings", None, 200);
    api.ask("GET", "/v1/recordings/{name}", "/v1/recordings/inv_none", None, 404);

    let tenants = "/v1/tenants";
    api.ask("POST", tenants, tenants, Some(&json!({ "id": "acme" })), 201);
    api.ask("POST", tenants, tenants, Some(&json!({ "id": "acme" })), 409);
    api.ask("POST", tenants, tenants, Some(&json!({ "id": "../etc" })), 422);
    api.ask("POST", tenants, tenants, Some(&json!({ "name": "acme" })), 422);
    api.ask("GET", tenants, tenants, None, 200);
    let tenant = "/v1/tenants/{tenant}";
    let info = api.ask("GET", tenant, "/v1/tenants/acme", None, 200).json();
    api.ask("GET", tenant, "/v1/tenants/nobody", None, 404);
    let mut quotas = info["quotas"].clone();
    quotas["weight"] = 7.into();
    let changed = api.ask("PUT", "/v1/tenants/{tenant}/quotas", "/v1/tenants/acme/quotas", Some(&quotas), 200).json();
    assert_eq!(changed["quotas"]["weight"], 7);
    quotas["weight"] = 0.into();
    api.ask("PUT", "/v1/tenants/{tenant}/quotas", "/v1/tenants/acme/quotas", Some(&quotas), 422);
    api.ask("POST", "/v1/tenants/{tenant}/suspend", "/v1/tenants/acme/suspend", None, 200);
    api.ask("POST", "/v1/tenants/{tenant}/resume", "/v1/tenants/acme/resume", None, 200);

    let keys = "/v1/tenants/{tenant}/keys";
    let made = api
        .ask("POST", keys, "/v1/tenants/acme/keys", Some(&json!({ "user": "ada", "permissions": ["read"] })), 201)
        .json();
    let listed = api.ask("GET", keys, "/v1/tenants/acme/keys", None, 200);
    assert!(!listed.text().contains(made["key"].as_str().unwrap()), "keys are shown once");
    let id = made["info"]["id"].as_str().unwrap();
    api.ask("DELETE", "/v1/tenants/{tenant}/keys/{name}", &format!("/v1/tenants/acme/keys/{id}"), None, 204);
    api.ask("DELETE", "/v1/tenants/{tenant}/keys/{name}", "/v1/tenants/acme/keys/none", None, 404);

    // A package alone waits; as JSON with a grant it is installed.
    let package = belljar_tests::applet::package(hello("1.0.0", "Hello").path());
    let token = format!("Bearer {}", api.server.token());
    let octets = [("authorization", token.as_str()), ("content-type", "application/octet-stream")];
    for (path, template, expected) in [
        ("/v1/tenants/acme/plan", "/v1/tenants/{tenant}/plan", 200),
        ("/v1/tenants/acme/install", "/v1/tenants/{tenant}/install", 202),
        ("/v1/tenants/nobody/install", "/v1/tenants/{tenant}/install", 404),
    ] {
        let answer = request(api.server.admin, "POST", path, &octets, &package);
        assert_eq!(answer.status, expected, "{}", answer.text());
        api.compare("POST", template, &answer);
    }
    let broken = request(api.server.admin, "POST", "/v1/tenants/acme/install", &octets, b"no package");
    assert_eq!((broken.status, &broken.json()["error"]["code"]), (422, &json!("invalid-package")));
    api.compare("POST", "/v1/tenants/{tenant}/install", &broken);

    let of = |rest: &str| {
        (format!("/v1/tenants/{{tenant}}/applets/{{applet}}{rest}"), format!("/v1/tenants/acme/applets/hello{rest}"))
    };
    let applet = |api: &mut Checked, method: &str, rest: &str, body: Option<&Value>, expected: u16| {
        let (template, path) = of(rest);
        api.ask(method, &template, &path, body, expected)
    };
    applet(&mut api, "POST", "/reject", None, 204);
    let again = request(api.server.admin, "POST", "/v1/tenants/acme/install", &octets, &package);
    assert_eq!(again.status, 202);
    applet(&mut api, "POST", "/approve", Some(&json!({ "grant": "all" })), 200);
    applet(&mut api, "POST", "/approve", Some(&json!({ "grant": "all" })), 404);
    api.ask("GET", "/v1/applets", "/v1/applets", None, 200);
    api.ask("GET", "/v1/tenants/{tenant}/applets", "/v1/tenants/acme/applets", None, 200);
    applet(&mut api, "GET", "", None, 200);
    applet(&mut api, "GET", "/releases", None, 200);
    applet(&mut api, "POST", "/rollback", Some(&json!({ "to": 99 })), 404);
    applet(&mut api, "POST", "/rollback", Some(&json!({ "to": 1 })), 200);
    applet(&mut api, "PUT", "/grants", Some(&json!({ "db": true })), 200);
    applet(&mut api, "POST", "/disable", None, 200);
    applet(&mut api, "POST", "/call", Some(&json!({ "handler": "count" })), 503);
    applet(&mut api, "POST", "/enable", None, 200);
    let request_body =
        json!({ "handler": "greet", "request": { "method": "GET", "url": "https://localhost/greet/Ada" } });
    let answer = applet(&mut api, "POST", "/call", Some(&request_body), 200).json();
    assert!(answer["ok"].is_boolean(), "{answer}");
    let fault = applet(&mut api, "POST", "/call", Some(&json!({ "handler": "none" })), 200).json();
    assert_eq!(fault["fault"]["code"], "handler-not-found", "{fault}");
    applet(&mut api, "GET", "/config", None, 200);
    applet(&mut api, "PUT", "/config", Some(&json!({ "unknown": 1 })), 422);
    applet(&mut api, "PUT", "/config", Some(&json!({})), 200);
    applet(&mut api, "GET", "/secrets", None, 200);
    let secret = |rest: &str| {
        (
            "/v1/tenants/{tenant}/applets/{applet}/secrets/{name}".to_owned(),
            format!("/v1/tenants/acme/applets/hello/secrets/{rest}"),
        )
    };
    let (template, path) = secret("KEY");
    api.ask("PUT", &template, &path, Some(&json!({ "value": "s3cret" })), 422);
    api.ask("DELETE", &template, &path, None, 404);
    api.ask("GET", "/v1/processes", "/v1/processes", None, 200);
    // It runs in the sandbox.
    applet(&mut api, "POST", "/processes/reset", None, 404);
    let exported = applet(&mut api, "GET", "/export", None, 200);
    assert!(exported.body.len() > 512, "a tar");

    let host = ("/v1/hosts/{name}", "/v1/hosts/hello.example.com");
    api.ask("PUT", host.0, host.1, Some(&json!({ "tenant": "acme", "applet": "hello" })), 204);
    api.ask("GET", "/v1/hosts", "/v1/hosts", None, 200);
    api.ask("DELETE", host.0, host.1, None, 204);
    api.ask("DELETE", host.0, host.1, None, 404);

    let invocations = loop {
        let page = api.ask("GET", "/v1/invocations", "/v1/invocations?tenant=acme&limit=10", None, 200).json();
        if page["items"].as_array().unwrap().len() >= 3 {
            break page;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let id = invocations["items"].as_array().unwrap().iter().find_map(|row| row["id"].as_str()).unwrap().to_owned();
    api.ask("GET", "/v1/invocations/{name}", &format!("/v1/invocations/{id}"), None, 200);
    api.ask("GET", "/v1/invocations/{name}", &format!("/v1/invocations/inv_{}", "0".repeat(32)), None, 404);
    api.ask("GET", "/v1/invocations/{name}", "/v1/invocations/x", None, 422);
    api.ask("GET", "/v1/invocations", "/v1/invocations?limit=0", None, 422);
    api.ask("GET", "/v1/invocations", "/v1/invocations?limit=many", None, 400);
    api.ask("GET", "/v1/logs", "/v1/logs?tenant=acme", None, 200);
    api.ask("GET", "/v1/logs", "/v1/logs?level=loud", None, 422);
    api.ask("GET", "/v1/logs/follow", "/v1/logs/follow?level=loud", None, 422);
    api.ask("GET", "/v1/audit", "/v1/audit?tenant=acme", None, 200);
    api.ask("GET", "/v1/changes", "/v1/changes?tenant=acme", None, 200);
    api.ask("GET", "/v1/usage", "/v1/usage?tenant=acme", None, 200);
    api.ask("GET", "/v1/usage", "/v1/usage?from=yesterday", None, 422);
    triggers(&mut api);
    let backup = api.ask("POST", "/v1/backup", "/v1/backup", None, 200);
    assert!(backup.body.len() > 10_000, "{}", backup.body.len());

    let (template, path) = of("");
    api.ask("DELETE", &template, &format!("{path}?purge=true"), None, 204);
    api.ask("DELETE", &template, &path, None, 404);
    api.ask("DELETE", tenant, "/v1/tenants/acme", None, 204);

    let described =
        api.document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        });
    let untried: Vec<_> = described.filter(|route| !api.asked.contains(route)).collect();
    assert!(untried.is_empty(), "not tried: {untried:?}");
}

/// Events, schedules and jobs: the applet has no handlers for them, but calls of it can be put off.
fn triggers(api: &mut Checked) {
    let (tenant, applet) = ("/v1/tenants/{tenant}", "/v1/tenants/{tenant}/applets/{applet}");
    let (acme, hello) = ("/v1/tenants/acme", "/v1/tenants/acme/applets/hello");
    let event = json!({ "name": "order.paid", "payload": {} });
    api.ask("POST", &format!("{tenant}/events"), &format!("{acme}/events"), Some(&event), 422);
    let later = json!({ "handler": "count" });
    let taken = api.ask("POST", &format!("{applet}/calls"), &format!("{hello}/calls"), Some(&later), 202).json();
    let unknown = json!({ "handler": "none" });
    api.ask("POST", &format!("{applet}/calls"), &format!("{hello}/calls"), Some(&unknown), 404);
    let listed = api.ask("GET", "/v1/deliveries", "/v1/deliveries?tenant=acme", None, 200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    api.ask("GET", "/v1/deliveries/counts", "/v1/deliveries/counts?tenant=acme", None, 200);
    let id = taken["id"].as_str().unwrap_or_else(|| panic!("{taken}"));
    // While it waits, and with its result, which is any JSON.
    let begun = std::time::Instant::now();
    loop {
        let message =
            api.ask("GET", &format!("{tenant}/messages/{{name}}"), &format!("{acme}/messages/{id}"), None, 200).json();
        if message["deliveries"][0]["state"] == "done" {
            break assert_eq!(message["deliveries"][0]["result"], 1, "{message}");
        }
        assert!(begun.elapsed() < belljar_tests::PATIENCE, "{message}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    api.miss("GET", &format!("{tenant}/messages/{{name}}"), &format!("{acme}/messages/nothing"));
    api.miss("POST", &format!("{tenant}/messages/{{name}}/cancel"), &format!("{acme}/messages/nothing/cancel"));
    for what in ["retry", "drop", "replay"] {
        api.miss("POST", &format!("{tenant}/deliveries/{{name}}/{what}"), &format!("{acme}/deliveries/999999/{what}"));
    }
    for what in ["replay", "drop"] {
        let changed = api
            .ask("POST", &format!("{tenant}/dead/{what}"), &format!("{acme}/dead/{what}"), Some(&json!({})), 200)
            .json();
        assert_eq!(changed["count"], 0, "{changed}");
    }
    let schedules = api.ask("GET", "/v1/schedules", "/v1/schedules?tenant=acme", None, 200).json();
    assert_eq!(schedules["items"], json!([]));
    let schedule = (format!("{applet}/schedules/{{name}}"), format!("{hello}/schedules/nightly"));
    api.miss("GET", &schedule.0, &schedule.1);
    for what in ["pause", "resume", "run"] {
        api.miss("POST", &format!("{}/{what}", schedule.0), &format!("{}/{what}", schedule.1));
    }
    api.miss("GET", &format!("{applet}/health"), "/v1/tenants/acme/applets/nothing/health");
}
