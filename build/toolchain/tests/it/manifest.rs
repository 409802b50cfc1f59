//! Manifests as authors write them, and what they are told.

use belljar_build::{Manifest, Problem};
use belljar_package::*;

fn descriptor(text: &str) -> Descriptor {
    let (manifest, _) =
        Manifest::parse("manifest.yaml", text).unwrap_or_else(|error| panic!("{}", crate::support::render(&error)));
    let descriptor = manifest.descriptor();
    descriptor.validate().expect("what the build accepts, the package accepts");
    descriptor
}

fn notices(text: &str) -> Vec<Problem> {
    Manifest::parse("manifest.yaml", text).expect("it is legal").1
}

fn errors(text: &str) -> String {
    match Manifest::parse("manifest.yaml", text) {
        Ok(_) => panic!("it should be refused"),
        Err(error) => crate::support::render(&error),
    }
}

/// The smallest manifest and more.
fn with(more: &str) -> String {
    format!("{}{more}", crate::support::MANIFEST)
}

#[test]
fn the_smallest_manifest_resolves_every_default() {
    insta::assert_json_snapshot!(descriptor(crate::support::MANIFEST));
}

#[test]
fn json_is_yaml() {
    let json = r#"{"id": "hello", "version": "1.0.0", "name": "Hello", "runtime": {"entrypoint": "./main.ts"}}"#;
    assert_eq!(descriptor(json), descriptor(crate::support::MANIFEST));
}

const FULL: &str = r#"
manifestVersion: 1
id: orders
version: 2.1.0-beta.1
name: { en: Orders, de: Bestellungen }
description: Takes orders
author: { name: Ada, email: ada@example.com }
license: MIT
homepage: https://example.com
keywords: [orders, shop]
runtime:
  engine: wasm
  version: ">=0.1, <2"
  entrypoint: src/main.tsx
  limits: { max_memory_mb: 32, fuel_max: 5000000, rows_max: 100 }
  healthCheck: { path: /health, timeout: 500ms }
handlers:
  - name: hook
    type: http
    method: post
    path: /hooks/:id/*
    auth: none
    rate_limit_per_minute: 60
  - { name: paid, type: event, names: [order.paid, refund.*], retry: { attempts: 3, backoff: 2s } }
  - { name: nightly, type: schedule, cron: "0 3 * * *", timezone: Europe/Rome, overlap: queue, export: run }
  - { name: page, type: render, component: ./src/page.tsx }
  - { name: setup, type: lifecycle, on: install }
  - { name: once }
permissions:
  db: true
  http:
    - api.example.com
    - { hosts: ["*.example.org", 192.0.2.1], ports: [8443], methods: [get, POST], allow_http: true }
  events: { publish: [order.created], subscribe: [order.paid] }
  secrets: [TOKEN, { name: KEY, required: false, hosts: [api.example.com] }]
  kv: true
"#;

#[test]
fn a_full_manifest() {
    insta::assert_json_snapshot!(descriptor(FULL));
    assert!(notices(FULL).is_empty());
}

#[test]
fn limits_mean_the_same_in_every_spelling() {
    let limits = |text: &str| descriptor(&with(text)).runtime.limits;
    let expected = Limits {
        max_memory_mb: Some(64),
        max_cpu_percent: Some(50),
        max_execution_ms: Some(1000),
        max_concurrent: Some(7),
        ..Limits::default()
    };
    let check = |text: &str| assert_eq!(limits(text), expected, "{text}");
    check("  limits: {max_memory_mb: 64, max_cpu_percent: 50, max_execution_ms: 1000, max_concurrent: 7}");
    check("  limits: {memory_mb_max: 64, cpu_percent_max: 50, execution_ms_max: 1000, concurrent_max: 7}");
    check("  limits: {maxMemoryMB: 64, maxCpuPercent: 50, maxExecutionMs: 1000, maxConcurrentRequests: 7}");
    check("  resources: {maxMemoryMB: 64, maxCpuPercent: 50, maxExecutionMs: 1000, maxConcurrentRequests: 7}");
    check("resources: {maxMemoryMB: 64, maxCpuPercent: 50, maxExecutionMs: 1000, maxConcurrentRequests: 7}");
    check(
        "  limits: {max_memory_mb: 64, max_cpu_percent: 50}\nresources: {maxMemoryMB: 64, maxExecutionMs: 1000, maxConcurrentRequests: 7}",
    );
    insta::assert_snapshot!(errors(&with("  limits: {max_memory_mb: 64}\nresources: {maxMemoryMB: 128}\n")));
}

#[test]
fn config_is_a_map_of_fields() {
    let config = |text: &str| descriptor(&with(text)).config;
    let fields = config(
        "config:\n  MODEL: string\n  temperature: { type: number, default: 0.7, min: 0, max: 2, description: How it varies }\n  size: { type: string, enum: [s, m], required: true }\n",
    );
    let expected = [
        ConfigField::new("MODEL", ConfigType::String),
        ConfigField {
            default: Some(serde_json::json!(0.7)),
            min: Some(0.0),
            max: Some(2.0),
            description: Some("How it varies".into()),
            ..ConfigField::new("temperature", ConfigType::Number)
        },
        ConfigField {
            required: true,
            choices: vec!["s".into(), "m".into()],
            ..ConfigField::new("size", ConfigType::String)
        },
    ];
    assert_eq!(fields, expected);
    assert!(config("config: {}\n").is_empty());
    insta::assert_snapshot!(errors(&with(
        "config:\n  temperature: { type: number, default: 3, max: 2 }\n  9lives: string\n  model: text\n  size: { type: string, mn: 1 }\n  model: string\n"
    )));
}

#[test]
fn what_is_legal_and_worth_a_look() {
    let check = |text: &str, code: &str| {
        let codes: Vec<_> = notices(&with(text)).iter().map(|notice| notice.code).collect();
        assert_eq!(codes, [code], "{text}");
    };
    check("  engine: goja\n  version: not-a-range\n", "manifest.engine-goja");
    check("permissions: { http: ['*'] }\n", "manifest.any-host");
    check("permissions: { db: { tables: [orders] } }\n", "manifest.db-tables");
    assert_eq!(descriptor(&with("  engine: goja\n  version: 9\n")).runtime.engine, Engine::Wasm);
    for engine in ["component", "bun", "node", "deno"] {
        let entry = if engine == "component" { "a.wasm" } else { "a.ts" };
        let text = format!("id: hello\nversion: 1.0.0\nname: H\nruntime: {{engine: {engine}, entrypoint: {entry}}}\n");
        assert_eq!(serde_json::to_value(descriptor(&text).runtime.engine).expect("JSON"), engine);
    }
}

#[test]
fn many_errors_are_told_together() {
    insta::assert_snapshot!(errors(
        r#"id: Hello
version: 1.0
nmae: Hello
runtime:
  entryPoint: main.ts
  entrypoint: ../main.ts
  limits:
    max_memory_mb: 64MB
    max_memory_mb: 65
handlers:
  - name: hook
    type: htpp
  - name: hook2
    path: /x
  - name: tick
    type: schedule
    cron: "61 * * * *"
  - name: tick
permissions:
  http: [https://api.example.com/]
  db: yes
"#
    ));
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    insta::assert_snapshot!(errors("id: hello\n  version: 1\n"));
    insta::assert_snapshot!(errors("id: [hello\n"));
    insta::assert_snapshot!(errors(""));
    insta::assert_snapshot!(errors("- a\n"));
}

#[test]
fn each_rule_has_its_code() {
    let check = |text: &str, code: &str| match Manifest::parse("manifest.yaml", text) {
        Ok(_) => panic!("{text:?} should be refused"),
        Err(error) => {
            let codes: Vec<_> = error.problems().iter().map(|problem| problem.code).collect();
            assert_eq!(codes, [code], "{text}\n{}", crate::support::render(&error));
            let (_, position) = error.problems()[0].location();
            assert!(position.is_some(), "{text} has a place");
        }
    };
    check(&with("more: 1\n"), "manifest.unknown-key");
    check(&with("id: again\n"), "manifest.duplicate-key");
    check(&with("keywords: 1\n"), "manifest.type");
    check(&with("manifestVersion: 2\n"), "manifest.value");
    check(&with("  engine: v8\n"), "manifest.value");
    check(&with("  version: latest\n"), "manifest.value");
    check(&with("  limits: { max_memory_mb: 0 }\n"), "manifest.value");
    check(&with("  limits: { max_memory_mb: -1 }\n"), "manifest.value");
    check(&with("  limits: { max_memory_mb: 1.5 }\n"), "manifest.type");
    check(&with("  healthCheck: { path: health }\n"), "manifest.value");
    check(&with("  healthCheck: { path: /h, interval: 30 }\n"), "manifest.type");
    check(&with("  healthCheck: { path: /h, interval: 30 parsecs }\n"), "manifest.value");
    check(&with("handlers: { a: b }\n"), "manifest.type");
    check(&with("handlers: [{ type: call }]\n"), "manifest.missing-key");
    check(&with("handlers: [{ name: a, cron: x }]\n"), "manifest.unknown-key");
    check(&with("handlers: [{ name: a, type: http, path: x }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: http, path: /x, method: FETCH }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: event, names: [] }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: event, names: [x], order: maybe }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: event, names: [x], batch: { wait: 1s } }]\n"), "manifest.missing-key");
    check(&with("handlers: [{ name: a, type: event, names: [x], batch: { max: 0 } }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: event, names: [x], retry: { attempts: 101 } }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: event, names: [x], retry: { backoff: 1d } }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: schedule, cron: '* * 31 2 *' }]\n"), "manifest.value");
    check(
        &with("handlers: [{ name: a, type: schedule, cron: '@daily', time_zone: Europe/Rom }]\n"),
        "manifest.unknown-zone",
    );
    check(&with("handlers: [{ name: a, type: schedule, cron: '@daily', time_zone: europe/rome }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: schedule, cron: '@daily', misfire: twice }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: lifecycle, on: boot }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: render, component: /etc/passwd }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: render, component: a.tsx, path: x }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: render, component: a.css }]\n"), "manifest.value");
    check(&with("handlers: [{ name: a, type: render, component: a.tsx, hydrate: 1 }]\n"), "manifest.type");
    check(&with("handlers: [{ name: a, type: render, component: a.tsx, auth: none }]\n"), "manifest.missing-key");
    check(&with("handlers: [{ name: a, type: render, component: a.tsx, export: b }]\n"), "manifest.unknown-key");
    check(&with("handlers: [{ name: a, type: render, component: a.tsx, method: GET }]\n"), "manifest.unknown-key");
    check(
        &with(
            "handlers: [{ name: a, type: render, component: a.tsx, path: /x }, { name: b, type: http, method: get, path: /x }]\n",
        ),
        "manifest.duplicate-route",
    );
    check(&with("handlers: [{ name: a }, { name: a }]\n"), "manifest.duplicate-handler");
    check(
        &with("handlers: [{ name: a, type: http, path: /x }, { name: b, type: http, path: /x }]\n"),
        "manifest.duplicate-route",
    );
    check(&with("permissions: { http: [{ ports: [80] }] }\n"), "manifest.missing-key");
    check(&with("permissions: { http: [{ host: a.b, ports: [0] }] }\n"), "manifest.value");
    check(&with("permissions: { secrets: [A, A] }\n"), "manifest.value");
    check(&with("permissions: { kv: 'true' }\n"), "manifest.type");
    check(&with("config: [a]\n"), "manifest.type");
    check(&with("config: { a: 1 }\n"), "manifest.type");
    check(&with("config: { a: { default: 1 } }\n"), "manifest.missing-key");
    check(&with("config: { a: strng }\n"), "manifest.value");
    check(&with("config: { a: { type: integer, min: one } }\n"), "manifest.type");
    check(&with("config: { a: { type: boolean, enum: [1] } }\n"), "manifest.value");
    check(&with("config: { a-b: string }\n"), "manifest.value");
    check(&with("x: &a [*a]\n"), "manifest.syntax");
    check(&format!("{}{}", crate::support::MANIFEST, "a: ".repeat(40)), "manifest.syntax");
}

#[test]
fn nested_and_expanding_yaml_is_bounded() {
    let deep = format!("a: {}", "[".repeat(100_000));
    assert!(Manifest::parse("manifest.yaml", deep).is_err());
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let last = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 10].join(", ")));
    }
    assert!(Manifest::parse("manifest.yaml", bomb).is_err());
}

const HANDLER: &str = "handlers:\n  - { name: a, type: http, path: /a, auth: none";

#[test]
fn cors_of_an_applet_and_of_a_handler() {
    let found = descriptor(&with(&format!(
        "cors: '*'\n{HANDLER}, cors: {{ origins: [https://a.b], methods: [put], headers: [X-Api-Key], credentials: true, max_age_s: 5 }} }}\n"
    )));
    let any = found.cors.expect("the applet has rules");
    assert_eq!((any.origins, any.credentials, any.max_age_s), (vec!["*".to_owned()], false, 600));
    let Trigger::Http { cors: Some(own), .. } = &found.handlers[0].trigger else { panic!("{:?}", found.handlers) };
    assert_eq!((&*own.methods, &*own.headers), (&["PUT".to_owned()][..], &["x-api-key".to_owned()][..]));
    assert_eq!((own.credentials, own.max_age_s), (true, 5));
    assert_eq!(descriptor(&with("cors: [https://a.b, http://c.d:81]\n")).cors.expect("rules").origins.len(), 2);
}

#[test]
fn pages_have_routes_as_http_handlers_have() {
    let found = descriptor(&with(
        "handlers:\n  - { name: a, type: render, component: ./src/a.tsx, path: '/a/:id', auth: optional, permissions: [x.read], rate_limit_per_minute: 9, cors: '*' }\n  - { name: b-c, type: render, component: b.jsx, hydrate: false }\n",
    ));
    let route = found.handlers[0].trigger.route().expect("it has a path");
    assert_eq!((route.method, route.path, route.auth), ("GET", "/a/:id", Auth::Optional));
    assert_eq!((route.permissions, route.rate_limit_per_minute), (&["x.read".to_owned()][..], Some(9)));
    assert!(route.cors.is_some());
    assert!(found.handlers[1].trigger.route().is_none());
    assert_eq!(found.handlers[1].export, "belljar$page$b$2dc");
}

#[test]
fn cors_that_cannot_be_meant() {
    insta::assert_snapshot!(errors(&with(&format!(
        "cors: {{ origins: ['*'], credentials: true }}\n{HANDLER}, permissions: [admin], cors: {{ origins: [https://a.b/], method: [GET] }} }}\n"
    ))));
}

#[test]
fn a_mistake_in_a_schedule_is_pointed_at() {
    insta::assert_snapshot!(errors(&with(
        "handlers:\n  - { name: a, type: schedule, cron: '0 24 * * *', time_zone: Europe/Rom }\n  - { name: b, type: schedule, cron: 0 6 * * moon }\n"
    )));
}

#[test]
fn triggers_of_a_handler_are_read() {
    let text = with(
        "handlers:\n  - { name: a, type: event, names: [x], order: key, batch: { max: 50, wait: 1s }, retry: { attempts: 9, backoff: 2s, backoff_max: 6h } }\n  \
         - { name: b, type: event, names: [x], order: true }\n  - { name: c, type: schedule, cron: '@daily', misfire: all, retry: { attempts: 2 } }\n",
    );
    let (manifest, _) = Manifest::parse("manifest.yaml", text).unwrap();
    let triggers: Vec<_> =
        manifest.handlers.iter().map(|handler| serde_json::to_value(&handler.trigger).unwrap()).collect();
    assert_eq!(
        triggers,
        [
            serde_json::json!({
                "type": "event", "names": ["x"], "attempts": 9, "backoff_ms": 2000, "backoff_ms_max": 21_600_000, "order": "key",
                "batch": { "max": 50, "wait_ms": 1000 },
            }),
            serde_json::json!({ "type": "event", "names": ["x"], "attempts": 5, "backoff_ms": 1000, "order": "all" }),
            serde_json::json!({
                "type": "schedule", "cron": "@daily", "time_zone": "UTC", "overlap": "skip", "misfire": "all", "attempts": 2,
            }),
        ]
    );
}

#[test]
fn only_processes_can_be_servers() {
    let manifest = |engine: &str, server: &str| {
        format!(
            "id: shop\nversion: 1.0.0\nname: Shop\nruntime: {{ engine: {engine}, entrypoint: main.ts, server: {server} }}\n"
        )
    };
    for (engine, server, told) in [
        ("bun", "true", None),
        ("wasm", "false", None),
        ("wasm", "true", Some("only process engines run applets that are servers")),
        ("bun", "yes please", Some("runtime.server")),
    ] {
        let read = Manifest::parse("manifest.yaml", manifest(engine, server));
        match (read, told) {
            (Ok((manifest, _)), None) => assert_eq!(manifest.descriptor().runtime.is_server, server == "true"),
            (Err(error), Some(told)) => {
                assert!(error.problems().iter().any(|problem| problem.message.contains(told)), "{error:?}")
            }
            (read, _) => panic!("{engine} {server}: {read:?}"),
        }
    }
}
