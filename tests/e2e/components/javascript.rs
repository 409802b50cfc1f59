//! A component that componentize-js has made of JavaScript (StarlingMonkey with SpiderMonkey, 11 MB): the same handlers, capabilities and limits
//! as for components of text. `cargo xtask test` installs what makes it.

use std::sync::{Arc, Mutex};

use belljar::{
    Answering, AppletId, CapabilityError, EventSink, FaultCode, Host, Invocation, JobSink, LogOrigin, NewJob, Origin,
    Outcome, Payload, PublishedEvent, Release, Request, Response, SecretSource, SecretText, SecretsUnavailable, Seeded,
    TenantId,
};
use belljar_tests::server::{Reply, Server};
use belljar_tests::{applet, component, host};
use serde_json::{Value, json};

const NAMES: [&str; 12] = [
    "echo",
    "database",
    "capabilities",
    "world",
    "spin",
    "bomb",
    "flood",
    "large",
    "throws",
    "crashes",
    "hostile",
    "unknown",
];

fn package(limits: &str) -> Option<Vec<u8>> {
    let handlers: Vec<_> = NAMES.iter().map(|name| format!("  - {{ name: {name} }}\n")).collect();
    let manifest = format!(
        "{limits}handlers:\n{}  - {{ name: hook, type: http, method: POST, path: /hook, auth: none }}\n\
         permissions: {{ db: true, kv: true, jobs: true, secrets: [KEY, MISSING], events: {{ publish: [order.paid] }},\n  \
         http: [{{ host: localhost, allow_http: true }}] }}\n",
        handlers.concat()
    );
    Some(component::package_of(
        "made-of-javascript",
        &manifest,
        &component::of_javascript("tests/components/applet.js")?,
    ))
}

/// A sink for events and jobs, and a keeper of secrets.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl EventSink for Kept {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        self.0.lock().unwrap().push(event.name);
        Box::pin(async { Ok("evt_1".to_owned()) })
    }
}

impl JobSink for Kept {
    fn enqueue(&self, job: NewJob) -> Answering<'_, String> {
        self.0.lock().unwrap().push(job.handler);
        Box::pin(async { Ok("job_1".to_owned()) })
    }

    fn cancel(&self, _: Origin, _: String) -> Answering<'_, bool> {
        Box::pin(async { Ok(false) })
    }

    fn progress(&self, _: Origin, _: String) -> Answering<'_, ()> {
        Box::pin(async { Err(CapabilityError::Busy) })
    }
}

impl SecretSource for Kept {
    fn secret(&self, _: &TenantId, _: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        Ok((name == "KEY").then(|| SecretText::new("sk-very-secret".into())))
    }
}

async fn call(host: &Host, release: &Release, handler: &str, payload: &Value) -> Outcome {
    applet::call(host, release, handler, &payload.to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_has_handlers_and_capabilities() {
    let Some(package) = package("") else { return };
    let kept = Arc::new(Kept::default());
    let log = host::Log::default();
    let builder =
        host::builder().events(kept.clone()).jobs(kept.clone()).secrets(kept.clone()).log(Arc::new(log.clone()));
    let host = host::build(builder);
    let release = applet::admit(&host, applet::tenant(), &package);

    let echo = applet::value(&call(&host, &release, "echo", &json!({ "ä": [1, null] })).await);
    let tenant = release.tenant().as_str();
    assert_eq!(
        echo,
        json!({ "input": { "ä": [1, null] }, "handler": "echo", "trigger": "one-off", "tenant": tenant, "config": "", "attempt": 1 })
    );

    let database = call(&host, &release, "database", &json!(null)).await;
    let expected = json!({
        "changes": { "changes": 1, "lastInsertRowid": 1 },
        "twice": "constraint",
        "rows": { "columns": ["id", "text"], "rows": [[{ "tag": "integer", "val": 1 }, { "tag": "text", "val": "kept" }]] },
    });
    assert_eq!(applet::value(&database), expected);
    assert!(database.usage.db.statements >= 5, "{:?}", database.usage);

    let server = Server::start(|_| Reply::bytes(b"pong".to_vec()));
    let outcome =
        call(&host, &release, "capabilities", &json!({ "url": format!("http://localhost:{}/", server.port()) })).await;
    let expected = json!({
        "values": [{ "tag": "json", "val": "2" }, { "tag": "bytes", "val": [1, 2] }, null],
        "page": { "keys": ["a", "b"], "hasMore": false },
        "swapped": true,
        "key": 14,
        "missing": null,
        "other": "denied",
        "event": "evt_1",
        "job": "job_1",
        "progress": "invalid",
        "answer": [200, "pong"],
        "elsewhere": "denied",
    });
    assert_eq!(applet::value(&outcome), expected);
    assert_eq!(*kept.0.lock().unwrap(), ["order.paid", "echo"]);
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), &seen[0].body[..]), ("POST", &b"ping"[..]));
    assert!(seen[0].headers.contains(&("x-key".into(), "sk-very-secret".into())));
    let lines = log.of(&outcome.id);
    let lines: Vec<_> = lines.iter().map(|line| (line.origin, line.message.as_str())).collect();
    assert_eq!(
        lines,
        [(LogOrigin::Sdk, "the key is [secret KEY]"), (LogOrigin::Stdout, "to stdout")],
        "what was asked for is not written down"
    );

    let request = Request {
        method: "POST".into(),
        url: "https://a.example/hook".into(),
        headers: Vec::new(),
        body: "raw".into(),
    };
    let outcome = host.invoke(&release, Invocation::new("hook", Payload::Request(request))).await;
    let Ok(Response::Http(reply)) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!((reply.status, &reply.body[..], reply.headers.len()), (201, &b"POST raw"[..], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_meets_its_limits() {
    let limits = "  limits: { max_memory_mb: 48, fuel_max: 3000000000, response_bytes_max: 100000 }\n";
    let Some(package) = package(limits) else { return };
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    for (handler, code) in [
        ("spin", FaultCode::Fuel),
        ("bomb", FaultCode::Memory),
        ("large", FaultCode::Output),
        ("crashes", FaultCode::Trap),
    ] {
        let outcome = call(host, &release, handler, &json!(null)).await;
        assert_eq!(applet::fault(&outcome).code, code, "{handler}: {outcome:?}");
    }
    let outcome = call(host, &release, "throws", &json!(null)).await;
    let fault = applet::fault(&outcome);
    let error = &fault.errors[0];
    assert_eq!(
        (fault.code, error.code.as_deref(), &error.details),
        (FaultCode::Threw, Some("order.unknown"), &Some(json!({ "id": 7 })))
    );
    let outcome = call(host, &release, "unknown", &json!(null)).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::HandlerNotFound);

    let outcome = call(host, &release, "flood", &json!(null)).await;
    assert_eq!(applet::value(&outcome), "done");
    let usage = &outcome.usage.log;
    assert_eq!(usage.lines + usage.lines_dropped, 3_001, "{usage:?}");
    assert!(usage.lines <= 1_000 && usage.bytes <= 256 << 10, "{usage:?}");
    let outcome = call(host, &release, "hostile", &json!(null)).await;
    assert_eq!(applet::value(&outcome), json!([]));

    let package = self::package("  limits: { max_execution_ms: 300 }\n").unwrap();
    let outcome = call(host, &applet::admit(host, applet::tenant(), &package), "spin", &json!(null)).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::Deadline);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_repeats_output_and_fuel() {
    let Some(package) = package("") else { return };
    let run = async |seed| {
        let host = host::build(host::builder().source(Seeded::new(1_750_000_000_000_000, seed)));
        let outcome =
            call(&host, &applet::admit(&host, TenantId::new("acme").unwrap(), &package), "world", &json!(null)).await;
        (applet::value(&outcome), outcome.usage.fuel, outcome.usage.memory_bytes_peak)
    };
    let (first, second, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(first, second);
    assert_eq!(first.0["order"], json!([5, 10, 20]));
    assert_eq!(first.0["begun"].as_u64().map(|ms| ms / 1_000), Some(1_750_000_000));
    assert_ne!((&first.0["random"], &first.0["uuid"]), (&other.0["random"], &other.0["uuid"]));
}
