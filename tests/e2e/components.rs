//! Applets that are components, made of text: small, so that each test shows all of what its component does. What other languages make of the
//! world is in `components/javascript.rs`.

mod javascript;
mod serving;
mod standalone;
mod wasi;

use belljar::{FaultCode, Host, Invocation, Limits, Outcome, Payload, Release, Request, Response};
use belljar_tests::server::{Reply, Server};
use belljar_tests::{applet, component, host};
use serde_json::json;

/// A component without imports of WASI.
fn plain(core_imports: &str, functions: &str) -> Vec<u8> {
    component::of_text("", "", core_imports, functions)
}

fn admit(host: &Host, manifest: &str, component: &[u8]) -> Release {
    applet::admit(host, applet::tenant(), &component::package_of("made-of-text", manifest, component))
}

async fn call(host: &Host, release: &Release) -> Outcome {
    applet::call(host, release, "default", "null").await
}

/// What it answers by itself, on the shared host.
async fn run(manifest: &str, component: &[u8]) -> Outcome {
    call(host::shared(), &admit(host::shared(), manifest, component)).await
}

/// Counts in the store, and answers the number.
const COUNTER: (&str, &str) = (
    r#"(import "belljar:component/kv@0.1.0" "increment" (func $increment (param i32 i32 i64 i32 i64 i32)))"#,
    r#"(data (i32.const 4096) "visits")
       (func (export "handle") (param i32) (result i32)
         ;; The key, by 1, for good, and where the result goes.
         (call $increment (i32.const 4096) (i32.const 6) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 1200))
         (if (i32.load8_u (i32.const 1200)) (then (return (call $number (i64.const 999)))))
         (call $number (i64.load (i32.const 1208))))"#,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_has_the_capabilities_it_was_granted() {
    let host = host::shared();
    let component = plain(COUNTER.0, COUNTER.1);
    let release = admit(host, "permissions: { kv: true }\n", &component);
    for expected in [1, 2, 3] {
        let outcome = call(host, &release).await;
        assert_eq!(applet::value(&outcome), expected);
        let usage = &outcome.usage;
        // Two pages, and a table with one function that wit-component has made.
        assert_eq!(
            (usage.operations, usage.host_calls, usage.kv.writes, usage.memory_bytes_peak),
            (1, 1, 1, (2 << 16) + 8)
        );
        assert!((200..5_000).contains(&usage.fuel), "{usage:?}");
    }
    let refused = run("", &component).await;
    assert_eq!((applet::value(&refused), refused.usage.kv.writes), (json!(999), 0), "nothing was granted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_has_an_instance_of_its_own() {
    let host = host::shared();
    let functions = r#"
        (global $calls (mut i64) (i64.const 0))
        (func (export "handle") (param i32) (result i32)
          (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
          (i64.store (i32.const 5000) (i64.add (i64.load (i32.const 5000)) (global.get $calls)))
          (call $number (i64.load (i32.const 5000))))"#;
    let release = admit(host, "", &plain("", functions));
    for _ in 0..3 {
        assert_eq!(applet::value(&call(host, &release).await), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_end_a_call_and_say_where() {
    let endless = plain(
        "",
        r#"(func $spin (loop $l (br $l))) (func (export "handle") (param i32) (result i32) (call $spin) (i32.const 0))"#,
    );
    let outcome = run("  limits: { fuel_max: 25000000 }\n", &endless).await;
    let fault = applet::fault(&outcome);
    assert_eq!(
        (fault.code, fault.limit.as_ref().map(|hit| (hit.name, hit.allowed))),
        (FaultCode::Fuel, Some(("fuel_max", 25_000_000)))
    );
    assert_eq!(fault.frames[0].function, "spin", "{fault:?}");
    assert!(outcome.usage.fuel >= 25_000_000);

    let outcome = run("  limits: { max_execution_ms: 100 }\n", &endless).await;
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.limit.as_ref().map(|hit| hit.allowed)), (FaultCode::Deadline, Some(100)));

    let bomb = plain(
        "",
        r#"(func (export "handle") (param i32) (result i32) (loop $l (drop (memory.grow (i32.const 64))) (br $l)) (i32.const 0))"#,
    );
    let outcome = run("  limits: { max_memory_mb: 8 }\n", &bomb).await;
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.limit.as_ref().map(|hit| hit.allowed)), (FaultCode::Memory, Some(8 << 20)));
    assert!(outcome.usage.memory_bytes_peak <= 8 << 20);

    let deep = plain(
        "",
        r#"(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1))) (func (export "handle") (param i32) (result i32) (call $down (i32.const 1)))"#,
    );
    assert_eq!(applet::fault(&run("", &deep).await).code, FaultCode::Stack);

    let large = plain(
        "",
        r#"(func (export "handle") (param i32) (result i32) (memory.fill (i32.const 8192) (i32.const 49) (i32.const 60000)) (call $text (i32.const 8192) (i32.const 60000)))"#,
    );
    let outcome = run("  limits: { response_bytes_max: 50000 }\n", &large).await;
    assert_eq!(
        applet::fault(&outcome).limit.as_ref().map(|hit| (hit.name, hit.used)),
        Some(("response_bytes_max", 60_000))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_component_does_wrong_is_its_fault() {
    let traps = plain(
        "",
        r#"(func $oops unreachable) (func $middle (call $oops)) (func (export "handle") (param i32) (result i32) (call $middle) (i32.const 0))"#,
    );
    let outcome = run("", &traps).await;
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.message.contains("unreachable")), (FaultCode::Trap, true), "{fault:?}");
    let names: Vec<_> = fault.frames.iter().map(|frame| frame.function.as_str()).collect();
    assert_eq!(names[..2], ["oops", "middle"], "{names:?}");
    assert_eq!((fault.frames[0].file.as_str(), fault.frames[0].line), ("applet.wasm", 1));

    let not_json = plain(
        "",
        r#"(data (i32.const 4096) "{oops") (func (export "handle") (param i32) (result i32) (call $text (i32.const 4096) (i32.const 5)))"#,
    );
    assert_eq!(applet::fault(&run("", &not_json).await).code, FaultCode::InvalidResult);

    // The address of a text that is not in memory, and an answer of no case.
    let wild =
        plain("", r#"(func (export "handle") (param i32) (result i32) (call $text (i32.const 4096) (i32.const -1)))"#);
    assert_eq!(applet::fault(&run("", &wild).await).code, FaultCode::Trap);

    // What it answers by itself: `failure`, with its reason, name and message.
    let fails = plain(
        "",
        r#"(data (i32.const 4096) "NotFoundno such order")
           (func (export "handle") (param i32) (result i32)
             (i32.store8 (i32.const 1024) (i32.const 1))
             (i32.store8 (i32.const 1028) (i32.const 0))
             (i32.store (i32.const 1032) (i32.const 4096)) (i32.store (i32.const 1036) (i32.const 8))
             (i32.store (i32.const 1040) (i32.const 4104)) (i32.store (i32.const 1044) (i32.const 13))
             (i32.const 1024))"#,
    );
    let outcome = run("", &fails).await;
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Threw, "NotFound: no such order"));
}

/// Sends a request to what its payload names, and answers the status.
const FETCHER: (&str, &str) = (
    r#"(import "belljar:component/http@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
    r#"(data (i32.const 4096) "GET")
       (func (export "handle") (param $call i32) (result i32)
         ;; method, url (the text of the payload without its quotes), headers, body, redirect, timeout.
         (call $send (i32.const 4096) (i32.const 3)
           (i32.add (i32.load (i32.add (local.get $call) (i32.const PAYLOAD))) (i32.const 1))
           (i32.sub (i32.load (i32.add (local.get $call) (i32.const PAYLOAD_BYTES))) (i32.const 2))
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3000))
         (if (i32.load8_u (i32.const 3000)) (then (return (call $number (i64.extend_i32_u (i32.load8_u (i32.const 3008)))))))
         (call $number (i64.extend_i32_u (i32.load16_u (i32.const 3008)))))"#,
);

fn fetcher() -> Vec<u8> {
    // Where the payload's text is in a call: after id and deadline (16), caller (64), handler, export and trigger (24), the payload's case (4).
    plain(FETCHER.0, &FETCHER.1.replace("PAYLOAD_BYTES", "112").replace("PAYLOAD", "108"))
}

const LOOPBACK: &str = "permissions: { http: [{ host: localhost, allow_http: true }] }\n";

#[test]
fn a_component_that_waits_takes_no_thread() {
    // One thread; the server answers only when all of them have asked.
    const CALLS: usize = 24;
    let server = Server::start(|_| Reply::status(204).together(CALLS));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = host::build(host::builder());
    let release = admit(&host, LOOPBACK, &fetcher());
    runtime.block_on(async {
        let url = json!(format!("http://localhost:{}/", server.port())).to_string();
        let calls = (0..CALLS).map(|_| applet::call(&host, &release, "default", &url));
        for outcome in futures_util::future::join_all(calls).await {
            assert_eq!(applet::value(&outcome), 204, "{outcome:?}");
            assert_eq!((outcome.usage.http.requests, outcome.usage.operations), (1, 1));
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_call_that_waits() {
    let server = Server::start(|_| Reply::status(204).together(2));
    let release = admit(host::shared(), &format!("  limits: {{ max_execution_ms: 200 }}\n{LOOPBACK}"), &fetcher());
    let url = json!(format!("http://localhost:{}/", server.port())).to_string();
    let outcome = applet::call(host::shared(), &release, "default", &url).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::Deadline);
    assert_eq!(outcome.usage.http.requests, 1);
    let refused = applet::call(host::shared(), &release, "default", r#""http://192.0.2.1/""#).await;
    assert_eq!(applet::value(&refused), 1, "`denied` is the second case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_comes_whole_and_is_answered() {
    // Answers 201 with the body of the request, in a response without headers.
    let echo = plain(
        "",
        r#"(func (export "handle") (param $call i32) (result i32)
             (i32.store8 (i32.const 1024) (i32.const 0))
             (i32.store8 (i32.const 1028) (i32.const 1))
             (i32.store16 (i32.const 1032) (i32.const 201))
             (i32.store (i32.const 1036) (i32.const 0)) (i32.store (i32.const 1040) (i32.const 0))
             (i32.store (i32.const 1044) (i32.load (i32.add (local.get $call) (i32.const 132))))
             (i32.store (i32.const 1048) (i32.load (i32.add (local.get $call) (i32.const 136))))
             (i32.const 1024))"#,
    );
    let manifest = "handlers: [{ name: hook, type: http, method: POST, path: /, auth: none }]\n";
    let release = admit(host::shared(), manifest, &echo);
    let pieces = ["one, ", "two"].map(|text| Ok::<_, String>(belljar::Bytes::from_static(text.as_bytes())));
    let broken = [Ok(belljar::Bytes::from_static(b"one")), Err("the client has gone".to_owned())];
    let request = |body: belljar::Body| Request {
        method: "POST".into(),
        url: "https://a.example/".into(),
        headers: Vec::new(),
        body,
    };
    let send =
        async |body| host::shared().invoke(&release, Invocation::new("hook", Payload::Request(request(body)))).await;
    for body in [belljar::Body::from("one, two"), belljar::Body::stream(futures_util::stream::iter(pieces))] {
        let outcome = send(body).await;
        let Ok(Response::Http(reply)) = &outcome.result else { panic!("{outcome:?}") };
        assert_eq!((reply.status, &reply.body[..]), (201, &b"one, two"[..]));
    }
    let outcome = send(belljar::Body::stream(futures_util::stream::iter(broken))).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::InvalidPayload, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_input_for_the_host_too() {
    let host = host::shared();
    let package = component::package_of("made-of-text", "", &plain(COUNTER.0, COUNTER.1));
    let strange = component::of_text(
        "import acme:strange/files@1.0.0;",
        "package acme:strange@1.0.0 { interface files { open: func() -> u64; } }",
        r#"(import "acme:strange/files@1.0.0" "open" (func $open (result i64)))"#,
        r#"(func (export "handle") (param i32) (result i32) (call $number (call $open)))"#,
    );
    let memories = format!(
        r#"(component (core module $m (memory 1) (func (export "f"))) {} (func (export "handle") (canon lift (core func 0 "f"))))"#,
        "(core instance (instantiate $m))".repeat(17)
    );
    let memories = wat::parse_str(memories).unwrap();
    for (component, expected) in
        [(&strange[..], "acme:strange/files@1.0.0"), (b"\0asm", "is not valid"), (&memories, "17 memories")]
    {
        let release = applet::admit(host, applet::tenant(), &component::with_component(&package, component));
        let fault = host.prepare(&release).await.expect_err("it is refused");
        assert_eq!(fault.code, FaultCode::Preparation);
        assert!(fault.message.contains(expected), "{expected}: {fault}");
        assert_eq!(applet::fault(&call(host, &release).await), &fault);
    }
    let unbuilt = belljar_build::check(component::folder("made-of-text", "", &strange).path());
    let problem = &unbuilt.problems[0];
    assert_eq!((problem.code, problem.message.contains("acme:strange/files@1.0.0")), ("build.component-import", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_code_is_compiled_once() {
    let cache = host::private_cache();
    let package = component::package_of(
        "made-of-text",
        "",
        &plain("", r#"(func (export "handle") (param i32) (result i32) (call $number (i64.const 7)))"#),
    );
    for from_cache in [false, true] {
        let host = host::build(Host::builder().cache_dir(cache.path()).limits(Limits::default()));
        let release = applet::admit(&host, applet::tenant(), &package);
        assert_eq!(host.prepare(&release).await.unwrap().from_cache(), from_cache);
        assert_eq!(applet::value(&call(&host, &release).await), 7);
    }
}
